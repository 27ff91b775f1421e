"""A picture of errors at stations that no method has seen, before and after the analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dambench_hub.coordinates.region import Region
from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.metrics.place_errors import PlaceErrors, colour_limit
from dambench_hub.plots.figures import INK, STYLE, captioned_figure
from dambench_hub.runtime.files import atomic_path

WIDTH = 10.4
"""Of the picture, inches; its maps take nine tenths."""


def plot_stations(places: PlaceErrors, channel: str, caption: str, path: Path) -> Path:
    """Draw errors of background and analysis at stations.

    Args:
        places: The errors, such as `StationErrors.at_places` gives them.
        channel: Name of the channel.
        caption: What made them.
        path: Of the picture; its ending says the format.

    Returns:
        `path`.

    Raises:
        DambenchError: When it cannot be written.
    """
    with matplotlib.rc_context(STYLE), atomic_path(path) as partial:
        draw_stations(places, channel, caption).savefig(partial, format=path.suffix[1:])
    return path


def draw_stations(places: PlaceErrors, channel: str, caption: str) -> Figure:
    """Two maps with the same colours, RMSE in their titles; see `plot_stations`."""
    region = Region.around(places.latitude, places.longitude)
    known = parse_channel(channel)
    units = pretty(known.units)
    height = 0.45 * WIDTH * region.height / region.width + 0.9
    title = f"{known.long_name} at {places.stations} stations that no method has seen"
    figure = captioned_figure(WIDTH, height, title, caption)
    shown = {"background": places.background, "analysis": places.analysis}
    limit = colour_limit(list(shown.values()))
    axes = figure.subplots(1, 2)
    for panel, (kind, values) in zip(axes, shown.items(), strict=True):
        dots = _draw_map(panel, region, places, values, limit)
        panel.set_title(f"{places.what} of the {kind}, RMSE {places.rmse[kind]:.4g} {units}", pad=6)
    bar = figure.colorbar(dots, ax=axes, shrink=0.8, aspect=24, pad=0.015, extend="both")
    bar.set_label(f"error ({units}), red where the field is above the measured value")
    bar.outline.set_visible(False)
    return figure


def _draw_map(
    axes: Axes, region: Region, places: PlaceErrors, values: np.ndarray, limit: float
) -> Any:
    """Dots in the colours of their values, the largest above, under coastlines."""
    for line in region.coast():
        axes.plot(*line.T, color=INK, alpha=0.6, linewidth=0.5)
    order = np.argsort(np.abs(values))
    x, y = region.project(places.latitude, places.longitude)
    dots = axes.scatter(
        x[order],
        y[order],
        c=values[order],
        s=float(np.clip(7000 / len(values), 4, 50)),
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        edgecolors=INK,
        linewidths=0.3,
        zorder=3,
    )
    axes.set_xlim(0, region.width)
    axes.set_ylim(0, region.height)
    axes.set_aspect("equal")
    meridians, parallels = region.meridians(), region.parallels()
    axes.set_xticks(region.project(0, meridians)[0], [_degrees(m, "EW") for m in meridians])
    axes.set_yticks(region.project(parallels, 0)[1], [_degrees(p, "NS") for p in parallels])
    axes.tick_params(labelsize=7, length=0)
    axes.grid(True, linewidth=0.5)
    return dots


def _degrees(value: float, sides: str) -> str:
    """A line of the graticule; `sides` are the letters of positive and negative degrees."""
    side = "" if value in (0, 180, -180) else sides[int(value < 0)]
    return f"{abs(value):g}°{side}"
