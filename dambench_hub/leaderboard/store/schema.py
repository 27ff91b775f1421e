"""The tables of the store.

    submissions   what a person sent, as it was received
    events        every state that a submission came into, by whom and why; the last one counts
    results       the scores of a submission, one row for each scorer version
    mirrored      which events stand in which repository of the Hub
    leases        who scores a submission now, and how far
    store_state   one row: the version of this schema, and the latest time ever seen

Rows of the first four are added and never changed: triggers refuse everything else.
"""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sql

from dambench_hub.leaderboard.accounts.person import LOCAL
from dambench_hub.scoring.evaluation import MODEL_ATTRIBUTES

SCHEMA_VERSION = 4


class State(StrEnum):
    """What became of a submission. `RECEIVED` waits in the queue, or is being scored."""

    RECEIVED = "received"
    REJECTED = "rejected"
    FAILED = "failed"
    PRIVATE = "private"
    HELD = "held"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Badge(StrEnum):
    """Who made a prediction: its owner alone, or whoever keeps the board, too."""

    SELF_REPORTED = "self-reported"
    REPRODUCED = "reproduced"


COMPARABLE = ("task", "dataset_revision", "scorer_version")
"""Columns of a result that must be the same in all that is ranked together."""

_SAME_VALUES = ("owner", "value_hash", *COMPARABLE)
_STATES = ", ".join(f"'{state}'" for state in State)
_NOT_LOCAL = f"substr(owner, 1, {len(LOCAL)}) <> '{LOCAL}'"

BY_DAY = (
    sql.Column("hours", sql.JSON(none_as_null=True)),
    sql.Column("skill_by_day", sql.JSON(none_as_null=True)),
    sql.Column("square_errors", sql.LargeBinary),
)
"""What a result says of each time: when it is, its part of the skill, and `packed` errors by
channel. Results of scorer version 1 have none of it, those of hidden references only the first."""

METADATA = sql.MetaData()
SUBMISSIONS = sql.Table(
    "submissions",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("id", sql.String(32), nullable=False, unique=True),
    sql.Column("owner", sql.Text, nullable=False),
    sql.Column("owner_name", sql.Text, nullable=False),
    sql.Column("name", sql.Text, nullable=False),
    sql.Column("task", sql.Text, nullable=False),
    sql.Column("description", sql.Text, nullable=False),
    sql.Column("model_url", sql.Text),
    sql.Column("paper_url", sql.Text),
    sql.Column("publish", sql.Boolean, nullable=False),
    sql.Column("file", sql.Text, nullable=False),
    sql.Column("bytes", sql.BigInteger, nullable=False),
    sql.Column("sha256", sql.Text, nullable=False),
    sql.Column("received_at", sql.Text, nullable=False),
    sql.CheckConstraint("length(id) = 32", name="id_is_whole"),
    sql.CheckConstraint("bytes >= 0", name="size_is_possible"),
    sql.Index("submissions_of_owner", "owner", "received_at"),
    sql.Index("submissions_of_task", "task"),
    sqlite_autoincrement=True,
)
EVENTS = sql.Table(
    "events",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("submission", sql.ForeignKey("submissions.id"), nullable=False),
    sql.Column("state", sql.String(16), nullable=False),
    sql.Column("at", sql.Text, nullable=False),
    sql.Column("actor", sql.Text, nullable=False),
    sql.Column("reason", sql.Text),
    sql.Column("problems", sql.JSON, nullable=False),
    sql.Column("detail", sql.Text),
    sql.Column("result", sql.ForeignKey("results.sequence")),
    sql.Column("badge", sql.String(16)),
    sql.CheckConstraint(f"state IN ({_STATES})", name="state_is_known"),
    sql.Index("events_of_submission", "submission", "sequence"),
    sqlite_autoincrement=True,
)
RESULTS = sql.Table(
    "results",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("submission", sql.ForeignKey("submissions.id"), nullable=False),
    sql.Column("owner", sql.Text, nullable=False),
    sql.Column("task", sql.Text, nullable=False),
    sql.Column("dataset", sql.Text, nullable=False),
    sql.Column("dataset_revision", sql.Text, nullable=False),
    sql.Column("scorer_version", sql.Text, nullable=False),
    sql.Column("value_hash", sql.Text, nullable=False, index=True),
    sql.Column("main_score", sql.Double, nullable=False),
    sql.Column("scores", sql.JSON, nullable=False),
    sql.Column("sample_mse", sql.JSON, nullable=False),
    sql.Column("scored_at", sql.Text, nullable=False),
    *(sql.Column(name, sql.Text, nullable=name != "model_name") for name in MODEL_ATTRIBUTES),
    *BY_DAY,
    sql.CheckConstraint("abs(main_score) < 1e300", name="main_score_is_finite"),
    sql.UniqueConstraint(
        "submission", "dataset_revision", "scorer_version", name="submission_scored_once"
    ),
    # On one's own machine the same values may stand under two names.
    sql.Index(
        "values_judged_once",
        *_SAME_VALUES,
        unique=True,
        sqlite_where=sql.text(_NOT_LOCAL),
        postgresql_where=sql.text(_NOT_LOCAL),
    ),
    sqlite_autoincrement=True,
)
MIRRORED = sql.Table(
    "mirrored",
    METADATA,
    sql.Column("event", sql.ForeignKey("events.sequence"), primary_key=True, autoincrement=False),
    sql.Column("repository", sql.Text, primary_key=True),
    sql.Column("commit_id", sql.Text, nullable=False),
    sql.Column("at", sql.Text, nullable=False),
)
LEASES = sql.Table(
    "leases",
    METADATA,
    sql.Column("submission", sql.ForeignKey("submissions.id"), primary_key=True),
    sql.Column("worker", sql.Text),
    sql.Column("attempts", sql.Integer, nullable=False),
    sql.Column("clock", sql.Text, nullable=False),
    sql.Column("beat", sql.Double, nullable=False),
    sql.Column("progress", sql.Double, nullable=False),
)
STORE_STATE = sql.Table(
    "store_state",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("schema_version", sql.Integer, nullable=False),
    sql.Column("last_seen", sql.Double, nullable=False),
    sql.CheckConstraint("id = 1", name="there_is_one_row"),
)

_SAME_ROW = {
    SUBMISSIONS: "sequence = NEW.sequence OR id = NEW.id",
    EVENTS: "sequence = NEW.sequence",
    RESULTS: "sequence = NEW.sequence OR (submission = NEW.submission AND dataset_revision = "
    "NEW.dataset_revision AND scorer_version = NEW.scorer_version) "
    f"OR ({' AND '.join(f'{name} = NEW.{name}' for name in _SAME_VALUES)} AND {_NOT_LOCAL})",
    MIRRORED: "event = NEW.event AND repository = NEW.repository",
}
"""When a new row stands for one that is there: SQLite's REPLACE would delete that unasked."""

for _table, _same in _SAME_ROW.items():
    _refuse = f"{_table.name} are never changed, only added"
    for _when in (
        "BEFORE UPDATE ON {0}",
        "BEFORE DELETE ON {0}",
        f"BEFORE INSERT ON {{0}} WHEN EXISTS (SELECT 1 FROM {{0}} WHERE {_same})",
    ):
        sql.event.listen(
            _table,
            "after_create",
            sql.DDL(
                f"CREATE TRIGGER {_table.name}_{_when.split()[1].lower()} "
                f"{_when.format(_table.name)} BEGIN SELECT RAISE(ABORT, '{_refuse}'); END"
            ).execute_if(dialect="sqlite"),
        )
    for _statement in (
        f"CREATE OR REPLACE FUNCTION {_table.name}_refuse() RETURNS trigger AS $$ "
        f"BEGIN RAISE EXCEPTION '{_refuse}'; END $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER {_table.name}_unchanged BEFORE UPDATE OR DELETE OR TRUNCATE "
        f"ON {_table.name} FOR EACH STATEMENT EXECUTE FUNCTION {_table.name}_refuse()",
    ):
        sql.event.listen(
            _table, "after_create", sql.DDL(_statement).execute_if(dialect="postgresql")
        )


def count_on(connection: sql.Connection) -> None:
    """After rows were added with their numbers: let new rows count on from there.

    SQLite does so by itself.
    """
    if connection.dialect.name != "postgresql":
        return
    for table in (SUBMISSIONS, EVENTS, RESULTS):
        last = connection.scalar(sql.select(sql.func.max(table.c.sequence)))
        if last:
            place = sql.func.pg_get_serial_sequence(table.name, "sequence")
            connection.execute(sql.select(sql.func.setval(place, last)))
