"""A submission in words: what was handed in, what became of it, and what its scores depend on."""

from __future__ import annotations

from dataclasses import dataclass

from dambench_hub.data.revision_advice import board_advice
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import AT_STATIONS, Entry, Ranking
from dambench_hub.leaderboard.submissions.lifecycle import State, Submission
from dambench_hub.leaderboard.web.markup import in_utc
from dambench_hub.leaderboard.web.measures import OVERALL, printed
from dambench_hub.leaderboard.web.ranking_table import badge, links
from dambench_hub.leaderboard.web.standing_cells import INTERVAL, POSSIBLE, ranks, span
from dambench_hub.leaderboard.web.station_cells import span as station_span
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.scoring.evaluation import Result
from dambench_hub.scoring.overall_scores import overall_scores
from dambench_hub.scoring.precision import number, percent
from dambench_hub.scoring.standings import Standing
from dambench_hub.scoring.station_interval import station_interval

STATES = {
    State.RECEIVED: "waiting to be scored",
    State.REJECTED: "cannot be scored",
    State.FAILED: "failed, which is not your fault",
    State.PRIVATE: "private: only you see it",
    State.HELD: "held until somebody has looked at it",
    State.PUBLISHED: "published",
    State.WITHDRAWN: "withdrawn",
}
"""What each state means to people."""


@dataclass(frozen=True, eq=False)
class Receipt:
    """All that is known of a submission without its fields.

    Attributes:
        site: The site.
        submission: What was handed in.
        result: Its newest scores; None while there are none.
        ranking: Of its task.
    """

    site: Site
    submission: Submission
    result: Result | None
    ranking: Ranking

    @classmethod
    def of(cls, site: Site, identity: str, person: Person | None) -> Receipt | None:
        """The submission called `identity`, if there is one and this person may see it."""
        try:
            submission = site.submissions.get(identity)
        except DambenchError:
            return None
        if not submission.visible_to(person):
            return None
        shown = submission.state != State.WITHDRAWN
        result = site.store.result(identity) if shown else None
        ranking = site.store.ranking(submission.task, site.data.revision)
        return cls(site, submission, result, ranking)

    @property
    def entry(self) -> Entry | None:
        """Its row in the ranking; None if it has none."""
        return self.ranking.of(self.submission.id)

    @property
    def best(self) -> Entry | None:
        """The first of the ranking that is not this one."""
        found = [e for e in self.ranking.entries if e.submission != self.submission.id]
        return found[0] if found else None

    @property
    def notice(self) -> str:
        """What has to be said first; empty if it is simply published."""
        state, reason = self.submission.state, self.submission.reason
        if state == State.PUBLISHED:
            return "" if self.entry else self._superseded
        place = self.site.submissions.queue_place(self.submission.id)
        said = STATES[state].capitalize()
        if place is not None:
            said += f", number {place} in the queue"
        return f"{said}{f': {reason}' if reason else ''}."

    @property
    def _superseded(self) -> str:
        if self.result and self.result.dataset_revision != self.ranking.dataset_revision:
            return (
                f"Scored with revision {self.result.dataset_revision} of the data, so it is not "
                f"ranked here; this board has {self.ranking.dataset_revision}. "
                f"{board_advice(self.site.data.manifest)}"
            )
        if self.result and self.result.scorer_version != SCORER_VERSION:
            return (
                f"Scored by version {self.result.scorer_version} of the scorer, whose scores stand "
                f"below; this board ranks those of version {SCORER_VERSION}, and never mixes them."
            )
        return "A better result of the same name stands on the board."

    def figures(self) -> list[tuple[str, str, str]]:
        """Scores over all channels: title, value and meaning."""
        if self.result is None:
            return []
        values = overall_scores(self.result.scores, self.site.std)
        figures = [
            (
                OVERALL[name].title,
                f"{printed(name, value)} {OVERALL[name].units_of(self.site.data.channels)}",
                OVERALL[name].hint,
            )
            for name, value in values.items()
        ]
        if (ends := station_interval(self.result.scores)) is not None:
            units = OVERALL["station_rmse"].units_of(self.site.data.channels)
            figures.insert(1, ("95 % interval", f"{station_span(ends)} {units}", AT_STATIONS))
        if (standing := self._standing) is not None:
            sure = [
                ("95 % interval", f"{span(standing.interval)} %", INTERVAL),
                ("possible ranks", ranks(standing), POSSIBLE),
            ]
            figures[1:1] = sure
        return figures

    @property
    def _standing(self) -> Standing | None:
        """How sure its skill and rank are; None where that is not known, or it is not ranked."""
        if self.entry is None or self.ranking.standings is None:
            return None
        return self.ranking.standings.rows[self.ranking.entries.index(self.entry)]

    def head(self) -> dict[str, object]:
        """What the head of the page shows."""
        submission, entry, result = self.submission, self.entry, self.result
        return {
            "id": submission.id,
            "name": submission.name,
            "task": submission.task,
            "rank": entry.rank if entry else None,
            "entries": len(self.ranking.entries),
            "badge": badge(entry) if entry else "",
            "person": submission.owner.name,
            "date": submission.received_at[:10],
            "authors": result.attributes.get("authors", "") if result else "",
            "links": links(
                submission.model_url or (result.attributes.get("model_url") if result else None),
                submission.paper_url or (result.attributes.get("paper_url") if result else None),
            ),
            "notice": self.notice,
            "problems": submission.problems,
            "description": submission.description,
            "figures": self.figures(),
        }

    def facts(self) -> list[tuple[str, str]]:
        """What the scores depend on."""
        submission, result = self.submission, self.result
        facts = [
            ("submission", submission.id),
            ("handed in", in_utc(submission.received_at)),
            ("state", STATES[submission.state]),
        ]
        if submission.bytes:
            facts.append(("file", f"{submission.bytes / 1e6:,.1f} MB"))
        if submission.sha256:
            facts.append(("SHA-256 of the file", submission.sha256))
        if result:
            version = result.benchmark
            facts += [
                ("values", result.value_hash),
                ("data set", f"{result.dataset}, revision {result.dataset_revision}"),
                ("scorer version", result.scorer_version),
                ("benchmark", f"version {version.name}" if version else ""),
            ]
            facts += [(key.replace("_", " "), text) for key, text in result.attributes.items()]
        return [fact for fact in facts if fact[1] and not fact[0].endswith("url")]

    @property
    def command(self) -> str:
        """What computes the same numbers; empty where there are none."""
        if self.result is None:
            return ""
        return f"dambench score FILE --data {self.site.source.option} --task {self.result.task}"

    def history(self) -> list[dict[str, object]]:
        """What the same person showed under the same name, newest first; empty if it is alone."""
        rows = []
        submission = self.submission
        for past in self.site.submissions.history(
            submission.owner, submission.name, submission.task
        ):
            withdrawn = past.state == State.WITHDRAWN
            scored = None if withdrawn else self.site.store.result(past.id)
            rows.append(
                {
                    "id": past.id,
                    "date": in_utc(past.received_at),
                    "state": STATES[past.state],
                    "score": _main_score(scored) if scored else "",
                    "current": past.id == submission.id,
                }
            )
        return rows if len(rows) > 1 else []


def _main_score(result: Result) -> str:
    """What ranks; of an older scorer, which may have ranked by another score, with its version."""
    if result.larger_is_better:
        return percent(result.main_score, digits=2)
    known = result.scorer_version == SCORER_VERSION
    return number(result.main_score) + ("" if known else f", scorer {result.scorer_version}")
