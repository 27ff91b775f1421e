"""Radiation that sees temperature, for batches of the small world: 1 W m⁻² too low, with gaps."""

from dataclasses import replace

import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch

NOISE = 0.2
"""Of the measurements, in units of the errors' standard deviation."""


def equivalent(state, scale):
    """H(x) = 240 + 3 (t2m + t850) / σ, W m⁻², of states (*, C, Y, X)."""
    return (240 + 3 * (state[..., 0, :, :] + state[..., 4, :, :]) / scale).astype("f4")


def with_departures(batch, **changes):
    """The same with measured radiation, its equivalents, and rain without equivalents."""
    batch = replace(batch, **changes)
    scale = np.std((batch.background - batch.reference)[:, [0, 4]])
    olr = equivalent(batch.reference, scale) + 1
    for field, hours in zip(olr, hours_since_epoch(batch.time), strict=True):
        rng = np.random.default_rng(hours)
        field += 3 * NOISE * rng.normal(size=field.shape)
        field[rng.random(field.shape) < 0.2] = np.nan
    rain = batch.modalities["precipitation"]
    unknown = np.full_like(rain, np.nan)
    members, known = batch.background_members, equivalent(batch.background, scale)
    each = {}
    if members is not None:
        nothing = np.repeat(unknown[:, None], members.shape[1], axis=1)
        each = {"olr": equivalent(members, scale), "precipitation": nothing}
    return replace(
        batch,
        modalities={"olr": olr, "precipitation": rain},
        background_modalities={"olr": known, "precipitation": unknown},
        background_members_modalities=each,
    )
