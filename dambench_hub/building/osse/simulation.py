"""The model runs of a world: segments of days, each stored whole, in one process per core.

Worker processes load this module: it needs no `datasets`, and jax is imported in the functions,
once `prepare_jax` has set it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from dambench_hub.building.osse.chains import run_chains
from dambench_hub.building.osse.twin_run import TwinRun, twin_models
from dambench_hub.building.osse.world import MEMBERS_IN, World
from dambench_hub.dynamics.circulation import load_state, packed_state
from dambench_hub.dynamics.jax_setup import prepare_jax
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import write_atomic

STATE = ("vorticity", "divergence", "t", "q", "log_pressure", "t2m")
MEANS = ("precipitation", "olr")
"""Names in a segment's file, after their owner: of an instant, and of the day before it."""

MEMBERS = "ensemble"
"""Name of the members to go on from."""


def simulate_segment(world: World, folder: Path, split: str, number: int) -> None:
    """Simulate and store one segment of a split.

    The file holds the days that the split samples and the states to go on from. A run always goes
    on from a file, so that an interrupted build and an uninterrupted one give the same bits.
    """
    models = twin_models(world)
    state, members = None, None
    if number:
        before = segment_path(folder, split, number - 1)
        state = load_state(before, like=models.first)
        with safe_open(before, "numpy") as file:
            members = file.get_tensor(MEMBERS)
    run = TwinRun(world, split, models, state, members)
    wanted = world.preset.splits[split].times
    samples: list[dict[str, np.ndarray]] = []
    for day in world.segments(split)[number]:
        happened = run.step(day)
        if day in wanted:
            if split not in MEMBERS_IN:
                del happened["members"]
            samples.append(labelled(happened))
            require_finite(samples[-1], split, day)
    content = {
        name: np.stack([sample[name] for sample in samples]) for name in (samples or [{}])[0]
    }
    content["land"] = np.asarray(models.nature.model.terrain.fmask)
    content |= labelled(
        {"reference": models.nature.geography(), "background": models.forecast.geography()}
    )
    content |= packed_state(run.state) | {MEMBERS: run.members}
    contiguous = {name: np.asarray(array, order="C") for name, array in content.items()}
    write_atomic(segment_path(folder, split, number), save(contiguous))


def require_finite(sample: dict[str, np.ndarray], split: str, day: np.datetime64) -> None:
    """Refuse a model run that has broken down."""
    if not all(np.isfinite(field).all() for field in sample.values()):
        raise BuildError(f"The model run of {split!r} broke down on {day}; try another --seed.")


def labelled(owners: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All fields, with `owner/` before their names."""
    return {
        f"{owner}/{name}": field
        for owner, fields in owners.items()
        for name, field in fields.items()
    }


def segment_path(folder: Path, split: str, number: int) -> Path:
    """The file of one segment."""
    return folder / f"{split}-{number:03d}.safetensors"


def simulate(world: World, folder: Path, workers: int) -> None:
    """Simulate and store all missing segments."""
    missing = {
        split: [n for n in range(count) if not segment_path(folder, split, n).exists()]
        for split in world.preset.splits
        if (count := len(world.segments(split)))
    }
    run = partial(simulate_segment, world, folder)
    run_chains(missing, run, workers, prepare_jax, "Simulating segments")
