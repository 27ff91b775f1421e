"""The worker: takes submissions from the queue one by one, scores them, and notes the outcome.

A submission is read in the sandbox, scored and drawn in one pass. Its pictures' data are written
before its result, so what is published is complete. Killed at any point, the worker leaves a claim
that runs out and files that are written again; the outcome is noted once.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dambench_hub.data.dataset import Data
from dambench_hub.errors import DambenchError, IsolationError, PredictionError
from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.inbox import WAITING_SECONDS
from dambench_hub.leaderboard.scorer.disclosure import disclosed
from dambench_hub.leaderboard.scorer.hidden_references import HiddenReferences
from dambench_hub.leaderboard.scorer.lease import Lease
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.backup import keep_backup
from dambench_hub.leaderboard.store.database import StoreError
from dambench_hub.leaderboard.submissions.lifecycle import State, Submission
from dambench_hub.leaderboard.submissions.queue import LeaseLost
from dambench_hub.predictions.reader import Block, Opener, Prediction
from dambench_hub.predictions.sandbox.parent import open_sandboxed
from dambench_hub.predictions.validation import validate
from dambench_hub.scoring.diagnostics import BackgroundDiagnostics, Gatherer
from dambench_hub.scoring.evaluation import score
from dambench_hub.tasks.task import Task, load_task

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
SWEEP_SECONDS = 3600.0
ORPHAN_SECONDS = WAITING_SECONDS + 600.0
"""A file in the inbox that belongs to no submission after this time can no more be handed in."""


class Stopped(Exception):
    """The worker was told to end before its work was done."""


class Worker:
    """Scores what people handed in.

    Args:
        site: Where the submissions, their files and the data set are.
        private: Data set with references that only the scorer may read; None scores against those
            of the site's data set. Of private references, no maps are written, and scores are
            `disclosed` only.
        keep_uploads: Keep the files of scored submissions, so that they can be scored again.
        stopping: Says when to end.
        opener: How a prediction file is opened.
    """

    def __init__(
        self,
        site: Site,
        *,
        private: Data | None = None,
        keep_uploads: bool = True,
        stopping: Callable[[], bool] = lambda: False,
        opener: Opener = open_sandboxed,
    ) -> None:
        self.site = site
        self.submissions = site.submissions
        self.files = DiagnosticsFiles(site.diagnostics)
        self.data = HiddenReferences(site.data, private) if private else site.data
        self.hidden = private is not None
        self.revision = private.revision if private else site.data.revision
        self.keep_uploads = keep_uploads
        self.stopping = stopping
        self.opener = opener
        self.name = uuid.uuid4().hex

    def run(self, *, once: bool = False) -> None:
        """Score whatever comes until told to end; tidy and back up at the start and every hour.

        Args:
            once: End when the queue is empty, too.

        Raises:
            DambenchError: With `once`, when the store cannot be used; otherwise it may come back.
        """
        swept = -SWEEP_SECONDS
        while not self.stopping():
            try:
                if time.monotonic() - swept >= SWEEP_SECONDS:
                    swept = time.monotonic()
                    self.sweep()
                    self.back_up()
                worked = self.step()
            except DambenchError as error:
                if once:
                    raise
                log.error("%s", error)
                worked = False
            if once and not worked:
                return
            if not worked:
                time.sleep(POLL_SECONDS)

    def step(self) -> bool:
        """Score the next submission of the queue; False if there is none.

        Raises:
            IsolationError: When files cannot be read safely here; the submission is given back.
            DambenchError: When the store cannot be used.
        """
        submission = self.submissions.claim(self.name)
        if submission is None:
            return False
        log.info("%s claimed, task %s, %d bytes", submission.id, submission.task, submission.bytes)
        with Lease(self.submissions, submission.id, self.name) as lease:
            try:
                self._judge(submission, lease)
            except LeaseLost:
                log.warning("%s was taken over by another worker", submission.id)
            except Stopped:
                self.submissions.release(submission.id, self.name)
                log.info("%s given back", submission.id)
            except IsolationError:  # of this machine, for which no submission is to blame
                self.submissions.release(submission.id, self.name)
                raise
            except StoreError:  # the lease runs out, and the work is done again
                raise
            except Exception:
                incident = uuid.uuid4().hex[:12]
                log.exception("%s failed, incident %s", submission.id, incident)
                with suppress(LeaseLost):
                    self.submissions.fail(submission.id, self.name, incident)
        return True

    def sweep(self) -> None:
        """Remove files that no submission needs."""
        submissions, old = self.submissions.all(), time.time() - ORPHAN_SECONDS
        needed = {one.file for one in submissions if self._needs_upload(one.state)}
        for path in self.site.inbox.iterdir():
            if path.name not in needed and path.stat().st_mtime < old:
                path.unlink(missing_ok=True)
                log.info("%s removed from the inbox", path.name)
        for submission in submissions:
            if submission.state in (State.REJECTED, State.WITHDRAWN):
                self.files.remove(submission.id)

    def back_up(self) -> None:
        """Copy the store into the site's folder, if it is a file; older copies are thinned out."""
        if self.site.store.path:
            log.info("store copied to %s", keep_backup(self.site.store, self.site.backups))

    def _needs_upload(self, state: State) -> bool:
        """Whether the file of a submission in this state may be read again."""
        if state in (State.REJECTED, State.WITHDRAWN):
            return False
        return self.keep_uploads or state in (State.RECEIVED, State.FAILED, State.HELD)

    def _judge(self, submission: Submission, lease: Lease) -> None:
        path, task = self.site.inbox / submission.file, load_task(submission.task)
        gatherer = self._gatherer(task)
        try:
            result = score(path, self.data, task, self._watched(lease), gatherer)
        except PredictionError:
            problems = validate(path, self.data, task, self._watched(lease))
            if not problems:  # the file is right, so reading it was disturbed
                raise
            self.submissions.reject(submission.id, self.name, problems)
            state = State.REJECTED
            log.info("%s rejected, %d problems", submission.id, len(problems))
        else:
            if self.hidden:
                result = disclosed(result, self.data, self.revision)
            self.files.keep(submission.id, gatherer, result)
            state = self.submissions.finish(submission.id, self.name, result)
            log.info("%s %s, %s", submission.id, state, result.main_score)
        if not self._needs_upload(state):
            path.unlink(missing_ok=True)

    def _gatherer(self, task: Task) -> Gatherer | None:
        """What looks at the fields that are scored; None where the reference has none."""
        if self.data.manifest.reference_is_reports:
            return None
        known, maps = self.files.background_path(self.revision, task), not self.hidden
        background = BackgroundDiagnostics.cached(known, self.data, task, maps=maps)
        return Gatherer(self.data, task, background, maps=maps)

    def _watched(self, lease: Lease) -> Opener:
        """Opens files whose reading tells the lease how far it is, and ends when it must."""

        def open_watched(path: str | Path) -> Prediction:
            prediction = self.opener(path)
            rows, times = prediction.rows, len(prediction)

            def watched(index: int) -> Block:
                lease.progress = index / times
                lease.require()
                if self.stopping():
                    raise Stopped
                return rows(index)

            prediction.rows = watched
            return prediction

        return open_watched
