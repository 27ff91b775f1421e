"""A copy of the store on the Hugging Face Hub, to which records are added and never changed."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from dambench_hub.errors import BuildError, DambenchError
from dambench_hub.leaderboard.store.records import (
    FOLDER,
    Record,
    pending_records,
    read_records,
    restore_records,
)
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.store.rows import stamp
from dambench_hub.leaderboard.store.schema import MIRRORED
from dambench_hub.runtime.hub_client import check_repo_id, persist, require_token

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MOST = 200
"""Records in one commit."""

EVERY_SECONDS = 30.0
"""The Hub limits how often a repository may change."""

REPO_TYPE = "dataset"
STOP_SECONDS = 30.0

log = logging.getLogger(__name__)


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


@contextmanager
def copied_to_hub(url: str, repo_id: str | None) -> Iterator[None]:
    """Inside, all that happens is on the Hub within a minute; at the end, everything is.

    Args:
        url: Of the store. Where it is a file that is not there, it is made from the copy first.
        repo_id: `ORG/NAME` of a private data set repository; None for a store without a copy.

    Raises:
        DambenchError: When there is a copy that cannot be had: to begin anew beside it would make
            two stores of one.
    """
    if repo_id is None:
        yield
        return
    path = Store.file_of(url)
    if path and not path.exists() and _is_there(repo_id):
        records = download_records(repo_id, log.info)
        restore_records(url, records).close()
        log.info("%s records taken from %s", len(records), repo_id)
    store, stop = Store(url, create=True), Event()
    arguments = (store, repo_id, stop, log.info)
    thread = Thread(target=keep_mirrored, args=arguments, name="mirror", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STOP_SECONDS)
        try:
            mirror(store, repo_id, log.info)
        except DambenchError as error:
            log.error("The last results are not on the Hub: %s", error)


def _is_there(repo_id: str) -> bool:
    """Whether the Hub has the repository, with any records in it."""
    from huggingface_hub import HfApi

    check_repo_id(repo_id)
    api = HfApi()

    def ask() -> bool:
        if not api.repo_exists(repo_id, repo_type=REPO_TYPE):
            return False
        return any(
            path.endswith(".json") for path in api.list_repo_files(repo_id, repo_type=REPO_TYPE)
        )

    return persist(ask, repo_id, log.info)
