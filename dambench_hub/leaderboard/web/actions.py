"""What people do with their submissions: hand in a file, ask for its status, publish, withdraw."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from dambench_hub.errors import DambenchError, PredictionError, TaskError, did_you_mean
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.accounts.text_rules import check_description
from dambench_hub.leaderboard.inbox import Inbox, digest_of
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.database import StoreError
from dambench_hub.leaderboard.submissions.lifecycle import State, Submission
from dambench_hub.leaderboard.web.header_reader import Busy, HeaderReader
from dambench_hub.predictions.validation import header_problems, reading_problems, shortened
from dambench_hub.scoring.precision import shown_score

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What the header of a file says that was not handed in yet.

    Attributes:
        task: The task that it is for; empty if the board does not have it.
        attributes: Of the file.
        problems: What keeps it from being scored; its values were not read.
        busy: There was no time to look, and nothing is known of the file.
    """

    task: str
    attributes: Mapping[str, str]
    problems: tuple[str, ...]
    busy: bool = False


class SubmissionActions:
    """What the page and the programming interface let a person do with their submissions.

    Args:
        site: The site.
        inbox: Where the files have arrived.
    """

    def __init__(self, site: Site, inbox: Inbox) -> None:
        self.site = site
        self.inbox = inbox
        self._lock = Lock()
        self._headers = HeaderReader()

    def look(self, person: Person | None, ticket: str, task: str = "") -> Look:
        """Read the header of a file that has arrived, unless too many do that now.

        Args:
            person: Who sent it.
            ticket: Of the file.
            task: Name of the task that it is to be handed in for; empty for the file's own.

        Raises:
            DambenchError: When there is no such file.
        """
        if person is None:
            raise DambenchError("Sign in first.")
        path = self.inbox.find(person, ticket)
        try:
            header = self._headers.read(person, path)
        except Busy:
            return Look("", {}, (), busy=True)
        except PredictionError as error:
            return Look("", {}, tuple(shortened(reading_problems(error, path))))
        own = header.attributes.get("task", "")
        known = self.site.tasks.get(task or own)
        problems = header_problems(header, self.site.data, known) if known else []
        return Look(
            own if own in self.site.tasks else "", header.attributes, tuple(shortened(problems))
        )

    def receive(
        self, person: Person | None, ticket: str, *, name: str, task: str, **options: Any
    ) -> Submission:
        """Put a file that has arrived into the queue; once this returns, it is on the disk.

        Args:
            person: Who hands it in; None for somebody who has not signed in.
            ticket: Of the file.
            name: What the board will call it.
            task: Name of the task.
            **options: `description`, `model_url`, `paper_url`, `publish` of `Submissions.receive`.

        Raises:
            DambenchError: When something must be mended first; the file stays for an hour.
        """
        if person is None:
            raise DambenchError("Sign in first.")
        if task not in self.site.tasks:
            raise TaskError(
                f"Unknown task {ascii(task[:80])}. {did_you_mean(task, self.site.tasks)}"
            )
        if not ticket:
            raise DambenchError("Choose a file first, and wait until it is here.")
        with self._lock:  # one file is handed in once, whoever clicks twice
            path = self.inbox.find(person, ticket)
            if path.name in self.inbox.handed_in(person):
                raise DambenchError("You handed this file in already. See your submissions below.")
            size, limit = path.stat().st_size, self.site.upload_limit(task)
            if size > limit:
                raise DambenchError(
                    f"The file has {size / 1e6:.1f} MB, and the task {task} needs at most "
                    f"{limit / 1e6:.1f} MB. Was it made for another task?"
                )
            path.touch()  # what is left lying for an hour is removed
            return self.site.submissions.receive(
                person,
                name,
                task,
                file=path.name,
                bytes=size,
                sha256=digest_of(ticket),
                **options,
            )

    def find(self, person: Person | None, id: str) -> Submission:
        """A submission that this person may ask about: their own, or one that all may see.

        Raises:
            DambenchError: When there is none; the same is said of what belongs to others.
        """
        submission = self.site.submissions.get(id)
        if not submission.visible_to(person):
            raise DambenchError(f"There is no submission {ascii(id[:40])}.")
        return submission

    def decide(self, person: Person | None, id: str, action: str, reason: str) -> None:
        """Publish or withdraw what belongs to this person.

        Raises:
            DambenchError: When they may not.
        """
        if person is None or self.find(person, id).owner.id != person.id:
            raise DambenchError("Choose one of your own submissions.")
        if action == "publish":
            self.site.submissions.publish(id, person)
        elif action == "withdraw":
            why = check_description(reason)
            self.site.submissions.withdraw(id, person, why or "withdrawn by its owner")

    def status(self, submission: Submission, person: Person | None) -> dict[str, Any]:
        """What became of a submission, as JSON; the owner learns more than others.

        Returns:
            `id`, `name`, `task`, `state`, `received_at`; while it waits `place` (1 is next) and
            `progress` (0 to 1); `problems` of a file that cannot be scored; `reason`; once it is
            scored, `score`; once it is on the board, `rank`, `entries` and `badge`; for its
            owner `choices` of what to do, see `Submissions.choices`, and while it is private
            `rank_if_shown`. What does not apply is None or empty.
        """
        own = person is not None and person.id == submission.owner.id
        waiting = submission.state is State.RECEIVED
        result = entry = ranking = place = None
        if submission.state in (State.PRIVATE, State.PUBLISHED):
            result = self.site.store.result(submission.id)
        if result is not None:
            ranking = self.site.store.ranking(submission.task, self.site.data.revision)
            entry = ranking.of(submission.id)
            if own and submission.state is State.PRIVATE:
                place = ranking.place(result, submission.owner.id, submission.name)
        return {
            "id": submission.id,
            "name": submission.name,
            "task": submission.task,
            "state": str(submission.state),
            "received_at": submission.received_at,
            "place": self.site.submissions.queue_place(submission.id) if waiting else None,
            "progress": submission.progress if waiting else None,
            "problems": list(submission.problems) if own else [],
            "reason": submission.reason if own else None,
            "score": shown_score(result.main_score, result.larger_is_better) if result else None,
            "rank": entry.rank if entry else None,
            "entries": len(ranking.entries) if ranking and entry else None,
            "rank_if_shown": place,
            "badge": str(submission.badge) if entry else None,
            "choices": list(self.site.submissions.choices(submission, person)),
        }


def plain(error: DambenchError) -> str:
    """What a stranger may read of an error: never the place of the store."""
    if isinstance(error, StoreError):
        log.error("%s", error)
        return "The board's store cannot be reached at the moment. Try again in some minutes."
    return str(error)
