"""What a scorer is given: names, numbers and fields that fit each other, and miss no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.labels import is_labelled, label_problem, labels
from dambench_hub.coordinates.missing import FILL
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.arrays import as_array

STD_RANGE = (1e-30, 1e30)


def channel_names(channels: Sequence[str]) -> list[str]:
    """The names as a list; one name alone is a list of one.

    Raises:
        ScoreError: When there is none, one is no string, or one stands there twice.
    """
    names = [channels] if isinstance(channels, str) else list(channels)
    if not names or not all(isinstance(name, str) for name in names):
        raise ScoreError(f"channels must be a list of names, got {channels!r}.")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ScoreError(f"Channel names must differ; {', '.join(twice)} appears twice.")
    return names


def standard_deviations(std: Any) -> np.ndarray:
    """σ_c as float64, (C,).

    Raises:
        ScoreError: When it is not one positive number per channel.
    """
    std = as_array("std", std).astype(np.float64)
    smallest, largest = STD_RANGE
    if std.ndim != 1 or not np.all((std >= smallest) & (std <= largest)):
        raise ScoreError(
            f"std must be one positive number per channel, got shape {std.shape} with values "
            f"{np.array2string(std, threshold=6)}."
        )
    return std


def require_shapes(analysis: tuple[int, ...], reference: tuple[int, ...]) -> None:
    """Refuse shapes of an analysis, with or without members, and a reference that do not fit.

    Raises:
        ScoreError: When they do not, or there is no channel, latitude or longitude.
    """
    fit = len(reference) == 4 and analysis[:1] + analysis[-3:] == reference
    if not fit or len(analysis) not in (4, 5) or 0 in analysis[1:]:
        raise ScoreError(
            f"Analysis {analysis} and reference {reference} do not fit. Wanted: reference "
            "(sample, channel, latitude, longitude), analysis the same, or with members "
            "(sample, member, channel, latitude, longitude)."
        )


def companion(name: str, values: Any, reference: np.ndarray) -> np.ndarray:
    """Real numbers of the reference's shape; those of a standard deviation are above 0.

    Args:
        name: `background` or `std`.
        values: What is given.
        reference: x, (N, C, Y, X).

    Raises:
        ScoreError: When they are something else.
    """
    array = as_array(name, values)
    if array.shape != reference.shape:
        raise ScoreError(
            f"{name} {array.shape} and reference {reference.shape} do not fit; they have the same "
            "samples, channels and grid."
        )
    if name == "std" and np.any(array <= 0):
        raise ScoreError(f"A predicted standard deviation is above 0, got {array.min()}.")
    return array


def require_labels(
    given: Mapping[str, Any], channels: Sequence[str] | None, latitude: np.ndarray | None
) -> None:
    """Refuse labelled arrays whose axes are not those of each other, or of the scorer.

    Args:
        given: `analysis`, `reference` and what else there is, xarray's arrays or others.
        channels: Names that are wanted, if any.
        latitude: Degrees that are wanted, (Y,); if not given, the grid with poles, either way.

    Raises:
        ScoreError: When one differs; the message says in what.
    """
    reference = given["reference"]
    both = is_labelled(given["analysis"]) and is_labelled(reference)
    for name, values in given.items():
        if not is_labelled(values) or len(values.shape) not in (4, 5):
            continue
        grid = Grid(*values.shape[-2:])
        wanted: dict[str, Any] = dict.fromkeys(("time", "member", "channel"))
        if len(values.shape) == 4:
            del wanted["member"]
        wanted["channel"] = channels
        wanted["latitude"] = grid.latitude if latitude is None else latitude
        wanted["longitude"] = None if both else grid.longitude
        northward = wanted | {"latitude": grid.latitude[::-1]}
        if name != "reference":
            wanted |= labels(reference)
        elif both and latitude is None and not label_problem(values, northward):
            continue  # the grid with poles has the same weights from south to north
        if problem := label_problem(values, wanted):
            assumed = " A grid with poles is assumed unless latitude= says which it is."
            raise ScoreError(f"The {name} {problem}{assumed * (latitude is None)}")


def require_values(
    fields: Mapping[str, np.ndarray], names: Sequence[str], where: str, northward: bool
) -> None:
    """Refuse fields with a value that is not finite or stands for a missing one.

    Args:
        fields: Of one sample, by name, (M, C, Y, X) each.
        names: Of the channels.
        where: What to call the sample in a message.
        northward: Whether the rows, here from north to south, were given the other way.

    Raises:
        ScoreError: When there is one; the message names the first one's channel and cell.
    """
    for name, field in fields.items():
        bad = ~(np.abs(field, dtype=np.float64) < FILL)
        if not bad.any():
            continue
        member, channel, row, column = np.argwhere(bad)[0]
        value = field[member, channel, row, column]
        row = bad.shape[2] - 1 - row if northward else row
        kind = "fill values" if np.isfinite(value) else "not finite"
        of_member = f", member {member}" if len(field) > 1 else ""
        raise ScoreError(
            f"The {name} has {bad.sum()} values that are {kind} in {where}; the first is "
            f"{value} in channel {names[channel]!r}{of_member}, latitude row {row}, longitude "
            f"column {column}. A score needs every cell: nothing is skipped or filled."
        )


def is_northward(latitude: np.ndarray | None) -> bool:
    """Whether these are the rows of a grid with poles, from the south pole to the north pole."""
    return (
        latitude is not None
        and len(latitude) > 2
        and same_latitude(latitude[::-1], Grid(len(latitude), 2).latitude)
    )


def same_latitude(latitude: np.ndarray, other: np.ndarray) -> bool:
    """Whether two sets of rows are the same to a thousandth of a degree."""
    return latitude.shape == other.shape and np.allclose(latitude, other, rtol=0, atol=1e-3)
