"""The results store and the ranking: an append-only table in SQLite, or any other SQL database.

Every row names all that its score depends on: model, task, data set revision, scorer version and
the hash of the values. Rows that differ in one of those are never ranked against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from dambench_hub.errors import DambenchError
from dambench_hub.scoring import MODEL_ATTRIBUTES, SCORER_VERSION, Result
from dambench_hub.validation import MAX_NAME

DEFAULT_STORE = "sqlite:///dambench.db"
SCHEMA_VERSION = 1
SIGNIFICANT_DIGITS = 4
"""Scores are ranked as they are shown; what rounding hides is no difference."""

BOARD_CHANNELS = ("z500", "t850", "t2m", "u10", "v10", "u500", "v500", "q700", "msl")
"""Channels whose RMSE stands on the board, as in the paper."""

METADATA = sql.MetaData()
RESULTS = sql.Table(
    "results",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("name", sql.Text, nullable=False),
    sql.Column("task", sql.Text, nullable=False),
    sql.Column("dataset", sql.Text, nullable=False),
    sql.Column("dataset_revision", sql.Text, nullable=False),
    sql.Column("scorer_version", sql.Text, nullable=False),
    sql.Column("value_hash", sql.Text, nullable=False),
    sql.Column("main_score", sql.Double, nullable=False),
    sql.Column("scores", sql.JSON, nullable=False),
    sql.Column("sample_mse", sql.JSON, nullable=False),
    sql.Column("submitted_at", sql.Text, nullable=False),
    *(sql.Column(name, sql.Text, nullable=name != "model_name") for name in MODEL_ATTRIBUTES),
    sql.CheckConstraint("abs(main_score) < 1e300", name="main_score_is_finite"),
    sql.UniqueConstraint(
        "name", "task", "dataset_revision", "scorer_version", "value_hash", name="judged_once"
    ),
    sqlite_autoincrement=True,
)
for _change in ("UPDATE", "DELETE"):
    sql.event.listen(
        RESULTS,
        "after_create",
        sql.DDL(
            f"CREATE TRIGGER results_no_{_change.lower()} BEFORE {_change} ON results "
            "BEGIN SELECT RAISE(ABORT, 'results are never changed, only added'); END"
        ).execute_if(dialect="sqlite"),
    )


@dataclass(frozen=True, eq=False)
class Entry:
    """One row of a ranking.

    Attributes:
        rank: From 1; equal scores share a rank, the earlier one stands first.
        name: Under which the result was submitted.
        submitted_at: UTC, like 2026-01-31T12:00:00Z.
        result: The scores and all they depend on.
    """

    rank: int
    name: str
    submitted_at: str
    result: Result

    def to_dict(self) -> dict[str, Any]:
        """What `dambench leaderboard --json` prints."""
        ranked = {"rank": self.rank, "name": self.name, "submitted_at": self.submitted_at}
        return ranked | self.result.to_dict()


@dataclass(frozen=True, eq=False)
class Ranking:
    """Results that can be compared, best first.

    Attributes:
        task: Name of the task.
        dataset_revision: Revision that all entries share.
        entries: The rows.
        hidden: Rows of the task that belong to other revisions or scorer versions.
    """

    task: str
    dataset_revision: str
    entries: tuple[Entry, ...]
    hidden: int

    def board(self) -> list[dict[str, Any]]:
        """The rows of a leaderboard, with the same columns in each.

        Returns:
            `rank`, `name`, then `mse`, `mae` and `specdiv`; `skill`, the share of the background's
            mse that is gone, where an entry called background is there; then the RMSE of those of
            `BOARD_CHANNELS` that are scored, called for example `rmse_z500`.
        """
        background = [e.result.scores["mse"] for e in self.entries if e.name == "background"]
        rows = []
        for entry in self.entries:
            scores = entry.result.scores
            row = {"rank": entry.rank, "name": entry.name}
            row |= {name: scores[name] for name in ("mse", "mae", "specdiv")}
            if background and background[0] > 0:
                row["skill"] = 1 - scores["mse"] / background[0]
            rmse = {name: scores["rmse"][name] for name in BOARD_CHANNELS if name in scores["rmse"]}
            rows.append(row | {f"rmse_{name}": value for name, value in rmse.items()})
        return rows


class DuplicateResult(DambenchError):
    """The same values are recorded under the same name already."""


class Store:
    """Results in a database; rows are added, never changed.

    Args:
        url: SQLAlchemy URL, for example `sqlite:///dambench.db`.
        create: Make the database and its table if there is none.

    Raises:
        DambenchError: When the URL is none, or the database is absent, damaged, read-only or full.
    """

    def __init__(self, url: str = DEFAULT_STORE, *, create: bool = False) -> None:
        self.url = url
        try:
            self.engine = sql.create_engine(url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise DambenchError(
                f"{url!r} is not the URL of a store ({error}). Write it like {DEFAULT_STORE}."
            ) from error
        path = Path(self.engine.url.database or "")
        plain = self.engine.dialect.name == "sqlite" and "uri" not in self.engine.url.query
        if plain and not create and not path.is_file():
            raise DambenchError(
                f"There is no results store {url}. "
                "`dambench submit FILE --name NAME` makes one, or choose another with --store."
            )
        if plain and create:
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as connection:
            if not sql.inspect(connection).has_table(RESULTS.name):
                if not create:
                    raise DambenchError(f"{url} holds no results table. Choose another --store.")
                METADATA.create_all(connection)
                self._version(connection, SCHEMA_VERSION)
            if (version := self._version(connection)) != SCHEMA_VERSION:
                raise DambenchError(
                    f"The store {url} has schema version {version}, this dambench-hub reads "
                    f"{SCHEMA_VERSION}. Use the version that wrote it, or another --store."
                )

    def add(self, result: Result, name: str) -> None:
        """Record a result; once this returns, it is on the disk.

        Raises:
            DuplicateResult: When the same values are recorded under this name already.
            DambenchError: When the name cannot be shown or the store cannot be written.
        """
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise DambenchError(
                f"A name has 1 to {MAX_NAME} printable characters, got {ascii(name[:MAX_NAME])}."
            )
        row = {key: value for key, value in vars(result).items() if key in RESULTS.columns}
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            with self._transaction() as connection:
                row |= {**result.attributes, "name": name, "submitted_at": time}
                connection.execute(RESULTS.insert().values(row))
        except IntegrityError as error:
            if "UNIQUE" not in str(error).upper():
                raise DambenchError(f"{name}: a score that is not finite is no score.") from error
            raise DuplicateResult(
                f"These values are already recorded as {name!r} for the task {result.task}. "
                "Submit another file, or choose another --name."
            ) from error

    def tasks(self) -> list[str]:
        """Names of the tasks that have results, sorted."""
        with self._transaction() as connection:
            return sorted(connection.scalars(sql.select(RESULTS.c.task).distinct()))

    def ranking(
        self, task: str, revision: str | None = None, scorer_version: str = SCORER_VERSION
    ) -> Ranking:
        """The results of a task, best first; rows of one revision and scorer version only.

        Args:
            task: Name of the task.
            revision: Of the data set; None for that of the newest result.
            scorer_version: Of the scores.
        """
        with self._transaction() as connection:
            query = RESULTS.select().where(RESULTS.c.task == task).order_by(RESULTS.c.sequence)
            rows = connection.execute(query).mappings().all()
        current = [row for row in rows if row["scorer_version"] == scorer_version]
        revision = revision or (current[-1]["dataset_revision"] if current else "")
        shown = [row for row in current if row["dataset_revision"] == revision]
        shown.sort(key=lambda row: rounded(row["main_score"]))  # stable: the earlier stands first
        scores = [rounded(row["main_score"]) for row in shown]
        entries = tuple(
            Entry(scores.index(score) + 1, row["name"], row["submitted_at"], _result(dict(row)))
            for score, row in zip(scores, shown, strict=True)
        )
        return Ranking(task, revision, entries, len(rows) - len(shown))

    @contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        try:
            with self.engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise DambenchError(f"The store {self.url} cannot be used: {error.orig}.") from error

    def _version(self, connection: sql.Connection, new: int | None = None) -> int:
        """The schema version kept in a SQLite file, after setting it to `new` if given."""
        if connection.dialect.name != "sqlite":
            return SCHEMA_VERSION
        if new is not None:
            connection.exec_driver_sql(f"PRAGMA user_version = {new:d}")
        return connection.exec_driver_sql("PRAGMA user_version").scalar_one()


def rounded(score: float) -> float:
    """A score as it is shown and ranked, to 4 significant digits.

    >>> rounded(0.0123456)
    0.01235
    """
    return float(f"{score:.{SIGNIFICANT_DIGITS}g}")


def _result(row: dict[str, Any]) -> Result:
    attributes = {name: row[name] for name in MODEL_ATTRIBUTES}
    return Result(
        attributes={name: value for name, value in attributes.items() if value is not None},
        sample_mse=tuple(row["sample_mse"]),
        **{
            field.name: row[field.name]
            for field in fields(Result)
            if field.name not in ("attributes", "sample_mse")
        },
    )
