"""A picture of ablations: how skill changes with what is observed, one panel for each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from dambench_hub.plots.cycles import COLOURS
from dambench_hub.plots.figures import GREY, STYLE
from dambench_hub.runtime.files import atomic_path


@dataclass(frozen=True)
class AblationPanel:
    """One setting and what it does.

    Attributes:
        title: What is varied.
        label: Of its values, with their unit.
        values: Of the setting, ascending, (V,).
        skill: Of each method, by name, % at each value, (V,).
        logarithmic: Whether the values are spaced by their ratio.
    """

    title: str
    label: str
    values: Sequence[float]
    skill: Mapping[str, Sequence[float]]
    logarithmic: bool = False


def plot_ablations(panels: Sequence[AblationPanel], path: Path) -> Path:
    """Draw panels beside one another, with one scale of skill.

    Args:
        panels: At least one; a method has the same colour in all.
        path: Of the picture; its ending says the format.

    Returns:
        `path`.

    Raises:
        DambenchError: When it cannot be written.
    """
    methods = list(dict.fromkeys(name for panel in panels for name in panel.skill))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(methods)}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 3.8), layout="constrained")
        row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(row, panels, strict=True):
            _draw(axes, panel, colours)
        row[0].set_ylabel("skill (%)")
        handles, names = row[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower left", ncols=6)
        with atomic_path(path) as partial:
            figure.savefig(partial, format=path.suffix[1:])
    return path


def _draw(axes: Axes, panel: AblationPanel, colours: Mapping[str, str]) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
    for name, skill in panel.skill.items():
        axes.plot(panel.values, skill, "o-", color=colours[name], lw=1.6, ms=4, label=name)
    if panel.logarithmic:
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(panel.values)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_title(panel.title)
    axes.set_xlabel(panel.label)
    axes.grid(True)
