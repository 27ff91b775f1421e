"""RMSE by variable and level, in shades of how much better or worse it is than another."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from dambench_hub.board.markup import cell, shaded
from dambench_hub.plots import pretty
from dambench_hub.tables import number
from dambench_hub.variables import VARIABLES, parse_channels, variable_groups


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


def scorecards(rmse: dict[str, float], other: dict[str, float] | None) -> list[Card]:
    """Variables by pressure levels, and what has no level.

    Args:
        rmse: By channel.
        other: What it is compared with, by channel; None for nothing.
    """
    names = list(rmse)
    cells = {name: _cell(rmse[name], other and other.get(name)) for name in names}
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
        cards.append(Card("RMSE by pressure level", "hPa", tuple(map(str, levels)), rows))
    if surface:
        heads = tuple(f"{c.name}, {pretty(c.units)}" for c in parse_channels(surface))
        row = CardRow("near the surface", tuple(cells[name] for name in surface))
        cards.append(Card("RMSE near the surface", "", heads, (row,)))
    return cards


def _cell(rmse: float, other: float | None) -> Markup:
    return shaded(number(rmse), rmse / other if other else None)
