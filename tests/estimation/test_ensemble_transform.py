"""ETKF = Kalman filter, LETKF = ETKF where nothing is localised, and their limits."""

import numpy as np
import pytest
from estimation.twin_experiment import EVERY_STEP, analysis_rmse, local_filter

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.ensemble_transform import (
    FurtherObservations,
    etkf,
    letkf_updates,
    transform,
    updated,
)
from dambench_hub.estimation.localisation import Localisation
from dambench_hub.estimation.rotation import mean_preserving_rotation

GRID = Grid(9, 16)
N, CHANNELS, POINTS = 12, 3, 20
VARIANCE = np.array([0.5, 2.0, 0.1])


@pytest.fixture
def members(rng):
    return 5 + rng.normal(size=(N, CHANNELS, GRID.size))


@pytest.fixture(params=["shared", "by channel"])
def index(request, rng):
    """Observed grid points, (P,) or (C, P)."""
    shared, *others = (rng.permutation(GRID.size)[:POINTS] for _ in range(CHANNELS + 1))
    return shared if request.param == "shared" else np.stack(others)


def observe(members, index):
    return members[:, np.arange(CHANNELS)[:, None], index]


def local_analysis(members, index, observations, variance=VARIANCE, length=2500.0, rotation=None):
    points, place = np.unique(index, return_inverse=True)
    vectors = GRID.unit_vectors()
    observed = observe(members, index)
    mean = observed.mean(axis=0)
    return updated(
        members,
        letkf_updates(
            observed - mean,
            observations - mean,
            variance,
            place.reshape(index.shape),
            Localisation(vectors, vectors[points], length),
            rotation,
        ),
    )


def kalman(members, observed, observations, variance):
    """Mean and covariance of the Kalman filter with the ensemble's covariance."""
    mean, P = members.mean(axis=0), np.cov(members.T)
    both = np.cov(members.T, observed.T)[: members.shape[1], members.shape[1] :]
    K = both @ np.linalg.inv(np.cov(observed.T) + np.diag(variance))
    return mean + K @ (observations - observed.mean(axis=0)), P - K @ both.T


def require_equal_statistics(analysis, mean, covariance):
    np.testing.assert_allclose(analysis.mean(axis=0), mean, atol=1e-10)
    np.testing.assert_allclose(np.cov(analysis.T), covariance, atol=1e-10)


def test_etkf_is_the_kalman_filter(rng):
    members, H = rng.normal(size=(N, 30)), rng.normal(size=(7, 30))
    observed, observations = members @ H.T, rng.normal(size=7)
    variance = rng.uniform(0.5, 2, 7)
    analysis = etkf(members, observed, observations, variance)
    require_equal_statistics(analysis, *kalman(members, observed, observations, variance))


def test_further_fields_are_observations_as_others(members, rng):
    """Without localisation, and with errors of their own at each point."""
    index, place = np.array([2, 7, 9]), np.array([1, 2, 3])
    y, further, std = rng.normal(size=(CHANNELS, 3)), rng.normal(size=3), rng.uniform(0.5, 2, 3)
    seen, field = observe(members, index), members[:, 0, [7, 9, 20]] ** 2
    vectors = GRID.unit_vectors()
    updates = letkf_updates(
        seen - seen.mean(axis=0),
        y - seen.mean(axis=0),
        VARIANCE,
        np.arange(3),
        Localisation(vectors, vectors[[2, 7, 9, 20]], np.inf),
        further=[
            FurtherObservations(
                (field - field.mean(axis=0)) / std,
                (further - field.mean(axis=0))[None] / std,
                place,
            )
        ],
    )
    wanted = etkf(
        members.reshape(N, -1),
        np.concatenate([seen.reshape(N, -1), field], axis=1),
        np.concatenate([y.ravel(), further]),
        np.concatenate([np.repeat(VARIANCE, 3), std**2]),
    )
    np.testing.assert_allclose(updated(members, updates).reshape(N, -1), wanted, atol=1e-9)


def test_letkf_without_localisation_is_etkf_and_the_kalman_filter(members, index, rng):
    observations = 5 + rng.normal(size=(CHANNELS, POINTS))
    flat = members.reshape(N, -1)
    observed = observe(members, index).reshape(N, -1)
    problem = (flat, observed, observations.ravel(), np.repeat(VARIANCE, POINTS))
    local = local_analysis(members, index, observations, length=np.inf).reshape(N, -1)
    np.testing.assert_allclose(local, etkf(*problem), atol=1e-10)
    require_equal_statistics(local, *kalman(*problem))


def test_letkf_is_an_etkf_of_each_column_with_larger_errors_of_far_observations(
    members, index, rng
):
    observations = 5 + rng.normal(size=(CHANNELS, POINTS))
    analysis = local_analysis(members, index, observations)
    vectors = GRID.unit_vectors()
    taper = Localisation(vectors, vectors, 2500.0)
    where = np.broadcast_to(index, (CHANNELS, POINTS))
    observed = observe(members, index)
    for column in (0, 50, 77, 143):
        rho = taper.taper(np.array([column]), where.ravel())[0]
        seen = rho > 0
        variance = np.repeat(VARIANCE, POINTS)[seen] / rho[seen]
        wanted = etkf(
            members[..., column],
            observed.reshape(N, -1)[:, seen],
            observations.ravel()[seen],
            variance,
        )
        np.testing.assert_allclose(analysis[..., column], wanted, atol=1e-10)


def test_rows_of_the_transform_sum_to_one_and_its_weights_to_zero(rng):
    Y = rng.normal(size=(5, N, 30))
    Y -= Y.mean(axis=1, keepdims=True)
    w, T = transform(Y @ Y.mT, (Y @ rng.normal(size=(5, 30, 1)))[..., 0])
    np.testing.assert_allclose(T.sum(axis=-1), 1, atol=1e-12)
    np.testing.assert_allclose(w.sum(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(T, T.mT, atol=1e-12)


def test_useless_observations_leave_the_ensemble(members, index, rng):
    observations = 5 + rng.normal(size=(CHANNELS, POINTS))
    analysis = local_analysis(members, index, observations, variance=VARIANCE * 1e14)
    np.testing.assert_allclose(analysis, members, atol=1e-10)


def test_exact_observations_are_fitted(rng):
    """As many as an ensemble of N has degrees of freedom."""
    members = rng.normal(size=(N, 30))
    observations = rng.normal(size=N - 1)
    analysis = etkf(members, members[:, : N - 1], observations, np.full(N - 1, 1e-8))
    np.testing.assert_allclose(analysis[:, : N - 1], np.tile(observations, (N, 1)), atol=1e-3)


def test_a_column_without_an_observation_in_reach_keeps_its_bits(members, rng):
    index = np.array([[70], [70], [71]])
    analysis = local_analysis(members, index, rng.normal(size=(CHANNELS, 1)), length=1000.0)
    vectors = GRID.unit_vectors()
    reach = Localisation(vectors, vectors[[70, 71]], 1000.0)
    seen = reach.taper(np.arange(GRID.size), np.arange(2)).any(axis=1)
    assert 0 < seen.sum() < GRID.size / 2
    np.testing.assert_array_equal(analysis[..., ~seen], members[..., ~seen])
    assert np.all(analysis[..., seen] != members[..., seen])


def test_relaxation_goes_to_the_spread_of_each_updated_column(members, rng):
    weights = np.full((2, N, N), 1 / N) + 0.5 * rng.normal(size=(2, N, N))
    columns = np.array([70, 3])
    plain, relaxed = (updated(members, iter([(columns, weights)]), r) for r in (0.0, 0.6))
    before, after = members.std(axis=0, ddof=1), plain.std(axis=0, ddof=1)
    np.testing.assert_allclose(relaxed.std(axis=0, ddof=1), 0.6 * before + 0.4 * after)
    np.testing.assert_allclose(relaxed.mean(axis=0), plain.mean(axis=0))
    np.testing.assert_array_equal(np.delete(relaxed, columns, -1), np.delete(members, columns, -1))


def test_no_observation_at_all_changes_nothing(members):
    index = np.zeros(0, int)
    analysis = local_analysis(members, index, np.zeros((CHANNELS, 0)))
    np.testing.assert_array_equal(analysis, members)


def test_weights_vary_smoothly_between_columns(rng):
    """The symmetric root: columns a thousandth of a radian apart have nearly the same weights."""
    angle = 1e-3 * np.arange(200)
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    Y = rng.normal(size=(N, 1, 10))
    Y -= Y.mean(axis=0)
    where = np.arange(0, 200, 20)
    localisation = Localisation(circle, circle[where], 0.05, radius=1.0)
    weights = np.zeros((200, N, N))
    d = rng.normal(size=(1, 10))
    for columns, W in letkf_updates(Y, d, np.ones(1), np.arange(10), localisation):
        weights[columns] = W
    step = np.abs(np.diff(weights, axis=0)).max()
    assert 0 < step < 0.05 * np.ptp(weights, axis=0).max()


def test_a_rotation_keeps_mean_and_covariance_of_each_column(members, index, rng):
    observations = 5 + rng.normal(size=(CHANNELS, POINTS))
    plain = local_analysis(members, index, observations)
    rotation = mean_preserving_rotation(N, rng)
    rotated = local_analysis(members, index, observations, rotation=rotation)
    for column in (0, 77):
        mean, covariance = plain[..., column].mean(axis=0), np.cov(plain[..., column].T)
        require_equal_statistics(rotated[..., column], mean, covariance)
    assert np.abs(plain - rotated).max() > 0.1


def test_an_ensemble_of_one_is_refused(members, index):
    with pytest.raises(DataError, match="two members at least for its covariance, got 1"):
        etkf(members[:1, 0], members[:1, 0], members[0, 0], np.ones(GRID.size))
    with pytest.raises(DataError, match="two members"):
        local_analysis(members[:1], index, np.zeros((CHANNELS, POINTS)))


@pytest.mark.parametrize(("members", "rotate"), [(7, True), (10, False)], ids=["7, rotated", "10"])
def test_lorenz_96(members, rotate):
    """0.23 by an independent implementation of this experiment."""
    rmse = analysis_rmse(local_filter(1.04, 4.0, rotate), members, **EVERY_STEP)
    assert rmse == pytest.approx(0.23, abs=0.05)
