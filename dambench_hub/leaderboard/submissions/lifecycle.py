"""What people hand in, from the queue to the board.

A submission's state is that of its last event, and events are only ever added. While a worker holds
the lease of a submission, no other scores it; a lease that is not renewed ends by itself. A result
and the state that it leads to are written together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import PurePath
from typing import Any

import sqlalchemy as sql

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.store.results import Store, recorded_names
from dambench_hub.leaderboard.store.rows import (
    Event,
    append_event,
    insert_result,
    insert_submission,
    stamp,
)
from dambench_hub.leaderboard.store.schema import EVENTS, RESULTS, SUBMISSIONS, Badge, State
from dambench_hub.leaderboard.submissions.limits import Limits, QuotaError, refuse_too_much
from dambench_hub.leaderboard.submissions.queue import LeaseLost, Queue
from dambench_hub.leaderboard.submissions.review import HELD_FOR_REVIEW, find_suspicion
from dambench_hub.leaderboard.submissions.submission import Submission, select_submissions
from dambench_hub.leaderboard.submissions.texts import TextRefused, checked_texts, look_alike
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.scoring.evaluation import Result
from dambench_hub.tasks.task import load_task

__all__ = [
    "DuplicateSubmission",
    "LeaseLost",
    "TextRefused",
    "NotAllowed",
    "Person",
    "QuotaError",
    "State",
    "Submission",
    "Submissions",
]

IN_USE = (State.RECEIVED, State.PRIVATE, State.HELD, State.PUBLISHED)
"""States in which a submission stands for its file: the same file again says nothing new."""


class DuplicateSubmission(DambenchError):
    """The same person handed the same file in before."""


class NotAllowed(DambenchError):
    """Not by this person, or not in this state."""


class Submissions:
    """Everything that is done with submissions; each method is one transaction.

    Args:
        store: The database.
        limits: How much is accepted.
    """

    def __init__(self, store: Store, limits: Limits | None = None) -> None:
        self.store = store
        self.limits = limits or Limits()
        self.queue = Queue(store, self.limits.lease_seconds)

    def receive(
        self,
        owner: Person,
        name: str,
        task: str,
        *,
        file: str,
        bytes: int,
        sha256: str,
        publish: bool = True,
        description: str = "",
        model_url: str | None = None,
        paper_url: str | None = None,
    ) -> Submission:
        """Put a file into the queue; once this returns, it is on the disk.

        Args:
            owner: Who hands it in.
            name: What the board will call it.
            task: Name of the task.
            file: Name within the inbox.
            bytes: Its size.
            sha256: Its hash.
            publish: Show it as soon as it is scored.
            description: In the owner's words.
            model_url: `https://` address of the model.
            paper_url: `https://` address of the paper.

        Raises:
            TextRefused: When a text cannot be shown, or the name looks like a baseline's or
                another's on the board.
            QuotaError: When the person, or all together, handed in enough.
            DuplicateSubmission: When this person handed the same file in before.
            TaskError: When there is no such task.
        """
        if PurePath(file).name != file:
            raise ValueError(f"{file!r} is no name within the inbox")
        texts = checked_texts(owner, name, description, model_url, paper_url)
        task = load_task(task).name
        with self.store.transaction(write=True) as connection:
            now = self.store.now(connection)
            own = select_submissions(connection, self.queue, SUBMISSIONS.c.owner == owner.id)
            # On one's own machine the same file may stand there under two names.
            same = [one for one in own if not owner.is_trusted or one.name == texts["name"]]
            _refuse_again(same, task, sha256)
            if known := look_alike(connection, owner, texts["name"], task):
                raise TextRefused(f"{known} Choose another name.")
            refuse_too_much(own, len(self.queue.waiting(connection)), self.limits, now)
            texts |= {"publish": publish, "file": file, "bytes": bytes, "sha256": sha256}
            key = insert_submission(connection, owner, task=task, at=stamp(now), **texts)
            append_event(connection, key, now, Event(State.RECEIVED, owner.id))
            return self._one(connection, key)

    def require_quota(self, owner: Person, arriving: int = 0) -> None:
        """Refuse who may hand in nothing now; `receive` counts again.

        Args:
            owner: Who wants to.
            arriving: Files of others that are on their way into the queue.

        Raises:
            QuotaError: The message says until when.
        """
        with self.store.transaction() as connection:
            now, waiting = self.store.now(connection), len(self.queue.waiting(connection))
            own = select_submissions(connection, self.queue, SUBMISSIONS.c.owner == owner.id)
        refuse_too_much(own, waiting + arriving, self.limits, now)

    def get(self, id: str) -> Submission:
        """The submission with an id.

        Raises:
            DambenchError: When there is none.
        """
        with self.store.transaction() as connection:
            return self._one(connection, id)

    def all(self, state: State | None = None, task: str | None = None) -> list[Submission]:
        """All submissions, or those in a state or for a task, in the order of receipt."""
        wanted = [SUBMISSIONS.c.task == task] if task else []
        with self.store.transaction() as connection:
            found = select_submissions(connection, self.queue, *wanted)
        return [one for one in found if state in (None, one.state)]

    def of(self, owner: Person) -> list[Submission]:
        """Everything a person handed in, newest first."""
        with self.store.transaction() as connection:
            return select_submissions(connection, self.queue, SUBMISSIONS.c.owner == owner.id)[::-1]

    def history(self, owner: Person, name: str, task: str) -> list[Submission]:
        """What a person showed under one name for a task, newest first, withdrawn ones too."""
        with self.store.transaction() as connection:
            found = select_submissions(
                connection,
                self.queue,
                SUBMISSIONS.c.owner == owner.id,
                SUBMISSIONS.c.name == name,
                SUBMISSIONS.c.task == task,
            )
        return [one for one in reversed(found) if one.visible_to(None)]

    def events(self, id: str) -> list[tuple[str, Event]]:
        """When a submission came into which state, oldest first."""
        query = EVENTS.select().where(EVENTS.c.submission == id).order_by(EVENTS.c.sequence)
        with self.store.transaction() as connection:
            rows = connection.execute(query).mappings().all()
        return [(row["at"], _event(dict(row))) for row in rows]

    def queue_place(self, id: str) -> int | None:
        """How many are scored until it is this one's turn, itself included; None if not waiting."""
        with self.store.transaction() as connection:
            waiting = self.queue.waiting(connection)
        return waiting.index(id) + 1 if id in waiting else None

    def claim(self, worker: str) -> Submission | None:
        """Take the lease of the submission whose turn it is; None if none waits.

        A submission whose scoring ended too often without a result has failed.
        """
        with self.store.transaction(write=True) as connection:
            for id in self.queue.waiting(connection):
                if self.queue.attempts(connection, id) < self.limits.attempts:
                    self.queue.take(connection, id, worker)
                    return self._one(connection, id)
                reason = f"scoring ended {self.limits.attempts} times without a result"
                now = self.store.now(connection)
                append_event(connection, id, now, Event(State.FAILED, worker, reason))
                self.queue.end(connection, id)
        return None

    def beat(self, id: str, worker: str, progress: float) -> bool:
        """Renew a lease and tell the progress, 0 to 1; False if the lease is lost."""
        with self.store.transaction(write=True) as connection:
            return self.queue.renew(connection, id, worker, progress)

    def release(self, id: str, worker: str) -> None:
        """Give a lease back without a result, as if the submission had not been claimed."""
        with self.store.transaction(write=True) as connection:
            self.queue.give_back(connection, id, worker)

    def reject(self, id: str, worker: str, problems: Sequence[str]) -> None:
        """The file cannot be scored, and the owner can mend that.

        Raises:
            LeaseLost: When another took over.
        """
        self._conclude(id, Event(State.REJECTED, worker, problems=tuple(problems)))

    def fail(self, id: str, worker: str, incident: str) -> None:
        """Something went wrong here; `incident` is what to look for in the log.

        Raises:
            LeaseLost: When another took over.
        """
        self._conclude(id, Event(State.FAILED, worker, f"internal error, incident {incident}"))

    def finish(self, id: str, worker: str, result: Result) -> State:
        """Record a result, and let the submission come into the state that follows from it.

        Returns:
            `PUBLISHED` or `PRIVATE`, as the owner wished; `HELD` when a person must look at it
            first, unless the owner is who decides; `REJECTED` when the owner had the same values
            scored before, or another has a name on the board by now that looks the same.

        Raises:
            LeaseLost: When another took over.
            DambenchError: When a score is not finite.
        """
        with self.store.transaction(write=True) as connection:
            self.queue.require(connection, id, worker)
            now, submission = self.store.now(connection), self._one(connection, id)
            event = self._judged(connection, submission, worker, result)
            if event.state is not State.REJECTED:
                number = insert_result(connection, id, submission.owner.id, result, now)
                event = replace(event, result=number)
            self.queue.end(connection, id)
            append_event(connection, id, now, event)
        return event.state

    def publish(self, id: str, by: Person, reason: str = "") -> None:
        """Show a scored submission: the owner a private one, an administrator any.

        Who works on the machine itself decides about their own as an administrator does.

        Raises:
            NotAllowed: When this person may not, there is no result to show, or its name looks like
                one that another has on the board by now.
        """
        event = Event(State.PUBLISHED, by.id, reason or None)
        self._decide(id, by, _publishable(by), event)

    def hold(self, id: str, by: Person, reason: str) -> None:
        """Hide a submission until a person has looked at it; only administrators learn why.

        Raises:
            NotAllowed: When this person is no administrator, or it is not shown.
        """
        if not by.is_administrator:
            raise NotAllowed("Only an administrator can hold a submission for review.")
        event = Event(State.HELD, by.id, HELD_FOR_REVIEW, detail=reason)
        self._decide(id, by, (State.PUBLISHED, State.PRIVATE), event)

    def withdraw(self, id: str, by: Person, reason: str) -> None:
        """Take a submission off the board or out of the queue; it stays in the history.

        Raises:
            NotAllowed: When this person may not, or there is nothing to withdraw.
        """
        self._decide(id, by, IN_USE, Event(State.WITHDRAWN, by.id, reason or None))

    def award(self, id: str, by: Person, badge: Badge, reason: str = "") -> None:
        """Give a submission on the board a badge.

        Raises:
            NotAllowed: When this person is no administrator, or it is not shown.
        """
        if not by.is_administrator:
            raise NotAllowed("Only an administrator can say that a submission was reproduced.")
        event = Event(State.PUBLISHED, by.id, reason or None, badge=badge)
        self._decide(id, by, (State.PUBLISHED,), event)

    def choices(self, submission: Submission, by: Person | None) -> tuple[str, ...]:
        """What a person may do with a submission of theirs now: `publish`, `withdraw`."""
        if by is None or by.id != submission.owner.id:
            return ()
        publish = submission.value_hash and submission.state in _publishable(by)
        withdraw = submission.state in IN_USE
        return ("publish",) * bool(publish) + ("withdraw",) * withdraw

    def remark(self, id: str) -> str | None:
        """What is strange about a result of this machine, where nothing is held; None if nothing.

        See `find_suspicion`.
        """
        if (result := self.store.result(id)) is None:
            return None
        with self.store.transaction() as connection:
            others = RESULTS.c.submission != id
            return find_suspicion(connection, result, others, self.limits)

    def rescore(self, by: Person) -> tuple[list[Submission], list[Submission]]:
        """Queue what is published with scores of an older scorer; no quota is used.

        Returns:
            Those that are scored again, and those that cannot be since their file was not kept.

        Raises:
            NotAllowed: When this person is no administrator.
        """
        if not by.is_administrator:
            raise NotAllowed("Only an administrator can have submissions scored again.")
        with self.store.transaction(write=True) as connection:
            current = sql.select(RESULTS.c.submission).where(
                RESULTS.c.scorer_version == SCORER_VERSION
            )
            found = select_submissions(connection, self.queue, SUBMISSIONS.c.id.not_in(current))
            shown = (State.PUBLISHED, State.FAILED)  # failed, when it was scored again before
            old = [one for one in found if one.published_at and one.state in shown]
            now = self.store.now(connection)
            event = Event(State.RECEIVED, by.id, f"scored again by version {SCORER_VERSION}")
            for one in old:
                if one.file:
                    append_event(connection, one.id, now, event)
        return [one for one in old if one.file], [one for one in old if not one.file]

    def _judged(
        self, connection: sql.Connection, submission: Submission, worker: str, result: Result
    ) -> Event:
        """What a result leads to."""
        owner, state = submission.owner, State.PUBLISHED if submission.publish else State.PRIVATE
        names = recorded_names(connection, result, owner.id)
        if owner.is_trusted:  # and so may the same values
            names = [name for name in names if name == submission.name]
        if names:
            problem = f"You had the same values scored before, as {names[0]!r}."
            return Event(State.REJECTED, worker, problems=(problem,))
        if submission.published_at:  # by an older scorer, and looked at if there was need
            return Event(State.PUBLISHED, worker)
        if owner.is_trusted:
            others = RESULTS.c.submission != submission.id
            remark = find_suspicion(connection, result, others, self.limits)
            return Event(state, worker, remark)
        suspicion = find_suspicion(connection, result, RESULTS.c.owner != owner.id, self.limits)
        if suspicion:
            return Event(State.HELD, worker, HELD_FOR_REVIEW, detail=suspicion)
        known = look_alike(connection, owner, submission.name, submission.task)
        if known and submission.publish:
            problem = f"{known} Hand the file in again, under another name."
            return Event(State.REJECTED, worker, problems=(problem,))
        return Event(state, worker)

    def _conclude(self, id: str, event: Event) -> None:
        """End the lease of the event's worker without a result."""
        with self.store.transaction(write=True) as connection:
            self.queue.require(connection, id, event.actor)
            self.queue.end(connection, id)
            append_event(connection, id, self.store.now(connection), event)

    def _decide(self, id: str, by: Person, allowed: tuple[State, ...], event: Event) -> None:
        """Let a person bring a submission from one of the allowed states into another."""
        with self.store.transaction(write=True) as connection:
            submission = self._one(connection, id)
            if by.id != submission.owner.id and not by.is_administrator:
                raise NotAllowed("Only who handed it in, or an administrator, can do this.")
            if submission.state not in allowed:
                raise NotAllowed(
                    f"{submission.name!r} is {submission.state}; it cannot become {event.state}."
                )
            if event.state is State.PUBLISHED and submission.value_hash is None:
                raise NotAllowed(f"{submission.name!r} has no scores to show.")
            if event.state is State.PUBLISHED and not by.is_administrator:
                owner, name, task = submission.owner, submission.name, submission.task
                if known := look_alike(connection, owner, name, task):
                    raise NotAllowed(f"{known} Only an administrator can show this one too.")
            self.queue.end(connection, id)
            append_event(connection, id, self.store.now(connection), event)

    def _one(self, connection: sql.Connection, id: str) -> Submission:
        found = select_submissions(connection, self.queue, SUBMISSIONS.c.id == id)
        if not found:
            raise DambenchError(f"There is no submission {ascii(id[:40])}.")
        return found[0]


def _refuse_again(own: Sequence[Submission], task: str, sha256: str) -> None:
    for one in own:
        if (one.task, one.sha256) == (task, sha256) and one.state in IN_USE:
            raise DuplicateSubmission(
                f"You handed this file in already, as {one.name!r} on {one.received_at[:10]}; "
                f"it is {one.state}. Hand in another file, or withdraw that one first."
            )


def _publishable(by: Person) -> tuple[State, ...]:
    """States from which a person may publish what they may decide about."""
    return (State.PRIVATE, State.HELD, State.WITHDRAWN) if by.is_trusted else (State.PRIVATE,)


def _event(row: dict[str, Any]) -> Event:
    values = {field.name: row[field.name] for field in fields(Event)}
    values |= {"state": State(row["state"]), "problems": tuple(row["problems"])}
    return Event(**values | {"badge": row["badge"] and Badge(row["badge"])})
