"""Some ranked submissions to one task: their scores, and the first against each of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import Entry
from dambench_hub.leaderboard.web.markup import cell
from dambench_hub.leaderboard.web.measures import OVERALL, Measure, overall, printed
from dambench_hub.leaderboard.web.paired_comparison import PairedComparison
from dambench_hub.scoring.diagnostics import Diagnostics

LEAST, MOST = 2, 4
"""How many are compared at once."""


@dataclass(frozen=True, eq=False)
class Compared:
    """One of those that are compared; its name is nobody else's here."""

    name: str
    entry: Entry
    diagnostics: Diagnostics | None
    scores: dict[str, float]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two to four rows of a ranking.

    Attributes:
        task: Name of the task.
        times: How many analyses are compared.
        methods: Which ones, in the order in which they were chosen.
        pairs: The first with each of the others.
    """

    task: str
    times: int
    methods: tuple[Compared, ...]
    pairs: tuple[PairedComparison, ...]

    @classmethod
    def of(cls, site: Site, task: str, ids: Sequence[str]) -> Comparison | None:
        """Those of the submissions that are ranked in the task; None if fewer than two are."""
        if task not in site.tasks:
            return None
        ranking = site.store.ranking(task, site.data.revision)
        found = [ranking.of(one) for one in dict.fromkeys(ids)]
        entries = [entry for entry in found if entry is not None][:MOST]
        if len(entries) < LEAST:
            return None
        time = site.tasks[task].times(site.data.manifest)
        files = DiagnosticsFiles(site.diagnostics)
        methods = tuple(
            Compared(
                name,
                entry,
                files.read(entry.submission),
                overall(entry.result, site.std),
            )
            for name, entry in zip(_distinct(entries), entries, strict=True)
        )
        one = methods[0]
        pairs = (
            PairedComparison(
                task=task,
                time=time,
                first=one.entry,
                second=other.entry,
                names=(one.name, other.name),
                diagnostics=(one.diagnostics, other.diagnostics),
            )
            for other in methods[1:]
        )
        return cls(task, len(time), methods, tuple(pairs))

    @property
    def measures(self) -> list[Measure]:
        """What the table of scores has a column for."""
        return [OVERALL[name] for name in self._names]

    @property
    def rows(self) -> list[tuple[Compared, list[Markup]]]:
        """The table of scores."""
        return [
            (
                one,
                [
                    cell(printed(name, one.scores[name]) if name in one.scores else "")
                    for name in self._names
                ],
            )
            for one in self.methods
        ]

    @property
    def channels(self) -> list[str]:
        """Channels of which all have pictures; none if the fields of one were not kept."""
        shown = [one.diagnostics.shown if one.diagnostics else () for one in self.methods]
        return [name for name in shown[0] if all(name in others for others in shown)]

    @property
    def _names(self) -> list[str]:
        return [name for name in OVERALL if any(name in one.scores for one in self.methods)]


def chosen(entries: Sequence[Entry], ids: Sequence[str]) -> list[str]:
    """The wanted submissions that are ranked, filled up to two with the first others."""
    ranked = [entry.submission for entry in entries]
    wanted = [one for one in dict.fromkeys(ids) if one in ranked][:MOST]
    return wanted + [one for one in ranked if one not in wanted][: max(0, LEAST - len(wanted))]


def _distinct(entries: Sequence[Entry]) -> list[str]:
    """Names, with the rank where several are called the same, and a number where that is, too."""
    counts = Counter(entry.name for entry in entries)
    names: list[str] = []
    for at, entry in enumerate(entries, 1):
        named = f"{entry.name}, rank {entry.rank}" if counts[entry.name] > 1 else entry.name
        names.append(f"{named} ({at})" if named in names else named)
    return names
