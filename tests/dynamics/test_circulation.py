"""Model states between truncations, and between processes."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from dambench_hub.dynamics.circulation import load_state, packed_state, truncated

jax = pytest.importorskip("jax")


def test_truncated_keeps_the_low_degrees_and_fits_the_other_surface():
    """A state read from a file, numpy, as it is when a segment goes on from the one before."""

    @jax.tree_util.register_dataclass
    @dataclass
    class State:
        vorticity: np.ndarray
        log_surface_pressure: np.ndarray
        sim_time: np.ndarray

        replace = replace

    def circulation(orders, degrees, height):
        horizontal = SimpleNamespace(modal_shape=(orders, degrees))
        model = SimpleNamespace(coords=SimpleNamespace(horizontal=horizontal))
        return SimpleNamespace(model=model, surface_height=np.full((orders, degrees), height))

    rng = np.random.default_rng(0)
    state = State(rng.normal(size=(8, 9, 6)), rng.normal(size=(1, 9, 6)), np.zeros(()))
    cut = truncated(state, circulation(9, 6, 100.0), circulation(5, 4, 60.0))
    np.testing.assert_allclose(cut.vorticity[..., :3], state.vorticity[:, :5, :3], rtol=1e-6)
    assert not np.any(cut.vorticity[..., 3])
    # Hydrostatic: ln p rises by g Δh / (R T) where the surface is Δh = 40 m lower.
    rise = cut.log_surface_pressure[..., :3] - state.log_surface_pressure[:, :5, :3]
    np.testing.assert_allclose(rise, 9.80665 * 40 / (287.05 * 273), rtol=1e-3)
    same = circulation(9, 6, 100.0)
    assert truncated(state, same, same) is state


def test_a_state_comes_back_from_its_file(tmp_path):
    state = ({"t": np.arange(6.0).reshape(2, 3), "q": np.float32([7])}, [np.int32(8)])
    save_file(packed_state(state), tmp_path / "segment.safetensors")
    like = jax.tree.map(np.zeros_like, state)
    back = load_state(tmp_path / "segment.safetensors", like)
    assert jax.tree.structure(back) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, back, state)
