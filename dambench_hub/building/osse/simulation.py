"""The model runs of a world: segments of days, each stored whole, in one process per core.

Worker processes load this module: it needs no `datasets`, and jax is imported in the functions,
once `prepare_jax` has set it up.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from dambench_hub.building.osse.chains import run_chains
from dambench_hub.building.osse.world import (
    IMPERFECTIONS,
    NATURE,
    PAST_DAYS,
    PRESETS,
    World,
    analysis_error,
)
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.dynamics.circulation import Circulation, load_state, packed_state, truncated
from dambench_hub.dynamics.jax_setup import prepare_jax
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import write_atomic

STATE = ("vorticity", "divergence", "t", "q", "log_pressure", "t2m")
MEANS = ("precipitation", "olr")
"""Names in a segment's file: of an instant, and of the day before it."""


@lru_cache
def circulations(preset: str) -> tuple[Circulation, Circulation]:
    """The nature run's model and the forecast model of a preset, once a process."""
    settings = PRESETS[preset]
    return Circulation(*settings.nature, {}), Circulation(*settings.forecast, IMPERFECTIONS)


def simulate_segment(world: World, folder: Path, split: str, number: int) -> None:
    """Simulate and store one segment of a split.

    The file holds the days that the split samples and the state to go on from. A run always goes on
    from a file, so that an interrupted build and an uninterrupted one give the same bits.
    """
    nature, forecast = circulations(world.name)
    days, wanted = world.segments(split)[number], world.preset.splits[split].times
    if number:
        before = segment_path(folder, split, number - 1)
        state, past = load_state(before, like=first_state(world, "train"))
    else:
        state, past = first_state(world, split)
    samples: list[dict[str, np.ndarray]] = []
    for day in days:
        if day in wanted:
            analysis = state.dynamics + analysis_error(world, day, past)
            start = forecast.at(day - 1, truncated(analysis, nature, forecast))
            background, _ = forecast.advance(start)
        state, means = nature.advance(state)
        past = [*past[1:], state.dynamics]
        if day in wanted:
            sample = labelled("reference", nature.to_fields(state)) | means
            samples.append(sample | labelled("background", forecast.to_fields(background)))
            require_finite(samples[-1], split, day)
    content = {
        name: np.stack([sample[name] for sample in samples]) for name in (samples or [{}])[0]
    }
    content["land"] = np.asarray(nature.model.terrain.fmask)
    content |= labelled("reference", nature.geography())
    content |= labelled("background", forecast.geography())
    content |= packed_state((state, past))
    contiguous = {name: np.asarray(array, order="C") for name, array in content.items()}
    write_atomic(segment_path(folder, split, number), save(contiguous))


def require_finite(sample: dict[str, np.ndarray], split: str, day: np.datetime64) -> None:
    """Refuse a model run that has broken down."""
    if not all(np.isfinite(field).all() for field in sample.values()):
        raise BuildError(f"The model run of {split!r} broke down on {day}; try another --seed.")


@lru_cache
def first_state(world: World, split: str) -> tuple[Any, list[Any]]:
    """What a split's run starts from, and as many copies of it as past states."""
    nature, _ = circulations(world.name)
    start = world.segments(split)[0][0] - 1
    state = nature.start(start, world.rng(NATURE, int(hours_since_epoch(start))))
    return state, [state.dynamics] * PAST_DAYS


def labelled(owner: str, fields: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The fields with `owner/` before their names."""
    return {f"{owner}/{name}": field for name, field in fields.items()}


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
