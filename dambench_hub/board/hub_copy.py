"""A store that outlives its disk: taken from its copy on the Hub, and copied there as it grows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from dambench_hub.board.mirror import REPO_TYPE, download_records, keep_mirrored, mirror
from dambench_hub.board.records import restore_records
from dambench_hub.errors import DambenchError
from dambench_hub.results import Store
from dambench_hub.runtime.hub_client import check_repo_id, persist

STOP_SECONDS = 30.0

log = logging.getLogger(__name__)


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
