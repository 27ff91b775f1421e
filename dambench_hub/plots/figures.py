"""Three pictures of a prediction: maps of its errors, errors by channel, and power spectra.

Everything is compared with the background, which is what a method has to improve on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedFormatter, FixedLocator, NullFormatter, NullLocator

from dambench_hub.coordinates.coastlines import coastlines
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.units import pretty, squared
from dambench_hub.coordinates.variables import Channel, parse_channel
from dambench_hub.plots.comparison import Comparison, compare
from dambench_hub.runtime.files import atomic_path
from dambench_hub.tasks.task import Task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

INK, GREY, PALE = "#22272e", "#7a828c", "#d9dde2"
COLOURS = {"reference": INK, "background": "#d1823a", "analysis": "#2a6f97"}
STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": PALE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
}
TINY = 1e-300


def plot_prediction(
    path: str | Path,
    data: Data,
    task: Task | str | None = None,
    *,
    channel: str | None = None,
    folder: str | Path = "plots",
) -> list[Path]:
    """Draw the three pictures of a prediction file.

    Args:
        path: The file.
        data: The data set it was made for.
        task: The task it was made for; None for the one that the file names.
        channel: For maps and spectra; None for z500, or the first channel where there is no z500.
        folder: Where the PNG files go.

    Returns:
        The files: maps, channels, spectra.

    Raises:
        PredictionError: When the file does not fit the data set.
        ChannelError: When there is no such channel.
    """
    path, folder = Path(path), Path(folder)
    comparison = compare(path, data, task, channel)
    figures = {
        f"maps_{comparison.channel.name}": draw_maps,
        "channels": draw_channels,
        f"spectra_{comparison.channel.name}": draw_spectra,
    }
    written = []
    for name, draw in figures.items():
        with matplotlib.rc_context(STYLE), atomic_path(folder / f"{path.stem}_{name}.png") as part:
            draw(comparison).savefig(part, format="png")
        written.append(folder / f"{path.stem}_{name}.png")
    return written


def draw_maps(comparison: Comparison) -> Figure:
    """Errors at one time (with the observed points) and their root mean square over all times."""
    figure = _figure(9.2, 5.6, comparison.channel.long_name, comparison)
    axes = figure.subplots(2, 2, subplot_kw={"projection": "mollweide"})
    units = pretty(comparison.channel.units)
    rows = (
        (comparison.errors, "RdBu_r", f"at {_hour(comparison.time)}", f"error ({units})"),
        (comparison.rms, "magma_r", "over all times", f"root mean square error ({units})"),
    )
    for row, (fields, colours, when, label) in zip(axes, rows, strict=True):
        limit = float(np.percentile(np.abs(list(fields.values())), 99.5)) or 1.0
        limits = (-limit if fields is comparison.errors else 0.0, limit)
        for panel, (kind, field) in zip(row, fields.items(), strict=True):
            mesh = draw_map(panel, comparison.grid, field, colours, limits)
            mean_square = np.mean(comparison.grid.weights[:, None] * field**2)
            panel.set_title(f"{_title(kind)} error {when}", pad=9)
            panel.set_title(
                f"RMS {mean_square**0.5:.3g} {units}", loc="right", pad=9, fontsize=8, color=GREY
            )
        extend = "both" if limits[0] else "max"
        bar = figure.colorbar(mesh, ax=row, shrink=0.8, aspect=18, pad=0.02, extend=extend)
        bar.set_label(label)
        bar.outline.set_visible(False)
    _draw_points(axes[0][1], comparison.grid, comparison.observed)
    return figure


def draw_map(
    axes: Axes, grid: Grid, field: np.ndarray, colours: str, limits: tuple[float, float]
) -> Any:
    """A field on the sphere, Greenwich in the middle, under coastlines and a graticule."""
    latitude = grid.latitude
    step = 360 / grid.longitudes
    columns = (grid.longitude + 180) % 360 - 180
    order = np.argsort(columns)
    order = np.append(order, order[0])  # the cell at the date line has a half on either side
    west = columns[order[:-1]] - step / 2
    edges = np.concatenate([west, [west[-1] + step, 180]]).clip(-180, 180)
    north = np.concatenate([[90.0], (latitude[1:] + latitude[:-1]) / 2, [-90.0]])
    mesh = axes.pcolormesh(
        np.deg2rad(edges),
        np.deg2rad(north),
        field[:, order],
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        rasterized=True,
    )
    for line in coastlines():
        axes.plot(*np.deg2rad(line.T[::-1]), color=INK, alpha=0.6, linewidth=0.5)
    axes.grid(True, color=INK, alpha=0.18, linewidth=0.5)
    axes.xaxis.set_major_locator(FixedLocator(np.deg2rad([-120, -60, 0, 60, 120]).tolist()))
    axes.xaxis.set_major_formatter(NullFormatter())
    axes.yaxis.set_major_locator(FixedLocator(np.deg2rad([-60, -30, 0, 30, 60]).tolist()))
    axes.yaxis.set_major_formatter(FixedFormatter(["60°S", "30°S", "0°", "30°N", "60°N"]))
    axes.tick_params(labelsize=7, labelcolor=GREY)
    return mesh


def _draw_points(axes: Axes, grid: Grid, observed: np.ndarray) -> None:
    row, column = np.divmod(observed, grid.longitudes)
    longitude = (grid.longitude[column] + 180) % 360 - 180
    size = float(np.clip(900 / len(observed), 0.4, 6))
    axes.scatter(
        np.deg2rad(longitude),
        np.deg2rad(grid.latitude[row]),
        s=size,
        color=INK,
        linewidths=0,
        alpha=0.6,
    )
    label = f"• {len(observed)} observed points"
    axes.text(1, -0.04, label, transform=axes.transAxes, ha="right", fontsize=7, color=GREY)


def draw_channels(comparison: Comparison) -> Figure:
    """RMSE of the analysis over the background's: a profile per variable, and the surface."""
    ratio = comparison.rmse["analysis"] / np.maximum(comparison.rmse["background"], TINY)
    profiles: dict[str, list[tuple[Channel, float]]] = {}
    surface: list[tuple[Channel, float]] = []
    for name, value in zip(comparison.channels, ratio.tolist(), strict=True):
        channel = parse_channel(name)
        group = profiles.setdefault(channel.variable.long_name, []) if channel.level else surface
        group.append((channel, value))
    levels = sorted({c.level for group in profiles.values() for c, _ in group if c.level})
    panels = len(profiles) + bool(surface)
    height = 2.3 + 0.15 * max(len(levels), len(surface), 4)
    title = "RMSE of the analysis / RMSE of the background"
    figure = _figure(max(4.8, 1.3 + 1.7 * panels), height, title, comparison)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for panel, (title, group) in zip(axes, profiles.items(), strict=False):
        names = [str(level) for level in levels]
        _draw_ratios(panel, title, group, [str(channel.level) for channel, _ in group], names)
        panel.tick_params(labelleft=panel is axes[0])
    if profiles:
        axes[0].set_ylabel("pressure (hPa)")
    if surface:
        names = [channel.name for channel, _ in surface]
        _draw_ratios(axes[-1], "Surface", surface, names, names, line="none")
    for panel in axes:
        panel.set_xlim(0, max(1.1, 1.05 * float(ratio.max())))
    return figure


def _draw_ratios(
    axes: Axes,
    title: str,
    group: Sequence[tuple[Channel, float]],
    names: Sequence[str],
    all_names: Sequence[str],
    line: str = "-",
) -> None:
    """Values in rows called `names`, out of `all_names`; the shade is what was gained."""
    rows = [all_names.index(name) for name in names]
    values = [value for _, value in group]
    blue = COLOURS["analysis"]
    axes.set_axisbelow(True)
    axes.grid(True)
    axes.axvline(1, color=COLOURS["background"], linewidth=1.4)
    if line == "none" or len(rows) == 1:
        axes.hlines(rows, values, 1, color=blue, alpha=0.3, linewidth=5)
    else:
        axes.fill_betweenx(rows, values, 1, color=blue, alpha=0.12, linewidth=0)
    axes.plot(values, rows, linestyle=line, marker="o", color=blue, markersize=4.5, linewidth=1.4)
    axes.yaxis.set_major_locator(FixedLocator(range(len(all_names))))
    axes.yaxis.set_major_formatter(FixedFormatter(all_names))
    axes.set_ylim(len(all_names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_title(_title(title), fontsize=9)


def draw_spectra(comparison: Comparison) -> Figure:
    """Zonal power of the fields and of their errors, and the ratio to the reference's."""
    title = f"Power spectra of {comparison.channel.long_name}"
    figure = _figure(5.8, 5.6, title, comparison)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.8, 1))
    reference = np.maximum(comparison.spectra["reference"], TINY)
    wavenumber = np.arange(1, len(reference) + 1)
    for name, power in comparison.spectra.items():
        kind, _, is_error = name.partition(" ")
        style = {"color": COLOURS[kind], "linewidth": 2.4 if kind == "reference" else 1.4}
        upper.loglog(wavenumber, power, "--" if is_error else "-", label=name, **style)
        if not is_error:
            lower.semilogx(wavenumber, power / reference, **style)
    upper.set_ylabel(f"power per wavenumber ({pretty(squared(comparison.channel.units))})")
    upper.legend(handlelength=2.4)
    lower.set_ylabel("ratio to reference")
    lower.set_xlabel("zonal wavenumber")
    lower.set_xlim(1, wavenumber[-1])
    lower.set_ylim(0, min(3.0, max(1.5, lower.get_ylim()[1])))
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500) if tick <= wavenumber[-1]]
    lower.xaxis.set_major_locator(FixedLocator(ticks))
    lower.xaxis.set_major_formatter(FixedFormatter([str(tick) for tick in ticks]))
    lower.xaxis.set_minor_locator(NullLocator())
    for axes in (upper, lower):
        axes.grid(True)
    return figure


def _hour(time: np.datetime64) -> str:
    day, _, hour = str(time.astype("datetime64[h]")).partition("T")
    return f"{day} {hour} UTC"


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]


def _figure(width: float, height: float, title: str, comparison: Comparison) -> Figure:
    return captioned_figure(width, height, title, comparison.caption)


def captioned_figure(width: float, height: float, title: str, caption: str) -> Figure:
    """A figure with a title above and, below, what it was made from."""
    margin = 0.22 / height
    layout = ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.06, rect=(0, margin, 1, 1 - margin))
    figure = Figure(figsize=(width, height), layout=layout)
    figure.suptitle(_title(title), x=0.012, ha="left", fontsize=12.5)
    style: dict[str, Any] = {"fontsize": 7, "color": GREY, "va": "bottom", "parse_math": False}
    figure.text(0.012, 0.06 / height, caption, **style)
    return figure
