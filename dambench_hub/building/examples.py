"""The examples of a data set while it is built: what a source gives, checked and completed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dambench_hub.building.plan import Plan
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import MODALITIES, equivalent_of
from dambench_hub.errors import BuildError
from dambench_hub.observations import draw_observations
from dambench_hub.observations.table import ObservationTable
from dambench_hub.storage.manifest import ENSEMBLE, Gap
from dambench_hub.storage.statistics import Statistics

Fields = Mapping[str, np.ndarray]
"""`background` and `reference` (C, Y, X), and each modality (Y, X), float32.

There is no `reference` where a plan's reference is reports.

`background_precipitation` and `background_olr` (Y, X) are the background's equivalents of the
modalities, means over the same 24 h in the same units; those that a source leaves out are NaN.
"""

Members = Mapping[str, np.ndarray]
"""`background_members` (M, C, Y, X), and what they would have measured, as `Fields` says of the
background: `background_members_precipitation` and `background_members_olr` (M, Y, X), float32."""

Reader = Callable[[str, int], Mapping[str, np.ndarray]]
"""(split, index) -> the fields of one example. May be called twice, in any order."""


@dataclass(frozen=True)
class Source:
    """Where the fields of a plan's examples come from.

    Attributes:
        read: Gives the `Fields` of one example; the index counts the plan's times, gaps included.
        gaps: What the source does not have; these examples are left out of the data set.
        orography: Height of the surface, (Y, X), m, for a plan with geography; None if unknown.
        statistics: If given, they are taken as they are, and `read` gives whole examples: `time`,
            `observation_index` and `observations` too. A plan whose reference is reports needs
            them, and no more of `read` than before.
        read_members: Gives the `Members` of one example, for a plan with an ensemble, and in its
            splits only.
        picture: A PNG file about the backgrounds, for the card.
        read_reports: Gives the observations of a split, for a plan with tables of them: those of
            all its analyses, those that are not good or withheld included.
    """

    read: Reader
    gaps: tuple[Gap, ...] = ()
    orography: np.ndarray | None = None
    statistics: Statistics | None = None
    read_members: Reader | None = None
    picture: Path | None = None
    read_reports: Callable[[str], ObservationTable] | None = None


def without_gaps(plan: Plan, source: Source) -> tuple[Plan, Source]:
    """The plan of the examples that exist, and the source that counts these alone."""
    absent = {(gap.split, gap.hours) for gap in source.gaps if gap.what == "example"}
    kept = {
        split: [
            n for n, hours in enumerate(hours_since_epoch(times)) if (split, hours) not in absent
        ]
        for split, times in plan.times.items()
    }
    for split, indices in kept.items():
        if not indices:
            reason = next(gap.reason for gap in source.gaps if gap.split == split)
            raise BuildError(
                f"Nothing is left of the split {split}: the source has gaps ({reason})."
            )
    times = {split: plan.times[split][indices] for split, indices in kept.items()}

    def renumbered(read: Reader) -> Reader:
        return lambda split, index: read(split, kept[split][index])

    members = source.read_members
    source = replace(
        source,
        read=renumbered(source.read),
        read_members=renumbered(members) if members else None,
    )
    return replace(plan, times=times), source


def checked(plan: Plan, read: Reader) -> Reader:
    """The reader of examples, with every field checked and as float32."""
    state = (len(plan.channels), *plan.grid.shape)
    shapes: dict[str, tuple[int, ...]] = {"background": state}
    if not plan.reference_is_reports:
        shapes["reference"] = state
    shapes |= dict.fromkeys(plan.modalities, plan.grid.shape)
    equivalents = map(equivalent_of, plan.modalities)
    return _checked(plan, read, shapes, dict.fromkeys(equivalents, plan.grid.shape))


def checked_members(plan: Plan, read: Reader | None) -> Reader:
    """The reader of the plan's members, with every field checked and as float32, and their `time`.

    Raises:
        BuildError: When the source has no members.
    """
    if read is None:
        raise BuildError(
            f"The plan wants {plan.ensemble_size} members in {', '.join(plan.ensemble_splits)}, "
            "and the source gives none: it needs read_members."
        )
    shapes = plan.shapes(ENSEMBLE)
    needed = {"background_members": shapes.pop("background_members")}
    del shapes["time"]
    return with_time(plan, _checked(plan, read, needed, shapes))


def with_time(plan: Plan, read: Reader) -> Reader:
    """The reader, with `time` added."""

    def example(split: str, index: int) -> Fields:
        time = np.asarray(plan.times[split][index], "datetime64[h]")
        return {"time": time, **read(split, index)}

    return example


def _checked(
    plan: Plan,
    read: Reader,
    needed: Mapping[str, tuple[int, ...]],
    equivalents: Mapping[str, tuple[int, ...]],
) -> Reader:
    """The reader with fields of these shapes; equivalents that do not come are NaN."""
    unknown = {name: np.full(shape, np.nan, "f4") for name, shape in equivalents.items()}
    shapes = {**needed, **equivalents}

    def checked(split: str, index: int) -> Fields:
        at = f"{split} {plan.times[split][index]}"
        try:
            came = {**unknown, **read(split, index)}
        except OSError as error:
            raise BuildError(f"{at}: the source cannot be read ({error}).") from error
        fields = {}
        for name, shape in shapes.items():
            if name not in came or came[name].shape != shape:
                got = came[name].shape if name in came else "nothing"
                raise BuildError(f"{at}: {name} must have shape {shape}, the source gave {got}.")
            with np.errstate(over="ignore"):  # becomes infinite, which is refused below
                fields[name] = np.ascontiguousarray(np.ma.filled(came[name], np.nan), "<f4")
            # In modalities NaN means not measured, in equivalents that the background has none.
            may_lack = name in MODALITIES or name in equivalents
            bad = np.isinf(fields[name]) if may_lack else ~np.isfinite(fields[name])
            if np.any(bad):
                channel = "" if may_lack else f" in {plan.channels[np.argwhere(bad)[0, -3]]}"
                raise BuildError(f"{at}: {name} has values{channel} that are not finite.")
        return fields

    return checked


def with_observations(plan: Plan, read: Reader, error_std: np.ndarray) -> Reader:
    """The reader, with `time` and the keyed observations added."""
    timed = with_time(plan, read)

    def example(split: str, index: int) -> Fields:
        fields, time = dict(timed(split, index)), plan.times[split][index]
        fields["observation_index"], fields["observations"] = draw_observations(
            plan.observations,
            plan.grid,
            fields["reference"],
            error_std,
            time,
            channels=plan.channels,
        )
        return fields

    return example
