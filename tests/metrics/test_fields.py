"""Point scores against plain Python loops, and the laws they obey."""

import math

import numpy as np
import pytest

from dambench_hub.metrics import Scorer


def loop_scores(analysis, reference, std):
    """Contract section 4, cell by cell; one channel."""
    samples, _, rows, columns = analysis.shape
    weights = [max(math.cos(math.radians(90 - 180 * y / (rows - 1))), 0.0) for y in range(rows)]
    mean_weight = sum(weights) / rows
    rmse = pooled = bias = square = absolute = 0.0
    for n in range(samples):
        in_sample = 0.0
        for y in range(rows):
            for x in range(columns):
                error = float(analysis[n, 0, y, x]) - float(reference[n, 0, y, x])
                in_sample += weights[y] / mean_weight * error**2
                bias += weights[y] / mean_weight * error
                square += (error / std) ** 2
                absolute += abs(error) / std
        rmse += math.sqrt(in_sample / (rows * columns))
        pooled += in_sample
    cells = samples * rows * columns
    return {
        "rmse": rmse / samples,
        "rmse_pooled": math.sqrt(pooled / cells),
        "bias": bias / cells,
        "mse_by_channel": square / cells,
        "mae_by_channel": absolute / cells,
    }


def scores_of(analysis, reference, **settings):
    scorer = Scorer(**settings)
    scorer.update(analysis, reference)
    return scorer.compute()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("grid", [(3, 2), (5, 8), (6, 7)])
def test_scores_equal_plain_loops(rng, grid, dtype):
    reference = (280 + 10 * rng.normal(size=(3, 2, *grid))).astype(dtype)
    analysis = (reference + rng.normal(size=reference.shape)).astype(dtype)
    std = np.array([2.0, 0.5])
    scores = scores_of(analysis, reference, std=std)
    for channel in range(2):
        expected = loop_scores(analysis[:, [channel]], reference[:, [channel]], std[channel])
        for name, value in expected.items():
            assert scores[name][f"c{channel}"] == pytest.approx(value, rel=1e-10)
    for name in "mse", "mae":
        mean = np.mean(list(scores[f"{name}_by_channel"].values()))
        assert scores[name] == pytest.approx(mean, rel=1e-12)


def test_large_means_do_not_spoil_small_errors(rng):
    """Geopotential is 5e5 m2 s-2, its analysis error some tens."""
    reference = (5e5 + 3e3 * rng.normal(size=(2, 1, 33, 64))).astype("float32")
    analysis = (reference + 10 * rng.normal(size=reference.shape)).astype("float32")
    error = analysis.astype("float64") - reference
    scores = scores_of(analysis, reference)
    assert scores["mse"] == pytest.approx((error**2).mean(), rel=1e-12)
    assert scores["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-12)


def test_the_truth_scores_zero(rng):
    reference = rng.normal(size=(2, 3, 33, 64)).astype("float32")
    scores = scores_of(reference, reference)
    for name in "mse", "mae", "specdiv", "specres":
        assert scores[name] == 0
    for name in "rmse", "rmse_pooled", "bias":
        assert set(scores[name].values()) == {0.0}


def test_more_noise_is_worse(rng):
    reference, noise = rng.normal(size=(2, 2, 1, 33, 64))
    scores = [scores_of(reference + scale * noise, reference) for scale in (0.0, 0.1, 0.5, 2.0)]
    for name in "mse", "mae":
        values = [score[name] for score in scores]
        assert values == sorted(values) and len(set(values)) == 4


def test_a_factor_on_the_errors_is_a_factor_on_the_scores(rng):
    reference, error = rng.normal(size=(2, 3, 2, 33, 64))
    once = scores_of(reference + error, reference)
    twice = scores_of(reference + 2 * error, reference)
    for name, factor in ("mse", 4), ("mae", 2):
        assert twice[name] == pytest.approx(factor * once[name], rel=1e-9)
    for name in "rmse", "rmse_pooled", "bias":
        assert twice[name]["c1"] == pytest.approx(2 * once[name]["c1"], rel=1e-9)


def test_units_cancel_in_normalised_scores(rng):
    reference, analysis = rng.normal(size=(2, 2, 1, 33, 64))
    kelvin = scores_of(analysis, reference, std=[2.0])
    millikelvin = scores_of(1000 * analysis, 1000 * reference, std=[2000.0])
    for name in "mse", "mae", "specdiv", "specres":
        assert millikelvin[name] == pytest.approx(kelvin[name], rel=1e-9)


def test_longitudes_may_be_permuted_in_both(rng):
    reference, analysis = rng.normal(size=(2, 2, 1, 33, 64))
    shuffled = rng.permutation(64)
    before = scores_of(analysis, reference)
    after = scores_of(analysis[..., shuffled], reference[..., shuffled])
    for name in "rmse", "rmse_pooled", "bias":
        assert after[name]["c0"] == pytest.approx(before[name]["c0"], rel=1e-10)
    for name in "mse", "mae":
        assert after[name] == pytest.approx(before[name], rel=1e-10)


def test_latitude_weights_count_in_rmse_and_bias_only():
    """An error at a pole weighs nothing; one at the equator more than the mean."""
    reference = np.zeros((1, 1, 33, 64))
    at_pole, at_equator = reference.copy(), reference.copy()
    at_pole[..., 0, :] = at_equator[..., 16, :] = 1.0
    pole, equator = scores_of(at_pole, reference), scores_of(at_equator, reference)
    assert pole["rmse"]["c0"] < 1e-7
    assert equator["rmse_pooled"]["c0"] > np.sqrt(1.5 / 33)
    assert pole["mse"] == equator["mse"] == pytest.approx(1 / 33)


def test_given_latitudes_are_used(rng):
    reference, analysis = rng.normal(size=(2, 1, 1, 32, 64))
    latitude = np.linspace(87.1875, -87.1875, 32)
    weights = np.cos(np.deg2rad(latitude))
    weights = weights / weights.mean()
    expected = np.sqrt((weights[:, None] * (analysis - reference)[0, 0] ** 2).mean())
    scores = scores_of(analysis, reference, latitude=latitude)
    assert scores["rmse"]["c0"] == pytest.approx(expected, rel=1e-10)
