"""The pictures of a submission, and of two: maps of errors and increments, spectra, profiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from markupsafe import Markup

from dambench_hub.coordinates.units import pretty, squared
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.data.geography import assemble, read_geography
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.drawing.charts import draw_profiles, draw_spectra
from dambench_hub.leaderboard.web.drawing.maps import Atlas, colour_bar
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.precision import number

PERCENTILE = 99.5
"""Where the colours end: what few cells go beyond does not wash out all others."""


@dataclass(frozen=True)
class ColourBar:
    """What the colours of a map mean: a CSS gradient, the values at its ends, and their units."""

    gradient: str
    low: str
    high: str
    units: str


@dataclass(frozen=True)
class Plate:
    """A map with its title, a remark, and its colours."""

    title: str
    note: str
    drawing: Markup
    bar: ColourBar


@dataclass(frozen=True)
class Group:
    """Maps that belong together, with a heading."""

    title: str
    plates: tuple[Plate, ...]


@cache
def atlas_of(site: Site) -> Atlas:
    """Draws maps on the grid of the site's data set, with its coastlines if it knows the land."""
    data = site.data
    if not data.manifest.geography:
        return Atlas(data.grid)
    return Atlas(data.grid, assemble(read_geography(data.folder), "land", data.grid))


def submission_plates(atlas: Atlas, seen: Diagnostics, channel: str) -> list[Group]:
    """Root mean square errors and increments, and one time with what was observed then."""
    at = seen.shown.index(channel)
    when = f"{str(seen.time.astype('datetime64[h]')).replace('T', ', ')} UTC"
    observed = seen.observed if seen.observed.ndim == 1 else seen.observed[at]
    errors = {
        "RMS error of the background": seen.background.rms[at],
        "RMS error of the analysis": seen.analysis.rms[at],
    }
    example = {
        "Error of the background": seen.background.example[at],
        "Error of the analysis": seen.analysis.example[at],
    }
    shelf = _Shelf(atlas, channel)
    before, after = shelf.place(example, (-1, 1))
    increment = shelf.place({"Increment": seen.increment_example[at]}, (-1, 1), observed)
    return [
        Group(
            f"{shelf.long_name}, all {len(seen.analysis.series)} analyses",
            (
                *shelf.place(errors, (0, 1)),
                *shelf.place({"RMS increment": seen.increment_rms[at]}, (0, 1)),
                *shelf.place({"Mean increment": seen.increment_mean[at]}, (-1, 1)),
            ),
        ),
        Group(f"{shelf.long_name}, {when}", (before, *increment, after)),
    ]


def comparison_plates(
    atlas: Atlas, first: tuple[str, Diagnostics], second: tuple[str, Diagnostics], channel: str
) -> list[Group]:
    """Root mean square errors of two submissions, and their difference.

    Args:
        atlas: Of the grid of both.
        first: Name and diagnostics of one submission.
        second: Those of the other, under another name.
        channel: One that both show.
    """
    shelf = _Shelf(atlas, channel)
    one, other = (seen.analysis.rms[seen.shown.index(channel)] for _, seen in (first, second))
    both = {f"RMS error of {first[0]}": one, f"RMS error of {second[0]}": other}
    difference = {"Their difference, blue where the first is better": one - other}
    plates = (*shelf.place(both, (0, 1)), *shelf.place(difference, (-1, 1)))
    return [Group(f"{shelf.long_name}, all {len(first[1].analysis.series)} analyses", plates)]


def spectra(curves: dict[str, np.ndarray], seen: Diagnostics, channel: str) -> Markup:
    """Power spectra of fields, with those of the background and the reference."""
    at = seen.shown.index(channel)
    shown = {"background": seen.background.spectra[at]} | curves
    inks = ["loss", "accent", "second"][: len(shown)]
    units = pretty(squared(parse_channel(channel).units))
    return draw_spectra(seen.reference_spectra[at], shown, inks, units)


@lru_cache(maxsize=256)
def profiles(ratios: tuple[tuple[str, float], ...], others: str) -> Markup:
    """Errors relative to others by pressure, for each variable on levels; empty without those.

    Args:
        ratios: Names of channels, and how large their errors are relative to those of the others.
        others: What they are.
    """
    panels: dict[str, dict[int, float]] = {}
    for name, ratio in ratios:
        channel = parse_channel(name)
        if channel.level:
            panels.setdefault(channel.variable.long_name, {})[channel.level] = ratio
    return draw_profiles(panels, others) if panels else Markup("")


class _Shelf:
    """Makes the plates of one channel."""

    def __init__(self, atlas: Atlas, channel: str) -> None:
        self.atlas = atlas
        self.units = pretty(parse_channel(channel).units)
        name = parse_channel(channel).long_name
        self.long_name = name[:1].upper() + name[1:]

    def place(
        self,
        fields: dict[str, np.ndarray],
        ends: tuple[int, int],
        points: np.ndarray | None = None,
    ) -> list[Plate]:
        """Maps with the same colours; `ends` are their limits in units of the largest value."""
        largest = float(np.percentile(np.abs(list(fields.values())), PERCENTILE)) or 1.0
        limits = (ends[0] * largest, ends[1] * largest)
        low, high = (f"{value:.3g}".replace("-", "−") for value in limits)
        bar = ColourBar(colour_bar(limits), low, f"{high} and more", self.units)
        return [
            Plate(
                title,
                f"RMS {number(self._rms(field))} {self.units}"
                + ("" if points is None else f" · {len(points)} observed points"),
                self.atlas.draw(field, limits, f"{title}, {self.long_name}", points),
                bar,
            )
            for title, field in fields.items()
        ]

    def _rms(self, field: np.ndarray) -> float:
        weights = self.atlas.grid.weights[:, None]
        return float(np.sqrt(np.mean(weights * field.astype(np.float64) ** 2)))
