"""Channels of spectral states: what they are of an atmosphere at rest, and in both precisions."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.dynamics.postprocessing import PostProcessor

GRID = Grid(17, 32)
LEVELS, ORDERS, DEGREES = 4, 21, 11
ONE = np.sqrt(4 * np.pi)
"""The coefficient of the field that is 1 everywhere."""


def post_processor(dtype):
    return PostProcessor(
        grid=GRID,
        sigma=np.array([0.1, 0.4, 0.7, 0.95]),
        surface_height=np.zeros((ORDERS, DEGREES)),
        latitude=np.linspace(-80, 80, 8),
        columns=16,
        near_surface_wind=0.95,
        dtype=dtype,
    )


def at_rest(temperature):
    shape = (LEVELS, ORDERS, DEGREES)
    state = {name: np.zeros(shape) for name in ("vorticity", "divergence", "t", "q")}
    state["t"][:, 0, 0] = temperature * ONE
    return state | {"log_pressure": np.zeros(shape)[:1], "t2m": np.full((16, 8), temperature)}


def test_an_isothermal_atmosphere_at_rest():
    seen = dict(
        zip(STANDARD_CHANNELS, post_processor(np.float64).channels(at_rest(250.0)), strict=True)
    )
    for name in ("u500", "v10", "q850"):
        np.testing.assert_allclose(seen[name], 0, atol=1e-12)
    for name in ("t2m", "t500", "t50"):
        np.testing.assert_allclose(seen[name], 250, rtol=1e-12)
    np.testing.assert_allclose(seen["msl"], 1e5, rtol=1e-12)
    thickness = 287 * 250 * np.log(850 / 300)
    np.testing.assert_allclose(seen["z300"] - seen["z850"], thickness, rtol=2e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_that_asked_for(dtype, rng):
    state = at_rest(250.0)
    spread = {"vorticity": 1e-5, "divergence": 1e-6, "t": 2.0, "q": 1e-4, "log_pressure": 0.01}
    triangle = np.arange(DEGREES) >= (np.arange(1, ORDERS + 1) // 2)[:, None]
    for name, size in spread.items():
        state[name] += size * triangle * rng.standard_normal(state[name].shape)
    exact = post_processor(np.float64).channels(state)
    single = {name: field.astype(dtype) for name, field in state.items()}
    seen = post_processor(dtype).channels(single)
    assert seen.dtype == dtype
    scale = exact.std(axis=(1, 2), keepdims=True)
    assert np.all(np.abs(seen - exact) <= 1e-3 * scale + 1e-6 * np.abs(exact))
    assert np.array_equal(seen, exact) == (dtype == np.float64)


def test_the_way_back_from_a_regridded_field_is_its_adjoint(rng):
    """⟨R f, v⟩ = ⟨f, Rᵀ v⟩, poles included."""
    seeing = post_processor(np.float64)
    field, sensitivity = rng.normal(size=(16, 8)), rng.normal(size=GRID.shape)
    forward = np.vdot(seeing.regrid(field), sensitivity)
    assert forward == pytest.approx(np.vdot(field, seeing.regrid_adjoint(sensitivity)), rel=1e-12)
