"""Bands share the sphere smoothly, and split fields without loss."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import HarmonicAnalysis
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.estimation.banded_harmonics import (
    BandedAnalysis,
    BandedSynthesis,
    band_weights,
)

GRID, LARGEST = Grid(17, 32), 8


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_squares_of_the_weights_sum_to_one(bands):
    weights = band_weights(GRID, bands)
    assert weights.shape == (bands, 17) and weights.min() >= 0
    np.testing.assert_allclose((weights**2).sum(axis=0), 1, rtol=1e-12)


def test_one_band_is_the_whole_sphere():
    rng = np.random.default_rng(0)
    field = rng.normal(size=(2, *GRID.shape))
    banded = BandedAnalysis(GRID, LARGEST, band_weights(GRID, 1), np.float64)
    plain = HarmonicAnalysis(GRID, LARGEST)
    np.testing.assert_array_equal(banded.scalar(field), plain.scalar(field))
    for one, other in zip(banded.wind(*field), plain.wind(*field), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_a_band_is_its_weight_times_the_field():
    rng = np.random.default_rng(0)
    weights = band_weights(GRID, 3)
    plain = Synthesis(GRID, 2 * LARGEST + 1, LARGEST + 1, np.float64)
    banded = BandedSynthesis(GRID, LARGEST, weights, np.float64)
    coefficients = rng.normal(size=(2, 2 * LARGEST + 1, 3, LARGEST + 1))
    scalar = banded.scalar(coefficients[0].reshape(2 * LARGEST + 1, -1))
    wind = banded.wind(*coefficients.reshape(2, 2 * LARGEST + 1, -1))
    by_band = coefficients.transpose(0, 2, 1, 3)
    wanted = np.einsum("by,byx->yx", weights, plain.scalar(by_band[0]))
    np.testing.assert_allclose(scalar, wanted, atol=1e-10)
    for came, component in zip(wind, plain.wind(*by_band), strict=True):
        np.testing.assert_allclose(came, np.einsum("by,byx->yx", weights, component), rtol=1e-9)
