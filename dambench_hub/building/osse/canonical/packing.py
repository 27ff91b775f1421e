"""Makes what is shipped of a canonical world, and checks what rounding does to it.

For maintainers: users never run this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from dambench_hub.building.osse.archive import States, owned
from dambench_hub.building.osse.canonical.index import Index, ShippedFile
from dambench_hub.building.osse.canonical.model_fields import NAMES, from_numbers, to_numbers
from dambench_hub.building.osse.canonical.packed_integers import pack
from dambench_hub.building.osse.canonical.precision import (
    ALLOWED,
    OWNERS,
    Places,
    Sight,
    changes,
    observation_error,
    shares_by_variable,
    spread,
)
from dambench_hub.building.osse.canonical.states import GEOGRAPHY, CanonicalStates
from dambench_hub.building.osse.canonical.steps import (
    Rows,
    by_field,
    coarsest_steps,
    find_sensitivity,
)
from dambench_hub.building.osse.world import Days
from dambench_hub.coordinates.grids import Grid
from dambench_hub.runtime.files import sha256, write_atomic

MARGIN = 0.94
"""Share of what is allowed that steps are chosen for; they are found from a few examples."""

PROBES = 12
"""Examples that noise is added to."""

MEMBERS_IN_FILE = 1200
"""So that no file is larger than 15 MB."""


@dataclass(frozen=True)
class Simulated:
    """What is to be shipped.

    Attributes:
        seed: Of the world.
        grid: Of the data set.
        states: Of `mini`, and of presets that share its chains.
        presets: Days of each split of these presets. Days that they share must be the same states.
        ensemble_splits: Splits of `mini` that have an ensemble.
        settings: What it was simulated with.
        versions: Packages that simulated it.
    """

    seed: int
    grid: Grid
    states: Mapping[str, States]
    presets: Mapping[str, Mapping[str, Days]]
    ensemble_splits: tuple[str, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]


def pack_world(world: Simulated, folder: Path) -> Index:
    """Write all files of a world into a folder.

    Returns:
        Their index, whose `precision` has, of each variable, the largest share that rounding has in
        its channels, in %.

    Raises:
        BuildError: When rounding does more than it may; there is no index then.
    """
    mini = world.states["mini"]
    sight = Sight(mini, world.grid)
    train, ensembles = places(mini, ("train",)), places(mini, world.ensemble_splits)
    units = dict.fromkeys(OWNERS, observation_error(sight, train))
    steps = choose_steps(sight, "reference", train, units["reference"])
    if ensembles:
        units["members"] = spread(sight, ensembles)
        of_members = choose_steps(sight, "members", ensembles, units["members"])
        steps |= {f"members/{name}": step for name, step in of_members.items()}
    index = begun_index(world, folder, steps)
    index = replace(index, files=tuple(pack_states(world, index)))
    index = replace(index, files=(*index.files, *pack_members(world, index)))
    everything = places(mini, tuple(mini.days))
    found = changes(sight, Sight(CanonicalStates(index, "mini"), world.grid), everything, ensembles)
    shares = {name: shares_by_variable(name, found[name] / units[name]) for name in found}
    index = replace(index, precision=shares)
    index.write()
    return Index.read(folder)


def places(states: States, splits: tuple[str, ...]) -> Places:
    """All examples of some splits."""
    return [(split, n) for split in splits for n in range(len(states.days[split]))]


def choose_steps(sight: Sight, what: str, among: Places, unit: np.ndarray) -> dict[str, np.ndarray]:
    """The coarsest steps of each field's levels, (K,), as noise in some examples tells.

    Args:
        sight: Of the world.
        what: `reference` or `members`.
        among: Examples to choose from.
        unit: What the allowed share is a share of, (C + 2,).
    """
    chosen = [among[n] for n in np.linspace(0, len(among) - 1, PROBES).astype(int)]
    if what == "members":
        examples = [owned(sight.states.members(*place), what) for place in chosen]
        examples = [{name: field[0] for name, field in example.items()} for example in examples]
    else:
        examples = [owned(sight.states.fields(*place), what) for place in chosen]
    numbers = {n: to_numbers(n, np.stack([e[n] for e in examples])) for n in NAMES}
    view = sight.views["background" if what == "members" else what]

    def see(rows: Rows) -> np.ndarray:
        fields = {n: from_numbers(n, rows[n], examples[0][n].shape) for n in NAMES}
        each = ({n: field[i] for n, field in fields.items()} for i in range(len(examples)))
        return np.stack([view.seen(example).stacked() for example in each])

    sensitivity = find_sensitivity(numbers, see, np.random.default_rng(0))
    counts = np.concatenate([np.full(v.shape[1], v.shape[2]) for v in numbers.values()])
    allowed = MARGIN * ALLOWED[what] * unit
    return by_field(coarsest_steps(sensitivity, allowed, counts), numbers)


def begun_index(world: Simulated, folder: Path, steps: Mapping[str, np.ndarray]) -> Index:
    """The index without files, which wants no more than these."""
    mini, splits = world.states["mini"], world.presets["mini"]
    geography, fields = folder / GEOGRAPHY, owned(mini.fields("train", 0), "reference")
    write_atomic(geography, save({n: np.asarray(a, order="C") for n, a in mini.geography.items()}))
    presets = world.presets
    size = 0
    if world.ensemble_splits:
        size = len(mini.members(world.ensemble_splits[0], 0)["members/t"])
    with_ensemble = {
        preset: tuple(
            split
            for split in world.ensemble_splits
            if np.isin(days[split].times, splits[split].times).all()
        )
        for preset, days in presets.items()
    }
    return Index(
        seed=world.seed,
        grid=str(world.grid),
        presets=presets,
        ensemble_splits=with_ensemble,
        ensemble_size=size,
        shapes={name: fields[name].shape for name in NAMES},
        steps=steps,
        files=(),
        geography_sha256=sha256(geography),
        settings=world.settings,
        versions=world.versions,
        precision={},
        sha256="",
        folder=folder,
    )


def pack_states(world: Simulated, index: Index) -> Iterator[ShippedFile]:
    """Write reference and background of every day once, a file for each preset and split."""
    packed: set[tuple[str, str]] = set()
    for preset, states in world.states.items():
        for split, days in states.days.items():
            new = [n for n, day in enumerate(days) if (split, str(day)) not in packed]
            if not new:
                continue
            packed |= {(split, str(days[n])) for n in new}
            wholes = [state_wholes(index, states.fields(split, n)) for n in new]
            stacked = {key: np.stack([whole[key] for whole in wholes]) for key in wholes[0]}
            yield _write(index, f"{preset}-{split}.safetensors", stacked, split, days[new])


def pack_members(world: Simulated, index: Index) -> Iterator[ShippedFile]:
    """Write the members' deviations from the background as it will be expanded."""
    states, expanded = world.states["mini"], CanonicalStates(index, "mini")
    for split in world.ensemble_splits:
        days = states.days[split]
        parts = -(-len(days) * index.ensemble_size // MEMBERS_IN_FILE)
        for part, rows in enumerate(np.array_split(np.arange(len(days)), parts)):
            wholes = [
                member_wholes(index, states.members(split, n), expanded.fields(split, n))
                for n in rows
            ]
            stacked = {key: np.concatenate([whole[key] for whole in wholes]) for key in NAMES}
            name = f"mini-{split}-members-{part}.safetensors"
            yield _write(index, name, stacked, split, days[rows], members=True)


def state_wholes(index: Index, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Whole numbers of one example, (K, N): the background's less the reference's."""
    wholes: dict[str, np.ndarray] = {}
    for name in NAMES:
        reference, background = (
            np.rint(to_numbers(name, fields[f"{owner}/{name}"]) / index.steps[name][:, None])
            for owner in OWNERS
        )
        wholes |= {f"reference/{name}": reference, f"background/{name}": background - reference}
    return wholes


def member_wholes(
    index: Index, members: Mapping[str, np.ndarray], expanded: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Whole numbers of the members' deviations from the expanded background, (M, K, N)."""
    wholes = {}
    for name in NAMES:
        background = to_numbers(name, expanded[f"background/{name}"])
        deviation = to_numbers(name, members[f"members/{name}"]) - background
        wholes[name] = np.rint(deviation / index.steps[f"members/{name}"][:, None])
    return wholes


def _write(
    index: Index,
    name: str,
    wholes: Mapping[str, np.ndarray],
    split: str,
    days: np.ndarray,
    members: bool = False,
) -> ShippedFile:
    """One file: of each field the mean over samples, (K, N), and packed what is left of them."""
    content = {}
    for key, samples in wholes.items():
        mean = np.rint(samples.mean(axis=0)).astype(np.int32, order="C")  # safetensors' order
        content[f"{key}/mean"] = mean
        content[key] = np.frombuffer(pack(samples.astype(np.int64) - mean), np.uint8)
    write_atomic(index.folder / name, save(content))
    digest = sha256(index.folder / name)
    return ShippedFile(name, digest, split, tuple(days.astype(str).tolist()), members)
