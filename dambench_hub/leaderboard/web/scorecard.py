"""RMSE by variable and level, in shades of how much better or worse it is than another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import VARIABLES, parse_channels, variable_groups
from dambench_hub.leaderboard.web.markup import cell, shaded
from dambench_hub.leaderboard.web.measures import printed, sort_key
from dambench_hub.scoring.precision import percent


@dataclass(frozen=True)
class CardRow:
    """A title and the cells after it."""

    title: str
    cells: tuple[Markup, ...]


@dataclass(frozen=True)
class Card:
    """A table of errors.

    Attributes:
        title: What it shows.
        corner: Above the titles of the rows.
        heads: Of the columns.
        rows: The table.
    """

    title: str
    corner: str
    heads: tuple[str, ...]
    rows: tuple[CardRow, ...]


def scorecards(cells: Mapping[str, Markup], title: str, *, physical: bool = True) -> list[Card]:
    """Variables by pressure levels, and what has no level.

    Args:
        cells: By channel.
        title: What they show.
        physical: Whether the numbers are in the units of each variable.
    """
    names = list(cells)
    groups = variable_groups(names)
    surface = [names[at] for at in groups.pop("surface", ())]
    cards = []
    if groups:
        levels = sorted({c.level for c in parse_channels(names) if c.level})
        rows = tuple(
            CardRow(
                _titled(VARIABLES[group].long_name, VARIABLES[group].units, physical),
                tuple(cells.get(f"{group}{level}", cell("")) for level in levels),
            )
            for group in groups
        )
        cards.append(Card(f"{title} by pressure level", "hPa", tuple(map(str, levels)), rows))
    if surface:
        heads = tuple(_titled(c.name, c.units, physical) for c in parse_channels(surface))
        row = CardRow("near the surface", tuple(cells[name] for name in surface))
        cards.append(Card(f"{title} near the surface", "", heads, (row,)))
    return cards


def relative_cells(
    name: str, values: Mapping[str, float], other: Mapping[str, float] | None
) -> dict[str, Markup]:
    """A score by channel, in shades of its ratio to that of another.

    Args:
        name: Of the score, in `BY_CHANNEL`; the shade of a bias compares sizes.
        values: By channel.
        other: Those of the other; None or without a channel for no shade.
    """
    return {
        channel: shaded(
            printed(name, value), _ratio(name, value, other or {}, channel), sort_key(name, value)
        )
        for channel, value in values.items()
    }


def difference_cells(rmse: Mapping[str, float], other: Mapping[str, float]) -> dict[str, Markup]:
    """Differences of errors by channel in percent of the other."""
    cells = {}
    for name, value in rmse.items():
        ratio = value / other[name] if other[name] > 0 else 1.0
        cells[name] = shaded(percent(100 * (ratio - 1), signs=True), ratio)
    return cells


def _titled(name: str, units: str, physical: bool) -> str:
    return f"{name}, {pretty(units)}" if physical else name


def _ratio(name: str, value: float, other: Mapping[str, float], channel: str) -> float | None:
    base = other.get(channel)
    if name == "spread_skill" or not base:
        return None
    return abs(value / base)
