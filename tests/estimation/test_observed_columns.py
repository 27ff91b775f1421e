"""Columns between grid points are a factor of H; a solve in them is the best linear estimate."""

import numpy as np
import pytest

from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.column_observations import _groups_of_rows, row_solver
from dambench_hub.estimation.observed_columns import ObservedColumns

GRID_POINTS, CHANNELS, MODES, PLACES = 12, 4, 3, 5


@pytest.fixture
def columns(rng):
    points = np.stack([rng.choice(GRID_POINTS, 4, replace=False) for _ in range(PLACES)])
    weights = rng.dirichlet(np.ones(4), PLACES)
    weights[1] = [1, 0, 0, 0]
    place = np.array([3, 0, 0, 1, 4, 4, 1, 0, 3])
    levels = rng.normal(size=(len(place), CHANNELS))
    levels[[4, 7]] = 0
    levels[[8, 0]] = levels[[2, 1]]
    return ObservedColumns(points, weights, place, levels)


def interpolation(columns):
    """From grid points to places, (P, points)."""
    matrix = np.zeros((PLACES, GRID_POINTS))
    np.put_along_axis(matrix, columns.points, columns.weights, axis=1)
    return matrix


@pytest.fixture
def covariance(rng):
    """Of the amplitudes at grid points."""
    root = rng.normal(size=(GRID_POINTS * MODES, GRID_POINTS * MODES))
    return root @ root.T


def between(covariance):
    by_point = covariance.reshape(GRID_POINTS, MODES, GRID_POINTS, MODES).transpose(0, 2, 1, 3)
    return lambda index, other: by_point[index[:, None], other]


def test_a_covariance_is_that_of_the_means(columns, covariance):
    W = np.kron(interpolation(columns), np.eye(MODES))
    found = columns.covariance(between(covariance)).transpose(0, 2, 1, 3)
    wanted = (W @ covariance @ W.T).reshape(found.shape)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_weights_go_back_to_the_grid_points(columns, rng):
    weights = rng.normal(size=(PLACES, MODES, 2))
    points, spread = columns.at_grid_points(weights)
    wanted = np.tensordot(interpolation(columns).T, weights, 1)
    np.testing.assert_allclose(spread, wanted[points], atol=1e-12)
    assert not np.delete(wanted, points, axis=0).any()


def test_the_solve_is_the_best_linear_estimate(columns, covariance, rng):
    """Rows with errors of their own; two places have the same rows, one has none that is seen."""
    E = rng.normal(size=(CHANNELS, MODES))
    error_std = rng.uniform(0.5, 2, len(columns.place))
    error_std[[8, 0]] = error_std[[2, 1]]
    innovation = rng.normal(size=(2, len(error_std)))
    found = _groups_of_rows(E, error_std, columns)
    assert sorted(len(group.points) for group in found) == [1, 1, 2]
    solve = row_solver(columns.covariance(between(covariance)), columns, E, error_std)
    points, weights = columns.at_grid_points(solve(innovation))
    flat = np.zeros((GRID_POINTS, MODES, 2))
    flat[points] = weights
    came = covariance @ flat.reshape(-1, 2)
    seen = columns.levels.any(axis=1)
    of_rows = interpolation(columns)[columns.place][:, :, None] * (columns.levels @ E)[:, None]
    H = of_rows.reshape(len(seen), -1)[seen]
    gain = best_linear_estimate(covariance, H, np.diag(error_std[seen] ** 2)).gain
    np.testing.assert_allclose(came, gain @ innovation[:, seen].T, atol=1e-4)
