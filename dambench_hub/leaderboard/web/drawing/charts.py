"""Curves as SVG for a page, drawn by matplotlib, in colours that the page chooses.

Matplotlib draws in colours of `INKS` that stand for those of the style sheet, so one drawing
serves light and dark, and its text is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from threading import Lock
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)

INKS = {
    "ink": "#010101",
    "soft": "#020202",
    "rule": "#030303",
    "accent": "#040404",
    "loss": "#050505",
    "second": "#060606",
    "third": "#070707",
    "fourth": "#080808",
}
"""What matplotlib draws with, by the name of the style sheet's variable it stands for."""
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dambench",
    "font.size": 11,
    "font.family": "sans-serif",
    "text.color": INKS["ink"],
    "axes.edgecolor": INKS["soft"],
    "axes.labelcolor": INKS["soft"],
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": INKS["rule"],
    "grid.linewidth": 0.7,
    "xtick.color": INKS["soft"],
    "ytick.color": INKS["soft"],
    "legend.frameon": False,
    "legend.labelcolor": INKS["ink"],
    "figure.facecolor": "none",
}
WAVENUMBERS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
TINY = 1e-300
DRAWING = Lock()
"""Matplotlib's settings are the process's own; two threads must not change them at once."""


def draw_spectra(
    reference: np.ndarray, curves: Mapping[str, np.ndarray], inks: Sequence[str], units: str
) -> Markup:
    """Power spectra, and below them their ratios to the reference's.

    Args:
        reference: Power by zonal wavenumber from 1, (K,).
        curves: Power of each field by its name, (K,).
        inks: Which of `INKS` each curve has.
        units: Of the power, as it is shown.
    """
    wavenumber = np.arange(1, len(reference) + 1)
    reference = np.maximum(reference, TINY)
    with DRAWING, matplotlib.rc_context(STYLE):
        figure, (upper, lower) = _panels(2, height_ratios=(2.6, 1))
        upper.loglog(wavenumber, reference, color=INKS["ink"], linewidth=2.4, label="reference")
        for (name, power), ink in zip(curves.items(), inks, strict=True):
            line = {"color": INKS[ink], "linewidth": 1.5}
            upper.loglog(wavenumber, np.maximum(power, TINY), label=_plain(name), **line)
            lower.semilogx(wavenumber, power / reference, **line)
        upper.set_ylabel(f"power ({units})")
        upper.legend(handlelength=1.8, loc="lower left")
        lower.axhline(1, color=INKS["ink"], linewidth=1)
        lower.set_ylabel("ratio")
        lower.set_ylim(0, min(3.0, max(1.5, lower.get_ylim()[1])))
        lower.set_xlim(1, wavenumber[-1])
        lower.set_xlabel("zonal wavenumber")
        ticks = [number for number in WAVENUMBERS if number <= wavenumber[-1]]
        lower.xaxis.set_major_locator(FixedLocator(ticks))
        lower.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        lower.xaxis.set_minor_locator(NullLocator())
        upper.yaxis.set_minor_formatter(NullFormatter())
        return svg(figure, "Power spectra, and their ratios to the reference's")


def draw_profiles(
    ratios: Mapping[str, Mapping[int, float]], others: str, score: str = "RMSE"
) -> Markup:
    """Errors relative to something, by pressure: one panel for each variable.

    Args:
        ratios: By title of the panel, ratios by level, hPa.
        others: What the errors are divided by.
        score: What the errors are called.
    """
    levels = sorted({level for group in ratios.values() for level in group})
    largest = max([1.0, *(ratio for group in ratios.values() for ratio in group.values())])
    with DRAWING, matplotlib.rc_context(STYLE):
        figure = _figure(10.4, 1.5 + 0.17 * max(len(levels), 8))
        panels = figure.subplots(1, len(ratios), squeeze=False, sharex=True, sharey=True)[0]
        for axes, (title, group) in zip(panels, ratios.items(), strict=True):
            _draw_profile(axes, [levels.index(level) for level in group], [*group.values()])
            axes.set_title(title, fontsize=11, loc="left")
        panels[0].set_yticks(range(len(levels)), [str(level) for level in levels])
        panels[0].set_ylim(len(levels) - 0.5, -0.5)
        panels[0].set_ylabel("pressure (hPa)")
        panels[0].set_xlim(0, min(2.0, 1.08 * largest))
        panels[0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        label = {"fontsize": 11, "color": INKS["soft"], "parse_math": False}
        figure.supxlabel(f"{score} / {score} of {others}", **label)
        return svg(figure, f"{score} by pressure, relative to {others}")


def draw_rank_histogram(frequencies: np.ndarray) -> Markup:
    """How often the reference has each rank among the members, over how often it should.

    Args:
        frequencies: Of each rank from 0, sum 1, (M + 1,).
    """
    with DRAWING, matplotlib.rc_context(STYLE):
        figure = _figure(8.4, 2.6)
        axes = figure.subplots()
        axes.bar(
            range(len(frequencies)), frequencies * len(frequencies), 0.92, color=INKS["accent"]
        )
        axes.axhline(1, color=INKS["ink"], linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("members below the reference")
        axes.set_ylabel("frequency / flat")
        return svg(figure, "Rank histogram: how often the reference has each rank")


def draw_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    inks: Sequence[str],
    x: str,
    y: str,
    *,
    joined: bool = True,
) -> Markup:
    """Scores of several methods against something positive, on a logarithmic axis.

    Args:
        curves: By method, its values along x and y.
        inks: Which of `INKS` each has.
        x: What is along x.
        y: What is along y.
        joined: Whether the points of a method are joined by a line; else its name stands beside.
    """
    with DRAWING, matplotlib.rc_context(STYLE):
        figure = _figure(8.4, 4.2)
        axes = figure.subplots()
        axes.set_xscale("log")
        for (name, (along, values)), ink in zip(curves.items(), inks, strict=True):
            style = "o-" if joined else "o"
            axes.plot(along, values, style, color=INKS[ink], markersize=5, label=_plain(name))
            if not joined:
                place: Any = {"xytext": (7, 0), "textcoords": "offset points", "va": "center"}
                axes.annotate(_plain(name), (along[0], values[0]), **place)
        ticks = sorted({value for along, _ in curves.values() for value in along})
        if joined:
            axes.xaxis.set_major_locator(FixedLocator(ticks))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.legend(handlelength=1.8)
        else:
            axes.set_xlim(ticks[0] / 2, ticks[-1] * 6)  # room for the names
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(EngFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        return svg(figure, f"{y} against {x}")


def _draw_profile(axes: Axes, rows: Sequence[int], values: Sequence[float]) -> None:
    axes.axvline(1, color=INKS["loss"], linewidth=1.5)
    axes.fill_betweenx(rows, values, 1, color=INKS["accent"], alpha=0.13, linewidth=0)
    axes.plot(values, rows, "o-", color=INKS["accent"], markersize=4.5, linewidth=1.5)
    axes.tick_params(axis="y", length=0)


def svg(figure: Figure, label: str) -> Markup:
    """A figure as an SVG element, in the colours of the page."""
    stream = StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)  # names that several charts of a page would share
    for name, colour in INKS.items():
        text = text.replace(colour, f"var(--{name})")
    head = f'<svg class="chart" role="img" aria-label="{escape(label)}" '
    size = r'^<svg ([^>]*?)width="[^"]*" height="[^"]*"'
    text = re.sub(size, lambda match: head + match[1], text, count=1)  # names may have backslashes
    text = re.sub(r'^(<svg [^>]*?)\s(height|width)="[^"]*"', r"\1", text)
    return Markup(text)


def _figure(width: float, height: float) -> Figure:
    layout = ConstrainedLayoutEngine(h_pad=0.04, w_pad=0.04)
    return Figure(figsize=(width, height), layout=layout)


def _panels(rows: int, height_ratios: Sequence[float]) -> tuple[Figure, Sequence[Axes]]:
    figure = _figure(8.4, 5.4)
    return figure, figure.subplots(rows, 1, sharex=True, height_ratios=height_ratios)


def _plain(text: str) -> str:
    """A name that is drawn as it is: a dollar would begin a formula, an underline hide it."""
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")
