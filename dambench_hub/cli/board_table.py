"""A leaderboard on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from dambench_hub.cli.tables import plain_table
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.scoring.group_lanes import Mark, group_lanes
from dambench_hub.scoring.precision import number, percent

if TYPE_CHECKING:
    from dambench_hub.leaderboard.store.ranking import Ranking
    from dambench_hub.scoring.standings import Standings

NUMBER_WIDTH = 8
"""Columns of the terminal that one number takes, with the space around it."""
MOST_LANES = 6
"""Lines side by side that a terminal has room for."""
LINE: dict[Mark, str] = {"": " ", "first": "┐", "inner": "│", "last": "┘"}


def board_table(ranking: Ranking, width: int) -> RenderableType:
    """A leaderboard, with as many RMSE columns as the terminal has room for, and its footnotes."""
    rows, lines = _board_rows(ranking)
    units = _units(ranking)
    fixed = [column for column in rows[0] if not column.startswith("rmse_")]
    widths = [max(len(_cell(column, row[column])) for row in rows) + 3 for column in fixed]
    needed = sum(max(NUMBER_WIDTH, width) for width in widths)
    room = max(0, (width - needed) // (NUMBER_WIDTH + 2))
    columns = fixed + [column for column in rows[0] if column.startswith("rmse_")][:room]
    title = f"{ranking.task}  ·  {escape(ranking.entries[0].result.dataset)}"
    table = plain_table(title, *(_heading(column, units) for column in columns))
    table.columns[1].justify = "left"
    for row in rows:
        style = "bold" if row["rank"] == 1 else ""
        table.add_row(*(_cell(column, row[column]) for column in columns), style=style)
    if ranking.standings is None:
        return Group(table, *([Text(ranking.unsure, "dim")] if ranking.unsure else []))
    return Group(table, Text(_footnote(ranking.standings, lines), "dim"))


def _board_rows(ranking: Ranking) -> tuple[list[dict[str, Any]], bool]:
    """Rows of `Ranking.board` with intervals and possible ranks in one cell each, and lines.

    The lines join rows that are not told apart; False where there are none.
    """
    rows = ranking.board()
    if ranking.standings is None:
        return [_with_station_interval(row) for row in rows], False
    marks = group_lanes(ranking.standings.groups, len(rows), MOST_LANES)
    lines = bool(marks[0])
    joined = []
    for row, lane in zip(rows, marks, strict=True):
        best, worst = row.pop("best_rank"), row.pop("worst_rank")
        low, high = row.pop("skill_low"), row.pop("skill_high")
        skill = row.pop("skill")
        first = {"rank": row.pop("rank"), "name": row.pop("name")}
        if lines:
            first["tie"] = " ".join(LINE[mark] for mark in lane)
        first |= {"skill": skill, "interval": f"{percent(low)} to {percent(high)}"}
        joined.append(first | {"possible": "–".join(map(str, dict.fromkeys((best, worst))))} | row)
    return joined, lines


def _with_station_interval(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `Ranking.board` with the ends of the interval of `station_rmse` in one cell."""
    if "station_rmse_low" not in row:
        return row
    first = {name: row.pop(name) for name in ("rank", "name", "station_rmse")}
    low, high = (number(row.pop(f"station_rmse_{end}")) for end in ("low", "high"))
    return first | {"interval": f"{low} to {high}"} | row


def _footnote(found: Standings, lines: bool) -> str:
    """What the columns of `_board_rows` mean."""
    noise = "of the weather"
    if found.seed_error is not None:
        noise += f", and of training (seeds differ by {percent(found.seed_error)} points)"
    joined = "lines join methods that cannot be told apart; " if lines else ""
    return (
        f"95 %: where the skill lies, but for chance {noise}; {joined}ranks: those that the "
        "differences of all pairs leave open."
    )


def _units(ranking: Ranking) -> str:
    """Of the main score and its interval."""
    channels = parse_channels(list(ranking.entries[0].result.scores["rmse"]))
    return channels[0].units if ranking.at_stations else "%"


def _heading(column: str, units: str) -> str:
    if column.startswith("rmse_"):
        return f"RMSE\n{column.removeprefix('rmse_')}"
    titles = {"rank": "", "mse": "MSE", "mae": "MAE", "specdiv": "SpecDiv", "skill": "skill\n%"}
    titles |= {"tie": "", "interval": f"95 %\n{units}", "possible": "ranks"}
    titles["station_rmse"] = f"RMSE at stations\n{units}"
    return titles.get(column, column)


def _cell(column: str, value: Any) -> str:
    if column == "skill":
        return percent(value, digits=2)
    return number(value) if isinstance(value, float) else escape(str(value))
