"""A copy of the store on the Hugging Face Hub, to which records are added and never changed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from dambench_hub.board.records import FOLDER, Record, pending_records, read_records
from dambench_hub.errors import BuildError, DambenchError
from dambench_hub.results import Store
from dambench_hub.runtime.hub_client import check_repo_id, persist, require_token
from dambench_hub.schema import MIRRORED
from dambench_hub.store import stamp

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MOST = 200
"""Records in one commit."""

EVERY_SECONDS = 30.0
"""The Hub limits how often a repository may change."""

REPO_TYPE = "dataset"


def mirror(store: Store, repo_id: str, tell: Callable[[str], None] = print) -> int:
    """Send every record that the repository does not hold, and read each back.

    Args:
        store: The database.
        repo_id: `ORG/NAME` of a private data set repository; made if there is none.
        tell: Gets a sentence for each commit and each wait.

    Returns:
        How many records were found missing.

    Raises:
        BuildError: When the Hub refuses, or fails longer than we are willing to try, or the
            repository is public. Run it again to go on.
    """
    from huggingface_hub import HfApi

    check_repo_id(repo_id)
    require_token()
    api, count = HfApi(), 0
    while records := pending_records(store, repo_id, MOST):
        commit = persist(lambda: _send(api, repo_id, records), repo_id, tell)  # noqa: B023
        _mark(store, repo_id, records, commit)
        count += len(records)
        tell(f"{repo_id} holds {len(records)} more records, commit {commit[:12]}.")
    return count


def keep_mirrored(
    store: Store,
    repo_id: str,
    stop: Event,
    tell: Callable[[str], None] = print,
    every: float = EVERY_SECONDS,
) -> None:
    """Mirror again and again until told to stop; what fails is told, and tried again later."""
    while not stop.wait(every):
        try:
            mirror(store, repo_id, tell)
        except DambenchError as error:
            tell(str(error))
        except Exception as error:  # a mirror that ended unseen would be missed too late
            tell(f"The mirror failed: {error!r}. It tries again.")


def download_records(repo_id: str, tell: Callable[[str], None] = print) -> list[Record]:
    """All records of a repository.

    Raises:
        BuildError: When the Hub refuses or fails.
        StoreError: When there are none, or one is damaged.
    """
    from huggingface_hub import snapshot_download

    check_repo_id(repo_id)

    def fetch() -> list[Record]:
        with tempfile.TemporaryDirectory() as folder:
            snapshot_download(
                repo_id, repo_type=REPO_TYPE, allow_patterns=f"{FOLDER}/*", local_dir=folder
            )
            return list(read_records(Path(folder)))

    return persist(fetch, repo_id, tell)


def _send(api: HfApi, repo_id: str, records: Sequence[Record]) -> str:
    """Add what is missing in one commit, and read it back; the commit that holds all."""
    from huggingface_hub import CommitOperationAdd

    api.create_repo(repo_id, repo_type=REPO_TYPE, private=True, exist_ok=True)
    there = api.repo_info(repo_id, repo_type=REPO_TYPE)
    if not there.private:
        raise BuildError(
            f"{repo_id} is public, and records tell what is not published yet. Choose another "
            "--repo-id, or make it private on the Hub."
        )
    head = str(there.sha)
    missing = _missing(api, repo_id, records, head)
    if not missing:
        return head
    commit = api.create_commit(
        repo_id,
        [CommitOperationAdd(record.path, record.content) for record in missing],
        commit_message=f"Add {len(missing)} records",
        repo_type=REPO_TYPE,
        parent_commit=head,
    )
    if _missing(api, repo_id, records, commit.oid):
        raise BuildError(f"{repo_id} does not hold what was sent. Run it again.")
    return commit.oid


def _missing(api: HfApi, repo_id: str, records: Sequence[Record], revision: str) -> list[Record]:
    """Those of the records that a commit does not have.

    Raises:
        BuildError: When it has one with other content, which is never overwritten.
    """
    paths = [record.path for record in records]
    found = api.get_paths_info(repo_id, paths, revision=revision, repo_type=REPO_TYPE)
    blobs = {entry.path: getattr(entry, "blob_id", None) for entry in found}
    for record in records:
        if blobs.get(record.path, _blob(record)) != _blob(record):
            raise BuildError(f"{repo_id} holds {record.path} with other content. Look at it.")
    return [record for record in records if record.path not in blobs]


def _blob(record: Record) -> str:
    """Git's hash of the file."""
    return hashlib.sha1(b"blob %d\0" % len(record.content) + record.content).hexdigest()


def _mark(store: Store, repo_id: str, records: Sequence[Record], commit: str) -> None:
    with store.transaction(write=True) as connection:
        at = stamp(store.now(connection))
        connection.execute(
            MIRRORED.insert(),
            [
                {"event": r.sequence, "repository": repo_id, "commit_id": commit, "at": at}
                for r in records
            ],
        )
