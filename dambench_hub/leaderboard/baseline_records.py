"""Baselines on a board from its first minute: their recorded scores, and how they were made."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dambench_hub.leaderboard.store.results import DuplicateResult, Store
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.scoring.score_record import ScoreRecord


def add_records(store: Store, folder: Path, revision: str) -> list[str]:
    """Publish recorded scores of a data set; those that stand there already stay as they are.

    Records of other data set revisions or scorer versions are left out, as they are not ranked with
    these.

    Args:
        store: The database.
        folder: Of records; those in folders within it are found, too.
        revision: Of the data set.

    Returns:
        Names of those that are new.

    Raises:
        ScoreError: When a file there is no record.
        DambenchError: When the store cannot be written.
    """
    new = []
    for path in sorted(folder.rglob("*.json")):
        record = ScoreRecord.read(path)
        found = (record.result.dataset_revision, record.result.scorer_version)
        if found != (revision, SCORER_VERSION):
            continue
        with suppress(DuplicateResult):
            store.add(record.result, record.name, description=f"Made by: {record.command}")
            new.append(record.name)
    return new
