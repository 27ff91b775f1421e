"""Channels become coefficients and back, winds through vorticity and divergence."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation.channel_harmonics import BANDS, ChannelHarmonics

GRID = Grid(17, 32)
CHANNELS = ("u10", "v10", "z500", "u500", "t500", "v500", "u850")


@pytest.fixture(params=[CHANNELS, ("z500", "z850", "t500", "t850")], ids=["wind", "no wind"])
def harmonics(request):
    return ChannelHarmonics(request.param, GRID, np.float64), len(request.param)


def drawn(harmonics, channels, rng):
    shape = (channels, BANDS, len(harmonics.order))
    return rng.normal(size=shape) + 1j * rng.normal(size=shape) * (harmonics.order > 0)


def test_adjoint(harmonics):
    harmonics, channels = harmonics
    rng = np.random.default_rng(0)
    coefficients = drawn(harmonics, channels, rng)
    state = rng.normal(size=(channels, *GRID.shape))
    one = np.sum(harmonics(coefficients) * state)
    other = np.vdot(coefficients, harmonics.adjoint(state)).real
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_what_is_analysed_can_be_summed_again():
    """Σ_b w_b S (w_b x) is x, as Σ w_b² is 1, but for what the truncation takes from w_b x."""
    grid = Grid(33, 64)
    harmonics = ChannelHarmonics(("z500", "t500"), grid, np.float64)
    x, y, z = grid.unit_vectors().T.reshape(3, *grid.shape)
    state = np.stack([x + y * z, np.ones_like(z)])
    np.testing.assert_allclose(harmonics(harmonics.analysis(state)), state, atol=0.02)


def test_variance_is_that_of_random_states(harmonics):
    harmonics, channels = harmonics
    rng = np.random.default_rng(0)
    shape = (BANDS, len(harmonics.order), channels, 2)
    roots = (
        rng.normal(size=shape) + 1j * rng.normal(size=shape) * (harmonics.order > 0)[:, None, None]
    )
    control = rng.normal(size=(2, 2000, BANDS, len(harmonics.order), 2))
    mixed = np.einsum("bpck,nbpk->ncbp", roots, control[0] + 1j * control[1])
    states = harmonics(mixed)
    came = np.mean(states**2, axis=(0, 3))
    np.testing.assert_allclose(came, harmonics.variance(roots), rtol=0.15)


def test_energy_is_what_a_coefficient_adds_to_a_weighted_square(harmonics):
    harmonics, channels = harmonics
    weights = np.random.default_rng(1).uniform(1, 2, (channels, GRID.latitudes))
    energy = harmonics.energy(GRID.longitudes * weights)
    for channel, band, order in [(0, 0, 0), (1, 2, 1), (3, 4, 5)]:
        pair = np.flatnonzero(harmonics.order == order)[2]
        squares = []
        for part in (1, 1j) if order else (1,):
            coefficients = np.zeros((channels, BANDS, len(harmonics.order)), complex)
            coefficients[channel, band, pair] = part
            squares.append(np.sum(weights[..., None] * harmonics(coefficients) ** 2))
        np.testing.assert_allclose(np.mean(squares), energy[band, pair, channel], rtol=1e-10)
