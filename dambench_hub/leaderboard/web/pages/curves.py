"""How scores depend on the density of observations, and on the number of parameters."""

from __future__ import annotations

from functools import lru_cache

import gradio as gr
from markupsafe import Markup

from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.curves import DENSITY, Curve, by_density, by_parameters
from dambench_hub.leaderboard.web.drawing.charts import draw_curves
from dambench_hub.leaderboard.web.drawing.panels import CURVES
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.address import Address, Query, choice
from dambench_hub.leaderboard.web.pages.events import WAITING
from dambench_hub.leaderboard.web.ranking_table import tasks_in_order

SKILL = "skill (%)"


def build(site: Site) -> None:
    """Lay the page out; the task of the second picture comes from the address."""
    address = Address()
    tasks = tasks_in_order(site)
    density = gr.HTML(WAITING, apply_default_css=False)
    choice("Task", "task", [(name, name) for name in tasks])
    size = gr.HTML(WAITING, apply_default_css=False)

    def show_density(query: Query, request: gr.Request) -> str:
        curves = by_density(site, len(CURVES))
        drawn = _drawn(tuple(curves), "observed grid points (%)", SKILL, True) if curves else ""
        any_task = any(name.startswith(DENSITY) for name in site.tasks)
        return render("curves_density", drawing=drawn, any_task=any_task)

    def show_size(query: Query, request: gr.Request) -> str:
        task = query.get("task", "")
        task = task if task in site.tasks else tasks[0]
        curves = by_parameters(site.store.ranking(task, site.data.revision))
        drawn = _drawn(tuple(curves), "number of parameters", SKILL, False) if curves else ""
        return render("curves_size", drawing=drawn, task=task)

    address.follow(show_density, density, later=False)
    address.follow(show_size, size)


@lru_cache(maxsize=64)
def _drawn(curves: tuple[Curve, ...], x: str, y: str, joined: bool) -> Markup:
    named: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
    for curve in curves:
        name = curve.name
        while name in named:  # two people may call theirs the same
            name += "′"
        named[name] = (curve.x, curve.y)
    inks = CURVES[: len(named)] if joined else ["accent"] * len(named)
    return draw_curves(named, inks, x, y, joined=joined)
