"""A picture of how good the backgrounds of a data set are: maps, spectra, spread against error."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.data.background_quality import BackgroundQuality
from dambench_hub.plots.figures import COLOURS, GREY, INK, STYLE, captioned_figure, draw_map
from dambench_hub.runtime.files import atomic_path

SPECTRA = {"z500": "z500", "t850": "t850", "q700": "q700", "vorticity500": "vorticity 500 hPa"}
SPECTRUM_COLOURS = (INK, "#c0562f", "#2a6f97", "#6f8f3a")


def plot_backgrounds(
    quality: BackgroundQuality, grid: Grid, path: str | Path, caption: str, channel: str = "z500"
) -> None:
    """Draw maps of error and spread of one channel, error spectra, and both by variable and level.

    Args:
        quality: Of one split.
        grid: Y×X grid of the data set.
        path: Of the PNG file; written whole or not at all.
        caption: What the picture was made from.
        channel: Of the maps.
    """
    with matplotlib.rc_context(STYLE), atomic_path(Path(path)) as part:
        _draw(quality, grid, caption, channel).savefig(part, format="png")


def _draw(quality: BackgroundQuality, grid: Grid, caption: str, channel: str) -> Figure:
    figure = captioned_figure(9.2, 6.2, f"Backgrounds of the {quality.split} split", caption)
    upper, lower = np.array(figure.subfigures(2, 1, height_ratios=(1.15, 1)))
    at, units = quality.channels.index(channel), pretty(parse_channel(channel).units)
    maps = upper.subplots(1, 2, subplot_kw={"projection": "mollweide"})
    fields = {"error": quality.rms_error[at], "spread of the members": quality.rms_spread[at]}
    limit = float(np.percentile(list(fields.values()), 99.5))
    for axes, (name, field) in zip(maps, fields.items(), strict=True):
        mesh = draw_map(axes, grid, field, "magma_r", (0.0, limit))
        mean_square = np.mean(grid.weights[:, None] * field**2)
        axes.set_title(f"{channel}, {name}", pad=9)
        axes.set_title(
            f"{mean_square**0.5:.3g} {units}", loc="right", pad=9, fontsize=8, color=GREY
        )
    bar = upper.colorbar(mesh, ax=maps, shrink=0.8, aspect=18, pad=0.02, extend="max", label=units)
    bar.outline.set_visible(False)
    left, right = lower.subplots(1, 2)
    _draw_spectra(left, quality)
    _draw_consistency(right, quality)
    return figure


def _draw_spectra(axes: Axes, quality: BackgroundQuality) -> None:
    """Power of errors over that of the reference by degree."""
    shown = {name: label for name, label in SPECTRA.items() if name in quality.error_power}
    for (name, label), colour in zip(shown.items(), SPECTRUM_COLOURS, strict=False):
        power = np.array(quality.error_power[name], float)
        axes.semilogy(np.arange(1, len(power) + 1), power, color=colour, label=label, linewidth=1.4)
    axes.axhline(1, color=GREY, linewidth=0.8)
    axes.set_title("Power of the error / power of the reference")
    axes.set_xlabel("degree of spherical harmonics")
    axes.legend(ncols=2, fontsize=8)
    axes.grid(True)


def _draw_consistency(axes: Axes, quality: BackgroundQuality) -> None:
    """Spread over error, and the correlation of their changes, by channel."""
    columns = np.arange(len(quality.channels))
    rows = (
        ("spread / error", quality.spread_error, COLOURS["background"]),
        ("correlation of their changes", quality.correlation, COLOURS["analysis"]),
    )
    for label, values, colour in rows:
        axes.scatter(columns, [values[n] for n in quality.channels], 9, colour, label=label)
    axes.axhline(1, color=GREY, linewidth=0.8)
    channels = [parse_channel(name) for name in quality.channels]
    variables = [c.variable.name if c.level else "sfc" for c in channels]
    starts = [n for n, name in enumerate(variables) if n == 0 or variables[n - 1] != name]
    axes.set_xticks(starts, [variables[n] for n in starts], fontsize=7, ha="left")
    axes.set_ylim(bottom=min(0.0, 1.1 * min(quality.correlation.values())))
    axes.set_title("By channel, levels from the top down")
    axes.legend(fontsize=8, loc="center right")
    axes.grid(True)
