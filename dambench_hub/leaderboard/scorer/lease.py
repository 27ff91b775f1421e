"""The claim on a submission while somebody works on it."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from threading import Event, Thread

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.submissions.lifecycle import Submissions
from dambench_hub.leaderboard.submissions.queue import LeaseLost

log = logging.getLogger(__name__)

BEAT_SECONDS = 0.5


class Lease(AbstractContextManager["Lease"]):
    """Inside, a thread keeps the claim alive and tells how far the work is.

    Args:
        submissions: Where the claim was made.
        submission: Id of what was claimed.
        worker: Name of who claimed it.

    Attributes:
        progress: Share of the work that is done, 0 to 1; set by who does it.
    """

    def __init__(self, submissions: Submissions, submission: str, worker: str) -> None:
        self.submissions = submissions
        self.submission = submission
        self.worker = worker
        self.progress = 0.0
        self.lost = False
        self._done = Event()
        self._thread = Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def require(self) -> None:
        """Go on only while the claim stands.

        Raises:
            LeaseLost: When it does not.
        """
        if self.lost:
            raise LeaseLost(self.worker, self.submission)

    def _beat(self) -> None:
        while not self._done.wait(BEAT_SECONDS):
            try:
                self.lost = not self.submissions.beat(self.submission, self.worker, self.progress)
            except DambenchError as error:  # a store that is away may come back in time
                log.warning("No heartbeat for %s: %s", self.submission, error)
            if self.lost:
                return
