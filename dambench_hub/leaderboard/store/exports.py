"""Rankings as CSV, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dambench_hub.leaderboard.store.ranking import Ranking

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def rankings_csv(rankings: Sequence[Ranking]) -> str:
    """The rows of leaderboards, the name of the task first."""
    return table_csv(
        [{"task": ranking.task, **row} for ranking in rankings for row in ranking.board()]
    )


def table_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, every value quoted; the columns are all that any row has.

    Text that a spreadsheet would take for a formula gets a quotation mark in front.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: _safe(value) for column, value in row.items()} for row in rows)
    return text.getvalue()


def _safe(value: Any) -> Any:
    if isinstance(value, str) and unicodedata.normalize("NFKC", value).startswith(FORMULA):
        return f"'{value}"
    return value
