"""What a ranking is laid out from: its columns and rows."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Column:
    """A column of the ranking.

    Attributes:
        name: In the address.
        title: At its head.
        units: Below the title.
        better: ↓ where smaller is better, ↑ where larger is, empty where neither.
        hint: What it means.
        style: Class of its cells.
    """

    name: str
    title: str
    units: str = ""
    better: str = ""
    hint: str = ""
    style: str = ""

    @property
    def first(self) -> str:
        """The direction that a first click sorts in: `up` or `down`."""
        return "down" if self.better == "↑" else "up"


@dataclass(frozen=True)
class Row:
    """A row of the ranking; `cells` are those after rank and name."""

    id: str
    rank: int
    name: str
    kind: str
    badge: str
    mine: bool
    parameters: float | None
    links: tuple[tuple[str, str], ...]
    cells: tuple[Markup, ...]
