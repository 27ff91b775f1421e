"""Some submissions to one task side by side."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import gradio as gr

from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.comparison import LEAST, MOST, Comparison, chosen
from dambench_hub.leaderboard.web.drawing.maps import Atlas
from dambench_hub.leaderboard.web.drawing.panels import atlas_of, comparison_panels, spectra
from dambench_hub.leaderboard.web.drawing.station_panels import station_panels
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.address import Address, Query, choice
from dambench_hub.leaderboard.web.pages.events import WAITING
from dambench_hub.leaderboard.web.pages.submission import (
    HIDDEN_REFERENCE,
    NO_PICTURES,
    NO_STATIONS,
)
from dambench_hub.leaderboard.web.ranking_table import tasks_in_order
from dambench_hub.scoring.diagnostics import Diagnostics


def build(site: Site) -> None:
    """Lay the page out; task, methods and channel come from the address."""
    tasks = tasks_in_order(site)
    address = Address()
    choice("Task", "task", [(name, name) for name in tasks], resets="of channel a b")
    methods = gr.HTML(WAITING, apply_default_css=False)
    body = gr.HTML(apply_default_css=False)
    channels = gr.HTML(apply_default_css=False)
    panels = gr.HTML(apply_default_css=False)

    def show(query: Query, request: gr.Request) -> tuple[Any, ...]:
        older = [query[name] for name in ("a", "b") if query.get(name)]  # as links once were
        wanted = older or query.get("of", "").split(",")
        task = _task_of(site, older) if older else query.get("task", "")
        task = task if task in site.tasks else tasks[0]
        entries = site.store.ranking(task, site.data.revision).entries
        ids = chosen(entries, wanted)
        offered = render(
            "compare_methods",
            entries=entries,
            least=LEAST,
            most=MOST,
            remember=f"task={task}&of={','.join(ids)}&a=&b=" if older else "",
        )
        comparison = Comparison.of(site, task, ids)
        if comparison is None:
            return offered, render("compare_few", task=task, entries=entries), "", ""
        names = comparison.channels
        options = [(name, name) for name in names]
        return (
            offered,
            render("compare", comparison=comparison),
            render("choice", title="Channel", name="channel", options=options, resets="")
            if names
            else "",
            _panels(site, comparison, query.get("channel", "")),
        )

    address.follow(show, [methods, body, channels, panels])


def _task_of(site: Site, ids: list[str]) -> str:
    """The task in which the first known of these submissions is ranked."""
    for name in site.tasks:
        ranked = {e.submission for e in site.store.ranking(name, site.data.revision).entries}
        if ranked & set(ids):
            return name
    return ""


def _panels(site: Site, comparison: Comparison, channel: str) -> str:
    names = comparison.channels
    if not names:
        absent = NO_STATIONS if comparison.at_stations else NO_PICTURES
        return render("submission_panels", lines="", groups=[], spectra="", absent=absent)
    if comparison.at_stations:
        errors = tuple((one.name, one.stations) for one in comparison.methods if one.stations)
        return station_panels(errors, channel if channel in names else names[0], background=False)
    methods = tuple((one.name, one.diagnostics) for one in comparison.methods if one.diagnostics)
    return _drawn(atlas_of(site), methods, channel if channel in names else names[0])


@lru_cache(maxsize=64)
def _drawn(atlas: Atlas, methods: tuple[tuple[str, Diagnostics], ...], channel: str) -> str:
    curves = {
        name: diagnostics.analysis.spectra[diagnostics.shown.index(channel)]
        for name, diagnostics in methods
    }
    has_maps = all(diagnostics.has_maps for _, diagnostics in methods)
    return render(
        "submission_panels",
        lines=atlas.lines,
        groups=comparison_panels(atlas, dict(methods), channel) if has_maps else [],
        spectra=spectra(curves, methods[0][1], channel),
        channel=parse_channel(channel).long_name,
        absent=HIDDEN_REFERENCE,
    )
