"""`jcm`, a general circulation model, in pieces of a day: nature run and forecast model.

jax and jcm are imported in the functions: whoever calls them has set jax up before.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from dambench_hub.coordinates.constants import EARTH_RADIUS, GAS_CONSTANT, GRAVITY
from dambench_hub.dynamics.sigma_levels import EXPONENT, LAPSE_RATE


class Circulation:
    """`jcm` with SPEEDY physics over its climatological surface."""

    def __init__(self, truncation: int, step_minutes: int, changes: dict[str, float]) -> None:
        import jax.numpy as jnp
        from jcm.model import Model
        from jcm.physics.speedy.params import Parameters
        from jcm.physics.speedy.speedy_terms import speedy_physics

        parameters = Parameters.default()
        for name, value in changes.items():
            group, field = name.split(".")
            changed = replace(getattr(parameters, group), **{field: jnp.array(value)})
            parameters = replace(parameters, **{group: changed})
        coords, terrain, self.forcing = surface(truncation)
        self.model = Model(
            coords=coords,
            time_step=step_minutes,
            terrain=terrain,
            physics=speedy_physics(parameters),
        )
        self.reference_temperature = np.asarray(self.model.dycore.primitive.reference_temperature)
        self.near_surface_wind = float(parameters.surface_flux.fwind0)

    def start(self, day: np.datetime64, rng: np.random.Generator) -> Any:
        """A zonally symmetric atmosphere in balance, with 2 K of noise to grow weather from.

        The temperature is the equilibrium of Held and Suarez (1994), wind is in thermal wind
        balance with it (weakened near the equator), relative humidity is 70 % in the troposphere.
        """
        import jax.numpy as jnp
        from jcm.physics_interface import PhysicsState

        grid, sigma = self.model.coords.horizontal, np.asarray(self.model.coords.vertical.centers)
        latitude, sigma = np.asarray(grid.latitudes), sigma[:, None, None]
        warm, moist = np.sin(latitude) ** 2, np.cos(latitude) ** 2
        tropospheric = (315 - 60 * warm - 10 * np.log(sigma) * moist) * sigma ** (2 / 7)
        shape = (len(sigma), *grid.nodal_shape)
        t = np.broadcast_to(np.maximum(tropospheric, 200), shape)
        shear = GAS_CONSTANT / EARTH_RADIUS * np.gradient(t, latitude, axis=-1)  # f ∂u/∂ln p
        f, f_min = 1.46e-4 * np.sin(latitude), 1.46e-4 * math.sin(math.radians(15))
        steps = np.diff(np.log(sigma), axis=0, append=0)
        u = -np.cumsum((shear * steps)[::-1], axis=0)[::-1] * f / (f**2 + f_min**2)
        saturation = 611 * np.exp(17.27 * (t - 273.16) / (t - 35.86))
        q = np.where(sigma > 0.25, 0.7 * 0.622 * saturation / (1e5 * sigma), 1e-6)
        height = np.asarray(grid.to_nodal(self.surface_height))
        pressure = 1.011 * (1 - LAPSE_RATE * height / 288) ** (1 / EXPONENT)
        t = t + 2 * rng.standard_normal(shape)
        fields = (u, np.zeros(shape), t, q, np.zeros(shape), pressure)
        state = PhysicsState(*(jnp.asarray(field, jnp.float32) for field in fields), {})
        return self.at(day, self.model.initial_state(state))

    def at(self, time: np.datetime64, dynamics: Any) -> Any:
        """A complete model state at `time` (a day is its 00 UTC), physics freshly started."""
        import jax.numpy as jnp
        from jcm.date import to_datetime
        from jcm.model import RunState

        dynamics = dynamics.replace(sim_time=jnp.zeros(()))
        return RunState(dynamics, self.fresh_physics, to_datetime(str(time)), jnp.int32(0))

    @cached_property
    def fresh_physics(self) -> Any:
        """What the physics carries from step to step, before the first step."""
        return self.model.initial_physics_carry()

    def advance(self, state: Any, days: float = 1.0) -> tuple[Any, dict[str, np.ndarray]]:
        """The state `days` later, and their mean precipitation (mm/day) and olr (W m⁻²)."""
        import jax
        import jax.numpy as jnp

        # Plain arrays, whether fresh or read from a file: one compiled program serves both.
        state = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), state)
        state, means = self.run(state, days)
        return state, {name: np.asarray(mean) for name, mean in means.items()}

    def run(self, state: Any, days: float) -> tuple[Any, dict[str, Any]]:
        """As `advance`, with arrays of jax; differentiable."""
        state, mean = self.model.run_from_state_with_carry(
            state.dynamics,
            self.forcing,
            save_interval=days,
            total_time=days,
            output_averages=True,
            initial_physics_state=state.physics,
            initial_time=state.time,
            initial_step=state.step,
        )
        rate = mean.physics["surface_exchange"].precipitation[0]
        olr = mean.physics["_longwave_rad"].ftop[0]
        return state, {"precipitation": rate * 86400, "olr": olr}

    def to_fields(self, state: Any) -> dict[str, np.ndarray]:
        """What the data set needs of a state: coefficients, and t2m on the model's grid."""
        dynamics = state.dynamics
        temperature = np.array(dynamics.temperature_variation)
        # The harmonic of degree and order 0 is the constant 1 / √4π.
        temperature[:, 0, 0] += self.reference_temperature * math.sqrt(4 * math.pi)
        return {
            "vorticity": np.asarray(dynamics.vorticity),
            "divergence": np.asarray(dynamics.divergence),
            "t": temperature,
            "q": np.asarray(dynamics.tracers["specific_humidity"]),
            "log_pressure": np.asarray(dynamics.log_surface_pressure),
            "t2m": np.asarray(state.physics["_surface_flux"].t0),
        }

    @property
    def surface_height(self) -> Any:
        """Coefficients of the surface height, m."""
        return self.model.dycore.primitive.orography

    def geography(self) -> dict[str, np.ndarray]:
        """What does not change: surface, levels, grid."""
        horizontal = self.model.coords.horizontal
        return {
            "surface_height": np.asarray(self.surface_height),
            "sigma": np.asarray(self.model.coords.vertical.centers, np.float64),
            "latitude": np.rad2deg(np.asarray(horizontal.latitudes, np.float64)),
            "near_surface_wind": np.asarray(self.near_surface_wind),
        }


@lru_cache
def surface(truncation: int) -> tuple[Any, Any, Any]:
    """Coordinates, terrain and the seasonal cycle of the surface, from the package's own files."""
    import jcm
    from jcm.forcing import ForcingData
    from jcm.physics.speedy.speedy_coords import get_speedy_coords
    from jcm.terrain import TerrainData

    climatology = Path(jcm.__file__).parent / "data" / "bc" / "t30" / "clim"
    coords = get_speedy_coords(spectral_truncation=truncation)
    terrain = TerrainData.from_file(climatology / "terrain.nc", coords)
    return coords, terrain, ForcingData.from_file(climatology / "forcing.nc", coords)


def truncated(dynamics: Any, source: Circulation, target: Circulation) -> Any:
    """The state at the target's truncation, with surface pressure moved to its surface height."""
    import jax
    import jax.numpy as jnp

    orders, degrees = target.model.coords.horizontal.modal_shape
    if source.model.coords.horizontal.modal_shape == (orders, degrees):
        return dynamics

    def cut(x: Any) -> Any:
        # Only degrees below the last are part of a state; the last is there for products.
        return x if x.ndim == 0 else jnp.asarray(x)[..., :orders, :degrees].at[..., -1].set(0)

    state = jax.tree.map(cut, dynamics)
    lifted = cut(source.surface_height) - target.surface_height
    pressure = state.log_surface_pressure + GRAVITY / (GAS_CONSTANT * 273.0) * lifted
    return state.replace(log_surface_pressure=pressure)


def packed_state(state: Any) -> dict[str, np.ndarray]:
    """The leaves of a state as numbered arrays."""
    import jax

    return {f"state/{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}


def load_state(path: Path, like: Any) -> Any:
    """The state stored in a segment, with the structure of `like`."""
    import jax

    with safe_open(path, "numpy") as file:
        leaves = [file.get_tensor(f"state/{i}") for i in range(len(jax.tree.leaves(like)))]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)
