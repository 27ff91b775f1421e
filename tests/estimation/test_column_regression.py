"""A linear function of the column is found; sums add; what is not known does not count."""

import numpy as np
import pytest

from dambench_hub.estimation.column_regression import ColumnSums, regressed

F, Y, X = 3, 5, 200


@pytest.fixture
def predictors(rng):
    return np.concatenate([np.ones((1, Y, X)), rng.normal(size=(F - 1, Y, X))])


def test_a_linear_function_of_the_column_is_found(rng, predictors):
    weights = rng.normal(size=(Y, F))
    target = regressed(weights, predictors)
    found = ColumnSums.of(predictors, target).weights(1e-12)
    np.testing.assert_allclose(found, weights, rtol=1e-8)


def test_each_row_agrees_with_least_squares(rng, predictors):
    target = rng.normal(size=(Y, X))
    found = ColumnSums.of(predictors, target).weights(1e-12)
    for row in range(Y):
        wanted = np.linalg.lstsq(predictors[:, row].T, target[row], rcond=None)[0]
        np.testing.assert_allclose(found[row], wanted, rtol=1e-7)


def test_sums_add(rng, predictors):
    target = rng.normal(size=(Y, X))
    west, east = (ColumnSums.of(predictors[..., s], target[:, s]) for s in np.s_[:80, 80:])
    whole = ColumnSums.of(predictors, target)
    np.testing.assert_allclose((west + east).weights(1e-3), whole.weights(1e-3))


def test_what_is_not_known_does_not_count(rng, predictors):
    target = rng.normal(size=(Y, X))
    target[:, 100:] = np.nan
    target[0] = np.nan
    wild = predictors.copy()
    wild[..., 100:] = 1e9
    found = ColumnSums.of(wild, target)
    assert found.count.tolist() == [0, 100, 100, 100, 100]
    same = ColumnSums.of(predictors[..., :100], target[:, :100])
    np.testing.assert_allclose(found.weights(1e-3), same.weights(1e-3))
    assert not found.weights(1e-3)[0].any()


def test_neighbours_count_by_their_distance(rng, predictors):
    whole = ColumnSums.of(predictors, rng.normal(size=(Y, X)))
    np.testing.assert_array_equal(whole.pooled(1.0).gram, whole.gram)
    np.testing.assert_allclose(whole.pooled(2.0).count, [300, 400, 400, 400, 300])


def test_a_ridge_shrinks(predictors):
    target = regressed(np.ones((Y, F)), predictors)
    sizes = [np.abs(ColumnSums.of(predictors, target).weights(r)).sum() for r in (1e-6, 0.1, 10)]
    assert sizes[0] > sizes[1] > sizes[2] > 0
