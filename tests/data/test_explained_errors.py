"""What modalities say of errors: laws of an R² that is taken out of sample."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.data.dataset import load_data
from dambench_hub.data.explained_errors import (
    BACKGROUND,
    OLR,
    RAIN,
    RAW_OLR,
    RAW_RAIN,
    Samples,
    explained_errors,
    read_samples,
)
from dambench_hub.errors import DataError
from dambench_hub.testing import write_tiny_dataset

SHAPE = (5, 8)
ALL = {"all": np.ones(SHAPE)}


def samples(days, seed, noise=0.0):
    """Errors that are OLR departures and their mean, and rain that knows nothing."""
    rng = np.random.default_rng(seed)
    olr, rain, errors = rng.normal(size=(3, 1, days, *SHAPE))
    olr[rng.random(olr.shape) < 0.1] = np.nan
    around = np.nan_to_num(np.roll(olr, 1, axis=-1))
    errors = 3 + np.nan_to_num(olr) + 0.5 * around + noise * errors
    return Samples(errors, {OLR: olr, RAIN: rain})


@pytest.fixture(scope="module")
def splits():
    return samples(60, 0), samples(40, 1)


def test_what_is_linear_is_explained_and_noise_is_not(splits):
    (share,) = explained_errors(*splits, [OLR], ALL, at=OLR)["all"]
    assert share > 0.98
    (share,) = explained_errors(*splits, [RAIN], ALL, at=RAIN)["all"]
    assert -0.1 < share <= 0


def test_means_are_those_of_training(splits):
    """A change of the mean error from training to test is not forgiven."""
    train, test = splits
    moved = replace(test, errors=test.errors + 2)
    (share,) = explained_errors(train, moved, [OLR], ALL, at=OLR)["all"]
    residual, total = 2.0**2, np.mean((moved.errors - train.errors.mean(1, keepdims=True)) ** 2)
    assert share == pytest.approx(1 - residual / total, abs=0.02)


def test_coefficients_never_see_test(splits):
    """Each day's estimate is the same whatever the other days of the split are."""
    train, test = splits
    regions = {"row 2": np.zeros(SHAPE)}
    regions["row 2"][2] = 1
    first = Samples(test.errors[:, :1], {n: p[:, :1] for n, p in test.predictors.items()})
    later = Samples(-7 * test.errors, test.predictors)
    later.errors[:, :1] = test.errors[:, :1]
    unseen = {
        n: np.where(np.arange(40)[:, None, None], np.nan, p) for n, p in later.predictors.items()
    }
    alone = explained_errors(train, first, [OLR], regions, at=OLR)
    among = explained_errors(train, replace(later, predictors=unseen), [OLR], regions, at=OLR)
    np.testing.assert_allclose(alone["row 2"], among["row 2"], rtol=1e-12)


def test_points_without_the_predictor_are_left_out(splits):
    train, test = splits
    (share,) = explained_errors(train, test, [OLR], ALL, at=OLR)["all"]
    missing = np.isnan(test.predictors[OLR])
    spoilt = replace(test, errors=np.where(missing, 1e6, test.errors))
    assert explained_errors(train, spoilt, [OLR], ALL, at=OLR)["all"] == pytest.approx([share])


def test_coefficients_can_be_those_of_a_part(splits):
    """West and east know opposite laws; one of both together explains neither."""
    west = np.arange(SHAPE[1]) < SHAPE[1] // 2
    turned = [replace(each, errors=np.where(west, 1, -1) * each.errors) for each in splits]
    part = np.broadcast_to(west, SHAPE)
    (alone,) = explained_errors(*turned, [OLR], {"west": part}, at=OLR, within=part)["west"]
    (together,) = explained_errors(*turned, [OLR], {"west": part}, at=OLR)["west"]
    assert alone > 0.95 and together < 0.2


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained") / "data"
    write_tiny_dataset(folder, channels=("t2m", "t850"))
    return load_data(folder)


def test_samples_are_those_of_the_data_set(data):
    found = read_samples(data, "test", ["t850"])
    batch = next(data.batches("multimodal", "test", data.size("test")))
    unit = data.statistics.background_error_std[1]
    errors = (batch.reference - batch.background)[:, 1] / unit
    np.testing.assert_allclose(found.errors[0], errors, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.predictors[OLR][0], batch.departures["olr"], atol=1e-4)
    np.testing.assert_array_equal(found.predictors[RAW_OLR][0], batch.modalities["olr"])
    np.testing.assert_allclose(found.predictors[BACKGROUND][0] * unit, batch.background[:, 1])
    measured, equivalents = (
        np.log1p(each["precipitation"]) for each in (batch.modalities, batch.background_modalities)
    )
    np.testing.assert_allclose(found.predictors[RAW_RAIN][0], measured, rtol=1e-5)
    np.testing.assert_allclose(found.predictors[RAIN][0], measured - equivalents, atol=1e-5)


def test_what_cannot_be_is_told(data, tmp_path):
    with pytest.raises(DataError, match="has no channel z500; it has t2m, t850"):
        read_samples(data, "test", ["z500"])
    write_tiny_dataset(tmp_path / "x", modalities=("olr",))
    with pytest.raises(DataError, match="has no precipitation, so there is nothing to explain"):
        read_samples(load_data(tmp_path / "x"), "test", ["t2m"])
