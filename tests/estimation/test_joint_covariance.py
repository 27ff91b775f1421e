"""Errors and departures together: the sample's covariance, its gain, and its limits."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.joint_covariance import DeparturePoints, JointCovariance
from dambench_hub.estimation.localisation import chord_taper
from dambench_hub.estimation.training_departures import TrainingDepartures
from dambench_hub.estimation.zonal_covariance import fit_zonal_covariance
from dambench_hub.testing import smooth_field

GRID = Grid(5, 8)
SCALE = np.array([300.0, 2.0])
HALF_WIDTH = 9000.0
INDEX = np.array([3, 11, 30])
ERROR_STD = 0.3 * SCALE


def sample(days=12):
    """Errors e of two channels, and departures −H e − ε of two modalities, without mean."""
    rng = np.random.default_rng(1)
    errors = np.array([[smooth_field(GRID, 0.7, rng) for _ in range(2)] for _ in range(days)])
    H = np.array([[10.0, 5.0], [0.0, 0.3]])
    noise = np.array([2.0, 0.1])[:, None, None] * rng.normal(size=errors.shape)
    departures = -(np.einsum("fc,ncyx->nfyx", H, errors) + noise)
    return SCALE[:, None, None] * errors, departures


def fitted(errors, departures):
    B = fit_zonal_covariance(errors.astype(np.float32), GRID, HALF_WIDTH)
    zero = np.zeros((2, *GRID.shape))
    return JointCovariance(B, TrainingDepartures(("olr", "precipitation"), departures, zero))


@pytest.fixture(scope="module")
def joint():
    return fitted(*sample())


@pytest.fixture
def fields():
    """Departures of a day, with gaps."""
    fields = np.random.default_rng(2).normal(size=(2, *GRID.shape)) * [[[10.0]], [[0.3]]]
    fields[0, :, ::3] = fields[1, 1:] = np.nan
    return fields


@pytest.fixture
def innovation():
    return np.random.default_rng(3).normal(size=(1, 2, 3)) * SCALE[:, None]


def dense(errors, departures):
    """ρ ∘ the mean over days and shifts, of all channels and modalities, from the definition."""
    shifted = [
        np.roll(np.concatenate([e, -d]), s, axis=-1).ravel()
        for e, d in zip(errors, departures, strict=True)
        for s in range(GRID.longitudes)
    ]
    points = GRID.unit_vectors()
    taper = chord_taper(points, points, HALF_WIDTH)
    return np.einsum("ni,nj->ij", shifted, shifted) / len(shifted) * np.tile(taper, (4, 4))


@pytest.mark.parametrize("seen", [None, [[1, 0, 1], [0, 0, 1]]], ids=["columns", "some channels"])
def test_increments_are_the_best_linear_ones(joint, fields, innovation, seen):
    """With departures as observations of four channels, whose error is in the covariance."""
    unit = np.repeat([*SCALE, 10.0, 0.3], GRID.size)
    P = dense(*sample()) / np.outer(unit, unit)
    points = DeparturePoints.present(fields)
    seen = None if seen is None else np.array(seen, bool)
    there = np.ones((2, 3), bool) if seen is None else seen
    rows = [*(INDEX + GRID.size * np.arange(2)[:, None])[there]]
    own = len(rows)
    rows += [*(points.index + GRID.size * (2 + points.field))]
    H = np.eye(len(P))[rows]
    R = np.diag(np.repeat([0.09, 0.0], [own, len(points.index)]))
    noise = 0.5 * np.diag(H @ P @ H.T)
    R[own:, own:] += np.diag(noise[own:])
    K = best_linear_estimate(P, H, R).gain[: 2 * GRID.size]
    d = np.concatenate([innovation[0][there], points(fields[None])[0]]) / unit[rows]
    gain = joint.gain(INDEX, ERROR_STD, points, seen, noise=0.5)
    came = gain(innovation, points(fields[None]))[0] / SCALE[:, None, None]
    np.testing.assert_allclose(came.ravel(), K @ d, atol=2e-4)


def test_worthless_departures_change_nothing(joint, fields, innovation):
    points = DeparturePoints.present(fields)
    K = joint.gain(INDEX, ERROR_STD, points, noise=1e9)
    alone = joint.background.gain(INDEX, ERROR_STD)(innovation)
    came = K(innovation, points(fields[None]))
    np.testing.assert_allclose(came / alone.std(), alone / alone.std(), atol=1e-4)


def test_departures_are_worth_something(joint, fields, innovation):
    points = DeparturePoints.present(fields)
    K = joint.gain(INDEX, ERROR_STD, points)
    alone = joint.background.gain(INDEX, ERROR_STD)(innovation)
    assert np.abs(K(innovation, points(fields[None])) - alone).max() > 0.1 * np.abs(alone).max()


def test_gaps_of_training_make_departures_noisier_and_nothing_else():
    """Covariances with errors are right on average, variances are larger by 1 / share."""
    errors, departures = sample(400)
    gaps = np.random.default_rng(4).random(departures.shape) < 0.3
    whole, holed = fitted(errors, departures), fitted(errors, np.where(gaps, np.nan, departures))
    size = np.abs(whole.with_errors).max()
    np.testing.assert_allclose(holed.with_errors, whole.with_errors, atol=0.1 * size)
    rows = np.arange(GRID.latitudes)
    more, less = (
        np.einsum("yff->f", one.of_departures[rows, rows, 0]) * one.scale**2
        for one in (holed, whole)
    )
    np.testing.assert_allclose(more / less, 1 / 0.7, rtol=0.1)


def test_draws_have_the_covariance(joint):
    errors, equivalents = joint.draw(3000, np.random.default_rng(5))
    assert errors.shape == (3000, 2, *GRID.shape) == equivalents.shape
    at = DeparturePoints(np.array([0, 1]), np.array([17, 17]))
    std = equivalents.reshape(3000, 2, -1)[:, :, 17].std(axis=0)
    np.testing.assert_allclose(std, joint.std_at(at), rtol=0.1)
    B, y = joint.background, 17 // GRID.longitudes
    errors, equivalents = errors[:, :, y] / B.scale[:, None], equivalents[:, :, y]
    came = np.einsum("scx,sfx->cf", errors, equivalents) / equivalents[:, 0].size
    np.testing.assert_allclose(came / joint.scale, B.modes @ joint.with_errors[y, y, 0], atol=0.05)


def test_days_belong_together(joint):
    fewer = replace(joint.background, errors=joint.background.errors[1:])
    with pytest.raises(DataError, match="day by day"):
        JointCovariance(fewer, joint.departures)
