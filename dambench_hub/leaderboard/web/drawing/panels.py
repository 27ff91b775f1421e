"""The pictures of a submission, and of two: maps of errors and increments, spectra, profiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from markupsafe import Markup

from dambench_hub.coordinates.units import pretty, squared
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.drawing.charts import (
    draw_profiles,
    draw_rank_histogram,
    draw_spectra,
)
from dambench_hub.leaderboard.web.drawing.maps import Atlas, colour_bar
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.precision import number

CURVES = ("loss", "accent", "second", "third", "fourth")
"""Inks of curves, the background's first."""
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
class Panel:
    """A map with its title, a remark, and its colours."""

    title: str
    note: str
    drawing: Markup
    bar: ColourBar


@dataclass(frozen=True)
class PanelGroup:
    """Maps that belong together, with a heading."""

    title: str
    panels: tuple[Panel, ...]


@cache
def atlas_of(site: Site) -> Atlas:
    """Draws maps on the grid of the site's data set."""
    return Atlas(site.data.grid)


def submission_panels(atlas: Atlas, diagnostics: Diagnostics, channel: str) -> list[PanelGroup]:
    """Root mean square errors and increments, and one time with what was observed then."""
    at = diagnostics.shown.index(channel)
    when = f"{str(diagnostics.time.astype('datetime64[h]')).replace('T', ', ')} UTC"
    observed = diagnostics.observed if diagnostics.observed.ndim == 1 else diagnostics.observed[at]
    observed = observed[observed >= 0]
    errors = {
        "RMS error of the background": diagnostics.background.rms[at],
        "RMS error of the analysis": diagnostics.analysis.rms[at],
    }
    example = {
        "Error of the background": diagnostics.background.example[at],
        "Error of the analysis": diagnostics.analysis.example[at],
    }
    panels = _ChannelPanels(atlas, channel)
    before, after = panels.draw(example, (-1, 1))
    increment = panels.draw({"Increment": diagnostics.increment_example[at]}, (-1, 1), observed)
    return [
        PanelGroup(
            f"{panels.long_name}, all {len(diagnostics.analysis.series)} analyses",
            (
                *panels.draw(errors, (0, 1)),
                *panels.draw({"RMS increment": diagnostics.increment_rms[at]}, (0, 1)),
                *panels.draw({"Mean increment": diagnostics.increment_mean[at]}, (-1, 1)),
            ),
        ),
        PanelGroup(f"{panels.long_name}, {when}", (before, *increment, after)),
    ]


def comparison_panels(
    atlas: Atlas, methods: dict[str, Diagnostics], channel: str
) -> list[PanelGroup]:
    """Root mean square errors of some submissions, and the first's minus those of the others.

    Args:
        atlas: Of the grid of all.
        methods: Diagnostics by name, at least two.
        channel: One that all show.
    """
    panels = _ChannelPanels(atlas, channel)
    errors = {name: one.analysis.rms[one.shown.index(channel)] for name, one in methods.items()}
    first, *others = errors
    differences = {
        f"{first} − {name}, blue where the former is better": errors[first] - errors[name]
        for name in others
    }
    times = len(next(iter(methods.values())).analysis.series)
    title = f"{panels.long_name}, all {times} analyses"
    shown = panels.draw({f"RMS error of {n}": field for n, field in errors.items()}, (0, 1))
    return [PanelGroup(title, (*shown, *panels.draw(differences, (-1, 1))))]


def spectra(curves: dict[str, np.ndarray], diagnostics: Diagnostics, channel: str) -> Markup:
    """Power spectra of at most four fields, with those of the background and the reference."""
    at = diagnostics.shown.index(channel)
    shown = {"background": diagnostics.background.spectra[at]} | curves
    units = pretty(squared(parse_channel(channel).units))
    return draw_spectra(diagnostics.reference_spectra[at], shown, CURVES[: len(shown)], units)


@lru_cache(maxsize=256)
def profiles(ratios: tuple[tuple[str, float], ...], others: str, score: str = "RMSE") -> Markup:
    """Errors relative to others by pressure, for each variable on levels; empty without those.

    Args:
        ratios: Names of channels, and how large their errors are relative to those of the others.
        others: What they are.
        score: What the errors are called.
    """
    panels: dict[str, dict[int, float]] = {}
    for name, ratio in ratios:
        channel = parse_channel(name)
        if channel.level:
            panels.setdefault(channel.variable.long_name, {})[channel.level] = ratio
    return draw_profiles(panels, others, score) if panels else Markup("")


@lru_cache(maxsize=256)
def rank_histogram(frequencies: tuple[float, ...]) -> Markup:
    """How often the reference has each rank among the members, (M + 1,)."""
    return draw_rank_histogram(np.array(frequencies))


class _ChannelPanels:
    """Makes the panels of one channel."""

    def __init__(self, atlas: Atlas, channel: str) -> None:
        self.atlas = atlas
        self.units = pretty(parse_channel(channel).units)
        name = parse_channel(channel).long_name
        self.long_name = name[:1].upper() + name[1:]

    def draw(
        self,
        fields: dict[str, np.ndarray],
        ends: tuple[int, int],
        points: np.ndarray | None = None,
    ) -> list[Panel]:
        """Maps with the same colours; `ends` are their limits in units of the largest value."""
        largest = float(np.percentile(np.abs(list(fields.values())), PERCENTILE)) or 1.0
        limits = (ends[0] * largest, ends[1] * largest)
        low, high = (f"{value:.3g}".replace("-", "−") for value in limits)
        bar = ColourBar(colour_bar(limits), low, f"{high} and more", self.units)
        return [
            Panel(
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
