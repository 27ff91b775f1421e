"""Inflation changes the spread as it says, and never the mean."""

import numpy as np
import pytest

from dambench_hub.estimation.inflation import (
    inflate,
    relax_to_prior_perturbations,
    relax_to_prior_spread,
)


@pytest.fixture
def background(rng):
    return 3 + rng.normal(size=(10, 4, 5)) * np.arange(1, 6)


@pytest.fixture
def analysis(background, rng):
    mean = background.mean(axis=0)
    return mean + rng.normal(size=mean.shape) + 0.4 * (background - mean) + 0.01 * background**2


def test_the_mean_stays(analysis, background):
    for widened in (
        inflate(analysis, 1.3),
        relax_to_prior_spread(analysis, background.std(axis=0, ddof=1), 0.7),
        relax_to_prior_perturbations(analysis, background, 0.7),
    ):
        np.testing.assert_allclose(widened.mean(axis=0), analysis.mean(axis=0), atol=1e-12)


def test_multiplicative_inflation_scales_the_covariance(analysis):
    flat = analysis.reshape(10, -1)
    np.testing.assert_allclose(np.cov(inflate(flat, 1.3).T), 1.69 * np.cov(flat.T), atol=1e-12)


@pytest.mark.parametrize("factor", [0, 0.3, 1])
def test_the_spread_is_between_that_of_background_and_analysis(analysis, background, factor):
    before, after = background.std(axis=0, ddof=1), analysis.std(axis=0, ddof=1)
    relaxed = relax_to_prior_spread(analysis, before, factor)
    wanted = factor * before + (1 - factor) * after
    np.testing.assert_allclose(relaxed.std(axis=0, ddof=1), wanted, rtol=1e-10)


def test_a_value_without_spread_stays(background):
    analysis = np.ones_like(background)
    std = background.std(axis=0, ddof=1)
    np.testing.assert_array_equal(relax_to_prior_spread(analysis, std, 0.7), analysis)


def test_perturbations_are_mixed(analysis, background):
    np.testing.assert_allclose(relax_to_prior_perturbations(analysis, background, 0), analysis)
    whole = relax_to_prior_perturbations(analysis, background, 1)
    np.testing.assert_allclose(
        whole - whole.mean(axis=0), background - background.mean(axis=0), atol=1e-12
    )
