"""Some ranked submissions to one task: their scores, and the first against each of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import Entry
from dambench_hub.leaderboard.web.markup import cell
from dambench_hub.leaderboard.web.measures import OVERALL, Measure, printed
from dambench_hub.leaderboard.web.paired_comparison import PairedComparison
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.overall_scores import overall_scores
from dambench_hub.scoring.station_errors import StationErrors

LEAST, MOST = 2, 4
"""How many are compared at once."""
ON_STATIONS = (
    "Chance is the choice of stations (bootstrap, the same ones for both); other weather is not "
    "counted."
)


@dataclass(frozen=True, eq=False)
class Compared:
    """One of those that are compared; its name is nobody else's here."""

    name: str
    entry: Entry
    diagnostics: Diagnostics | None
    stations: StationErrors | None
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
        files = DiagnosticsFiles(site.diagnostics)
        methods = tuple(
            Compared(
                name,
                entry,
                files.read(entry.submission),
                files.read_stations(entry.submission),
                overall_scores(entry.result.scores, site.std),
            )
            for name, entry in zip(_distinct(entries), entries, strict=True)
        )
        one = methods[0]
        errors = [site.store.square_errors(entry) for entry in entries]
        pairs = (
            PairedComparison(
                first=one.entry,
                second=other.entry,
                names=(one.name, other.name),
                errors=(errors[0], others),
                between_seeds=ranking.between_seeds,
                pairs=len(methods) - 1,
                stations=(one.stations, other.stations),
            )
            for other, others in zip(methods[1:], errors[1:], strict=True)
        )
        times = len(site.tasks[task].times(site.data.manifest))
        return cls(task, times, methods, tuple(pairs))

    @property
    def note(self) -> str:
        """What the sentences about skill count as chance."""
        if self.at_stations:
            return ON_STATIONS + self._wider
        noise = self.pairs[0].between_seeds
        said = (
            "Points are percentage points of skill. Chance is other weather (blocks of at least 30 "
            "days, the same for both)"
        )
        said += " and another training seed." if noise else "; that of training is not known here."
        said += self._wider
        return f"{said} The board, which compares all pairs, asks for more before it says so."

    @property
    def _wider(self) -> str:
        if len(self.pairs) < 2:
            return ""
        return f" Intervals are wider where {len(self.pairs)} pairs are looked at together."

    @property
    def measures(self) -> list[Measure]:
        """What the table of scores has a column for."""
        return [
            replace(OVERALL[name], units=OVERALL[name].units_of(self._scored_channels))
            for name in self._names
        ]

    @property
    def at_stations(self) -> bool:
        """Whether the reference is reports of stations."""
        return any("station_rmse" in one.scores for one in self.methods)

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
        if self.at_stations:
            return self._scored_channels if all(one.stations for one in self.methods) else []
        shown = [one.diagnostics.shown if one.diagnostics else () for one in self.methods]
        return [name for name in shown[0] if all(name in others for others in shown)]

    @property
    def _scored_channels(self) -> list[str]:
        return list(self.methods[0].entry.result.scores["rmse"])

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
