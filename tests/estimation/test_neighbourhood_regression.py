"""Regression on neighbourhoods: what is linear is found, what is missing is left out."""

import numpy as np
import pytest

from dambench_hub.estimation.neighbourhood_regression import (
    NeighbourhoodRegression,
    explained_share,
    neighbours,
)

SHAPE = (7, 12)


@pytest.fixture
def fields(rng):
    """Two predictors of 30 training days, and of 20 others."""
    return rng.normal(size=(2, 30, *SHAPE)), rng.normal(size=(2, 20, *SHAPE))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def surroundings(fields, radius):
    """(F, N, Y, X)."""
    rows = [neighbours(fields, row, radius) for row in range(SHAPE[0])]
    return np.moveaxis(np.stack(rows, axis=1), -1, 0)


def linear(fields, radius, rng):
    """A field that is a linear function of neighbourhoods, with a law for each latitude."""
    laws = np.random.default_rng(5).normal(size=(2 * (2 * radius + 1) ** 2, 1, SHAPE[0], 1))
    return (laws * surroundings(fields, radius)).sum(axis=0)[None]


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_a_linear_function_of_the_neighbourhood_is_found(fields, radius, rng):
    train, test = fields
    everywhere = np.ones(train.shape[1:], bool)
    regression = NeighbourhoodRegression(train, linear(train, radius, rng), everywhere, radius)
    wanted = linear(test, radius, rng)
    np.testing.assert_allclose(regression.predict(test), wanted, atol=1e-8)
    shares = explained_share(wanted, regression.predict(test), np.ones(wanted.shape[1:]))
    np.testing.assert_allclose(shares, 1)


def test_a_smaller_neighbourhood_finds_less(fields, rng):
    train, test = fields
    used = np.ones(train.shape[1:], bool)
    regression = NeighbourhoodRegression(train, linear(train, 1, rng), used, radius=0)
    (share,) = explained_share(linear(test, 1, rng), regression.predict(test), np.ones(SHAPE))
    assert share < 0.5


def test_noise_is_not_explained(fields, rng):
    train, test = fields
    noise = [rng.normal(size=(3, each.shape[1], *SHAPE)) for each in fields]
    regression = NeighbourhoodRegression(train, noise[0], np.ones(train.shape[1:], bool))
    shares = explained_share(noise[1], regression.predict(test), np.ones(SHAPE))
    assert (shares <= 0).all() and (shares > -0.3).all()


def test_neighbours_are_where_they_belong():
    """Longitude is periodic, nothing lies beyond the poles, and missing is zero."""
    field = np.arange(84.0).reshape(1, 1, *SHAPE)
    field[0, 0, 3, 4] = np.nan
    found = neighbours(field, 3, 1).reshape(12, 3, 3)
    np.testing.assert_array_equal(found[9], field[0, 0, 2:5, 8:11])
    np.testing.assert_array_equal(found[11, :, 2], field[0, 0, 2:5, 0])
    assert found[4, 1, 1] == 0 == found[3, 1, 2]
    assert not neighbours(field, 0, 1).reshape(12, 3, 3)[:, 0].any()
    assert not neighbours(field, 6, 1).reshape(12, 3, 3)[:, 2].any()


def test_points_that_are_not_used_teach_nothing(fields, rng):
    train, _ = fields
    used = rng.random(train.shape[1:]) < 0.6
    targets = rng.normal(size=(1, *train.shape[1:]))
    spoilt = np.where(used, targets, np.nan)
    plain, other = (NeighbourhoodRegression(train, each, used) for each in (targets, spoilt))
    np.testing.assert_array_equal(plain.coefficients, other.coefficients)


def test_where_all_longitudes_are_one_point_the_estimate_is_finite(fields):
    train, test = (np.broadcast_to(each[..., :1], each.shape) for each in fields)
    regression = NeighbourhoodRegression(train, train[:1], np.ones(train.shape[1:], bool))
    np.testing.assert_allclose(regression.predict(test), test[:1], atol=1e-8)


def test_the_share_counts_only_what_has_weight(rng):
    targets, estimates = rng.normal(size=(2, 3, *SHAPE))
    weights = rng.random(SHAPE) * (rng.random(SHAPE) < 0.5)
    shares = explained_share(targets, estimates, weights)
    nowhere = np.where(weights > 0, targets, np.nan)
    np.testing.assert_array_equal(explained_share(nowhere, estimates, weights), shares)
    np.testing.assert_allclose(explained_share(targets, targets, weights), 1)
    np.testing.assert_allclose(explained_share(targets, 0 * targets, weights), 0)
    assert np.isnan(explained_share(targets, estimates, 0 * weights)).all()
