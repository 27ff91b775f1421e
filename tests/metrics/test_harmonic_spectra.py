"""Spectra by degree: against a fit of scipy's harmonics, and for fields whose spectra are known."""

import numpy as np
import pytest
from scipy.special import sph_harm_y

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.errors import GridError, ScoreError
from dambench_hub.metrics.harmonic_spectra import HarmonicSpectra

GRID = Grid(17, 24)
N = 9
CHANNELS = ("u500", "z500", "v500", "u850")
NAMES = ("vorticity500", "z500", "divergence500", "u850")


def coefficients(rng, samples, channels=4):
    """Random ones of the degrees 1 … N, (samples, channels, 2N + 1, N + 1)."""
    degree, order = np.arange(N + 1), np.arange(1, 2 * N + 2)[:, None] // 2
    valid = (degree >= order) & (degree > 0)
    return rng.normal(size=(samples, channels, 2 * N + 1, N + 1)) * valid


def fields(spectral):
    """Of vorticity, geopotential, divergence and a component alone: the channels."""
    synthesis = Synthesis(GRID, 2 * N + 1, N + 1, np.float64)
    x = synthesis.scalar(spectral)
    x[:, 0], x[:, 2] = synthesis.wind(1e-5 * spectral[:, 0], 1e-5 * spectral[:, 2])
    return x


def spectra(analysis, reference, channels=CHANNELS, grid=GRID, largest=N):
    score = HarmonicSpectra(channels, grid, largest)
    score.update(analysis, reference)
    found = score.compute()
    names = score.names
    return [np.array([found[kind][name] for name in names]) for kind in found]


def scipy_coefficients(field, grid, largest):
    """A weighted fit at all points at once, each degree's coefficients."""
    polar, longitude = np.deg2rad(90 - grid.latitude)[:, None], np.deg2rad(grid.longitude)
    columns, degrees = [], []
    for degree in range(largest + 1):
        for order in range(degree + 1):
            harmonic = sph_harm_y(degree, order, polar, longitude)
            parts = [harmonic.real, harmonic.imag] if order else [harmonic.real]
            columns += [part * np.sqrt(2 if order else 1) for part in parts]
            degrees += [degree] * len(parts)
    root = np.sqrt(grid.weights)[:, None] * np.ones(grid.shape)
    basis = np.stack([(root * column).ravel() for column in columns], axis=1)
    fit = np.linalg.lstsq(basis, (root * field).ravel(), rcond=None)[0]
    return [fit[np.array(degrees) == degree] for degree in range(largest + 1)]


def test_any_fields_equal_a_fit_of_scipys_harmonics(rng):
    """Also with scales beyond the largest degree, which alias."""
    analysis, reference = rng.normal(size=(2, 2, 1, *GRID.shape)) + 3.0
    analysis += reference
    ratio, coherence = spectra(analysis, reference, ("t850",), largest=6)
    power, of_reference, cross = np.zeros((3, 7))
    for one, other in zip(analysis[:, 0], reference[:, 0], strict=True):
        fits = (scipy_coefficients(field, GRID, 6) for field in (one, other))
        for degree, (a_hat, a) in enumerate(zip(*fits, strict=True)):
            power[degree] += a_hat @ a_hat
            of_reference[degree] += a @ a
            cross[degree] += a_hat @ a
    np.testing.assert_allclose(ratio[0], (power / of_reference)[1:], rtol=1e-9)
    np.testing.assert_allclose(coherence[0], (cross / np.sqrt(power * of_reference))[1:], rtol=1e-9)


def test_a_filter_by_degree_is_found_for_scalars_and_winds(rng):
    c = coefficients(rng, 2)
    response = rng.uniform(0.3, 1.5, (4, N + 1)) * np.where(np.arange(N + 1) == 4, -1, 1)
    ratio, coherence = spectra(fields(response[:, None] * c), fields(c))
    np.testing.assert_allclose(ratio[:3], response[:3, 1:] ** 2, rtol=1e-9)
    np.testing.assert_allclose(coherence[:3], np.sign(response[:3, 1:]), rtol=1e-9)


def test_names_say_where_the_wind_went():
    score = HarmonicSpectra(CHANNELS, GRID)
    assert score.names == NAMES
    assert HarmonicSpectra(("u10", "v10"), GRID).names == ("vorticity10", "divergence10")


def test_ratio_and_coherence_give_the_squared_error(rng):
    """Σ over degrees of power · (1 + ratio − 2 coherence √ratio) is the square of the error."""
    c = coefficients(rng, 1, 4)
    analysis = 0.7 * c + 0.5 * coefficients(rng, 1, 4)
    ratio, coherence = spectra(fields(analysis), fields(c))
    power = (c[0, 1] ** 2).sum(axis=0)[1:]
    found = (power * (1 + ratio[1] - 2 * coherence[1] * np.sqrt(ratio[1]))).sum()
    assert found == pytest.approx(((analysis - c)[0, 1] ** 2).sum(), rel=1e-9)


def test_independent_noise_lowers_coherence(rng):
    """Signal plus noise of half its amplitude: ratio 1.25, coherence 1/√1.25."""
    c = coefficients(rng, 400)
    noisy = c + 0.5 * coefficients(rng, 400)
    ratio, coherence = spectra(fields(noisy), fields(c))
    np.testing.assert_allclose(ratio[:3], 1.25, rtol=0.08)
    np.testing.assert_allclose(coherence[:3], 1 / np.sqrt(1.25), rtol=0.04)


def test_turning_the_sphere_changes_nothing(rng):
    analysis, reference = rng.normal(size=(2, 2, 4, *GRID.shape))
    turned = (np.roll(field, 5, axis=-1) for field in (analysis, reference))
    np.testing.assert_allclose(spectra(*turned), spectra(analysis, reference), rtol=1e-9)


def test_fields_without_waves_have_no_ratio(rng):
    """A constant is degree 0 alone, however large."""
    constant = np.full((1, 1, *GRID.shape), 2e5)
    waves = fields(coefficients(rng, 1))[:, 1:2]
    score = HarmonicSpectra(("z500",), GRID, N)
    score.update(constant + waves, constant)
    assert score.compute() == {kind: {"z500": [None] * N} for kind in ("power_ratio", "coherence")}
    score = HarmonicSpectra(("z500",), GRID, N)
    score.update(constant, constant + waves)
    found = score.compute()
    assert found == {"power_ratio": {"z500": [0.0] * N}, "coherence": {"z500": [None] * N}}


@pytest.mark.parametrize(("grid", "largest"), [(Grid(33, 64), 21), (Grid(61, 120), 40)], ids=str)
def test_degrees_are_those_that_the_grid_holds(grid, largest):
    assert HarmonicSpectra(("z500",), grid).largest == largest
    with pytest.raises(GridError, match="asked for 60"):
        HarmonicSpectra(("z500",), grid, 60)


def test_spectra_of_other_degrees_do_not_add():
    with pytest.raises(ScoreError, match="same channels, grid and settings"):
        HarmonicSpectra(CHANNELS, GRID, N) + HarmonicSpectra(CHANNELS, GRID, N - 1)
