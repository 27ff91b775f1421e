"""Ensemble scores against brute force, closed forms and what a reliable ensemble must give."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.errors import ScoreError
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.ensemble import (
    fair_crps,
    infinite_ensemble_square,
    rank_frequencies,
    spread_skill,
)

WEIGHTS = np.ones(1)


def loop_crps(members, x):
    M = len(members)
    skill = sum(abs(member - x) for member in members) / M
    if M == 1:
        return skill
    pairs = sum(abs(a - b) for a in members for b in members)
    return skill - pairs / (2 * M * (M - 1))


@pytest.mark.parametrize("M", [1, 2, 3, 8])
def test_crps_equals_all_pairs(rng, M):
    members, reference = rng.normal(size=(M, 20)), rng.normal(size=20)
    expected = [loop_crps(members[:, i], reference[i]) for i in range(20)]
    np.testing.assert_allclose(fair_crps(members, reference), expected, rtol=1e-12, atol=1e-14)


def test_fair_crps_estimates_that_of_the_distribution(rng):
    """For a standard Gaussian and x = 0 that is √(2/π) − 1/√π, whatever the size."""
    expected = math.sqrt(2 / math.pi) - 1 / math.sqrt(math.pi)
    for M in 2, 5, 20:
        estimates = fair_crps(rng.normal(size=(M, 200_000)), np.zeros(200_000))
        assert estimates.mean() == pytest.approx(expected, abs=5e-3)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=7), st.integers(-5, 5))
def test_crps_is_never_negative(members, x):
    crps = fair_crps(np.array(members, float)[:, None], np.array([float(x)]))
    assert crps[0] >= 0
    assert crps[0] == pytest.approx(loop_crps(members, x), abs=1e-12)


def scores_of(members, reference, **settings):
    scorer = Scorer(**settings)
    scorer.update(members, reference)
    return scorer.compute()


def test_one_member_has_the_mae_as_crps(rng):
    reference = rng.normal(size=(3, 2, 33, 64))
    analysis = reference + rng.normal(size=reference.shape)
    error = np.abs(analysis - reference)
    weights = np.cos(np.deg2rad(np.linspace(90, -90, 33)))
    expected = np.average(error.mean(axis=-1), axis=-1, weights=weights).mean(axis=0)
    scores = scores_of(analysis[:, None], reference)
    np.testing.assert_allclose(list(scores["crps"].values()), expected, rtol=1e-10)
    assert scores["spread_skill"] == {"c0": 0.0, "c1": 0.0}


def test_the_mean_gets_the_scores_of_an_analysis(rng):
    reference = rng.normal(size=(3, 2, 33, 64)).astype("float32")
    members = rng.normal(size=(3, 5, 2, 33, 64)).astype("float32")
    ensemble = scores_of(members, reference, std=[1.0, 3.0])
    mean = scores_of(members.mean(axis=1, dtype="float64"), reference, std=[1.0, 3.0])
    assert set(ensemble) - set(mean) == {
        *("crps", "spread_skill", "rank_histogram"),
        *("mse_infinite_ensemble", "mse_infinite_ensemble_by_channel"),
    }
    for name, value in mean.items():
        assert ensemble[name] == pytest.approx(value, rel=1e-9)


def test_an_exchangeable_ensemble_is_reliable(rng):
    """Reference and members are draws of one distribution: flat ranks, ratio 1, any size."""
    for M in 2, 7:
        draws = rng.normal(size=(40, M + 1, 1, 33, 64))
        scores = scores_of(draws[:, 1:], draws[:, 0])
        assert scores["spread_skill"]["c0"] == pytest.approx(1, abs=0.01)
        np.testing.assert_allclose(scores["rank_histogram"]["c0"], 1 / (M + 1), rtol=0.05)


def test_an_ensemble_too_sure_of_itself_is_seen(rng):
    draws = rng.normal(size=(10, 6, 1, 33, 64))
    scores = scores_of(0.3 * draws[:, 1:], draws[:, 0])
    assert scores["spread_skill"]["c0"] < 0.5
    ranks = scores["rank_histogram"]["c0"]
    assert min(ranks[0], ranks[-1]) > 1.5 * max(ranks[1:-1])


def test_members_may_change_places(rng):
    reference, members = rng.normal(size=(2, 1, 33, 64)), rng.normal(size=(2, 4, 1, 33, 64))
    assert scores_of(members[:, ::-1], reference)["crps"]["c0"] == pytest.approx(
        scores_of(members, reference)["crps"]["c0"], rel=1e-12
    )


def test_ranks_count_members_below():
    members = np.array([1.0, 2.0, 3.0])[:, None, None]
    for value, rank in (0.5, 0), (1.5, 1), (2.5, 2), (3.5, 3):
        frequencies = rank_frequencies(members, np.array([[value]]), WEIGHTS)
        assert frequencies.tolist() == [float(r == rank) for r in range(4)]


def test_ties_are_shared_equally():
    members = np.array([1.0, 2.0, 2.0])[:, None, None]
    frequencies = rank_frequencies(members, np.array([[2.0]]), WEIGHTS)
    np.testing.assert_allclose(frequencies, [0, 1 / 3, 1 / 3, 1 / 3])


def test_ranks_are_by_area(rng):
    members, reference = rng.normal(size=(3, 5, 8)), rng.normal(size=(5, 8))
    weights = np.array([0.0, 1.0, 2.0, 2.0, 0.0])
    expected = np.zeros(4)
    for y in range(5):
        for x in range(8):
            expected[(members[:, y, x] < reference[y, x]).sum()] += weights[y] / 40
    np.testing.assert_allclose(rank_frequencies(members, reference, weights), expected)


def test_spread_skill_without_error_or_spread():
    variance, square_error = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 2.0])
    assert spread_skill(variance, square_error, members=1).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_members_equal_to_the_truth_score_zero(rng):
    reference = rng.normal(size=(2, 1, 33, 64)).astype("float32")
    scores = scores_of(np.repeat(reference[:, None], 3, axis=1), reference)
    assert scores["mse"] == scores["specdiv"] == scores["crps"]["c0"] == 0
    assert scores["spread_skill"]["c0"] == 1
    assert scores["rank_histogram"]["c0"] == pytest.approx([0.25] * 4)


def infinite_square(members, reference):
    square = (members.mean(axis=0) - reference) ** 2
    variance = members.var(axis=0, ddof=1)
    return infinite_ensemble_square(variance, square, len(members))


@pytest.mark.parametrize("M", [2, 3, 8])
def test_the_error_of_infinitely_many_members_is_that_of_pairs(M, rng):
    """Members with different errors have no sampling error in common."""
    members, reference = rng.normal(size=(M, 30)), rng.normal(size=30)
    error = members - reference
    pairs = [error[m] * error[n] for m in range(M) for n in range(M) if m != n]
    np.testing.assert_allclose(
        infinite_square(members, reference), np.mean(pairs, axis=0), rtol=1e-10, atol=1e-13
    )


def test_the_error_of_infinitely_many_members_does_not_know_their_number(rng):
    """Members around a mean that is off by 0.5: 0.25, where that of M members is 0.25 + 1/M."""
    for M in 2, 5, 20:
        members = 0.5 + rng.normal(size=(M, 200_000))
        assert infinite_square(members, np.zeros(200_000)).mean() == pytest.approx(0.25, abs=0.01)


def test_one_member_does_not_know_the_error_of_many():
    with pytest.raises(ScoreError, match="needs 2 members, got 1"):
        infinite_ensemble_square(np.zeros(2), np.ones(2), 1)
