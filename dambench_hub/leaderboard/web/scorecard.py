"""RMSE by variable and level, in shades of how much better or worse it is than another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import VARIABLES, parse_channels, variable_groups
from dambench_hub.leaderboard.web.markup import cell, shaded
from dambench_hub.scoring.precision import number, signed

FULL_SHADE = 10.0
"""A difference of so many percent has the full colour."""


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


def scorecards(cells: Mapping[str, Markup], title: str) -> list[Card]:
    """Variables by pressure levels, and what has no level.

    Args:
        cells: By channel.
        title: What they show.
    """
    names = list(cells)
    groups = variable_groups(names)
    surface = [names[at] for at in groups.pop("surface", ())]
    cards = []
    if groups:
        levels = sorted({c.level for c in parse_channels(names) if c.level})
        rows = tuple(
            CardRow(
                f"{VARIABLES[group].long_name}, {pretty(VARIABLES[group].units)}",
                tuple(cells.get(f"{group}{level}", cell("")) for level in levels),
            )
            for group in groups
        )
        cards.append(Card(f"{title} by pressure level", "hPa", tuple(map(str, levels)), rows))
    if surface:
        heads = tuple(f"{c.name}, {pretty(c.units)}" for c in parse_channels(surface))
        row = CardRow("near the surface", tuple(cells[name] for name in surface))
        cards.append(Card(f"{title} near the surface", "", heads, (row,)))
    return cards


def relative_cells(
    rmse: Mapping[str, float], other: Mapping[str, float] | None
) -> dict[str, Markup]:
    """Errors by channel, in shades of their ratio to those of another; None for no shade."""
    return {
        name: shaded(number(value), value / other[name] if other and other[name] > 0 else None)
        for name, value in rmse.items()
    }


def difference_cells(rmse: Mapping[str, float], other: Mapping[str, float]) -> dict[str, Markup]:
    """Differences of errors by channel in percent of the other; `FULL_SHADE` has all the colour."""
    cells = {}
    for name, value in rmse.items():
        percent = 100 * (value / other[name] - 1) if other[name] > 0 else 0.0
        cells[name] = shaded(signed(percent), 1 + percent / FULL_SHADE)
    return cells
