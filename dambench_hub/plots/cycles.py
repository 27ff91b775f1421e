"""A picture of cycles: errors from cycle to cycle, and of the forecasts from their analyses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from dambench_hub.cycling.record import CycleRecord
from dambench_hub.plots.figures import GREY, STYLE
from dambench_hub.runtime.files import atomic_path

COLOURS = ("#2a6f97", "#d1823a", "#4d8b57", "#9b4f96", "#b5453c", "#6b6f2a", "#3d3d8f", "#8a6d4b")
"""One for each cycle; beyond, they come again with broken lines."""

TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


def plot_cycles(records: Sequence[CycleRecord], path: Path, discard: int = 0) -> Path:
    """Draw cycles beside one another: means over variables, 1 being what a random day is wrong by.

    Args:
        records: At least one.
        path: Of the picture; its ending says the format.
        discard: Cycles at the beginning from which no forecasts are averaged.

    Returns:
        `path`.

    Raises:
        DambenchError: When it cannot be written.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 4.6), layout="constrained")
        by_time, by_lead = figure.subplots(1, 2, width_ratios=(1.5, 1), sharey=True)
        for number, record in enumerate(records):
            style: dict[str, Any] = {
                "color": COLOURS[number % len(COLOURS)],
                "linestyle": ("-", "--")[number // len(COLOURS) % 2],
            }
            _over_time(by_time, record, style)
            _over_leads(by_lead, record, discard, style)
        for axes in (by_time, by_lead):
            axes.axhline(1, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
            axes.grid(True)
        least = min(np.nanmin(record.normalised("analysis_error")) for record in records)
        by_time.set_yscale("log")
        by_time.set_ylim(0.8 * min(least, 0.5), 1.3)
        by_time.yaxis.set_major_locator(FixedLocator(TICKS))
        by_time.yaxis.set_major_formatter("{x:g}")
        by_time.yaxis.set_minor_locator(NullLocator())
        by_time.text(0.01, 1.02, "a random day", color=GREY, fontsize=8,
                     transform=by_time.get_yaxis_transform())  # fmt: skip
        by_time.set_title("Background (pale), analysis; dotted: spread of the background")
        by_time.set_ylabel("error, mean over variables, 1 = a random day")
        by_time.xaxis.set_major_locator(locator := AutoDateLocator())
        by_time.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        by_lead.set_title("Forecasts from the analyses; dotted: spread")
        by_lead.set_xlabel("lead time (days)")
        figure.legend(*by_time.get_legend_handles_labels(), loc="outside lower left", ncols=6)
        with atomic_path(path) as partial:
            figure.savefig(partial, format=path.suffix[1:])
    return path


def _over_time(axes: Axes, record: CycleRecord, style: dict[str, Any]) -> None:
    times = record.times.astype("datetime64[s]").astype(object)
    colour = style["color"]
    background = record.normalised("background_error")
    axes.plot(times, background, **style, alpha=0.35, linewidth=1.2)
    axes.plot(times, record.normalised("analysis_error"), **style, lw=1.6, label=record.method)
    spread = record.normalised("background_spread")
    if np.nanmax(spread, initial=0) > 0:
        axes.plot(times, spread, ":", color=colour, linewidth=1.2)


def _over_leads(axes: Axes, record: CycleRecord, discard: int, style: dict[str, Any]) -> None:
    days = record.lead_hours / 24
    axes.plot(days, record.overall("forecast_error", discard), **style, linewidth=1.6)
    spread = record.overall("ensemble_spread", discard)
    axes.plot(days, spread, ":", color=style["color"], linewidth=1.2)
