"""Two submissions side by side."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import gradio as gr

from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.web.drawing.maps import Atlas
from dambench_hub.leaderboard.web.drawing.panels import atlas_of, comparison_panels, spectra
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.events import QUIET, WAITING, take_any_text
from dambench_hub.leaderboard.web.pages.submission import HIDDEN_REFERENCE, NO_PICTURES
from dambench_hub.leaderboard.web.paired_comparison import PairedComparison, find_comparison
from dambench_hub.leaderboard.web.ranking_table import tasks_in_order
from dambench_hub.scoring.diagnostics import Diagnostics

CHOOSE = "Choose two methods of one task."


def build(site: Site) -> None:
    """Lay the page out; the two come from the address, `?a=` and `?b=`, or are chosen here."""
    plain = ["plain"]
    with gr.Row(elem_classes="controls"):
        task = gr.Dropdown(tasks_in_order(site), label="Task", elem_classes=plain)
        first = take_any_text(gr.Dropdown([], label="First", elem_classes=plain))
        second = take_any_text(gr.Dropdown([], label="Second", elem_classes=plain))
    body = gr.HTML(WAITING, apply_default_css=False, min_height=320)
    channel = take_any_text(
        gr.Radio([], label="Channel", elem_classes=["plain", "tabs-like"], visible=False)
    )
    panels = gr.HTML(apply_default_css=False)
    shown = [first, second, body, channel, panels]

    def arrive(request: gr.Request) -> tuple[Any, ...]:
        wanted = [request.query_params.get(name, "") for name in ("a", "b")]
        chosen = request.query_params.get("task", "") or _task_of(site, wanted)
        chosen = chosen if chosen in site.tasks else tasks_in_order(site)[0]
        return chosen, *_choose(site, chosen, *wanted)

    def change_task(task: str) -> tuple[Any, ...]:
        return _choose(site, task, "", "")

    def change(task: str, first: str, second: str) -> tuple[Any, ...]:
        return _choose(site, task, first, second)

    def change_channel(task: str, first: str, second: str, channel: str) -> str:
        both = find_comparison(site, task, first, second)
        return _panels(site, both, channel) if both else ""

    gr.on(None, arrive, [], [task, *shown], **QUIET)
    task.input(change_task, task, shown, **QUIET)
    gr.on([first.input, second.input], change, [task, first, second], shown, **QUIET)
    channel.input(change_channel, [task, first, second, channel], panels, **QUIET)


def _task_of(site: Site, ids: list[str]) -> str:
    """The task in which the first known of these submissions is ranked."""
    for name in site.tasks:
        ranked = {e.submission for e in site.store.ranking(name, site.data.revision).entries}
        if ranked & set(ids):
            return name
    return ""


def _choose(site: Site, task: str, first: str, second: str) -> tuple[Any, ...]:
    """What the page shows: choices, the comparison, its channels and pictures."""
    entries = site.store.ranking(task, site.data.revision).entries if task in site.tasks else ()
    choices = [(f"{e.rank}  {e.name}", e.submission) for e in entries]
    known = [e.submission for e in entries]
    first = first if first in known else next((i for i in known if i != second), "")
    second = second if second in known else next((i for i in known if i != first), "")
    boxes = [gr.update(choices=choices, value=value or None) for value in (first, second)]
    both = find_comparison(site, task, first, second)
    if both is None:
        return *boxes, render("absent", message=CHOOSE), gr.update(visible=False), ""
    one, other = both.diagnostics
    channels = [name for name in one.shown if name in other.shown] if one and other else []
    return (
        *boxes,
        render("compare", comparison=both),
        gr.update(
            choices=channels, value=channels[0] if channels else None, visible=bool(channels)
        ),
        _panels(site, both, channels[0] if channels else ""),
    )


def _panels(site: Site, both: PairedComparison, channel: str) -> str:
    one, other = both.diagnostics
    if one is None or other is None or channel not in one.shown or channel not in other.shown:
        return render("submission_panels", lines="", groups=[], spectra="", absent=NO_PICTURES)
    return _drawn(atlas_of(site), (both.names[0], one), (both.names[1], other), channel)


@lru_cache(maxsize=64)
def _drawn(
    atlas: Atlas, first: tuple[str, Diagnostics], second: tuple[str, Diagnostics], channel: str
) -> str:
    curves = {
        name: diagnostics.analysis.spectra[diagnostics.shown.index(channel)]
        for name, diagnostics in (first, second)
    }
    has_maps = first[1].has_maps and second[1].has_maps
    return render(
        "submission_panels",
        lines=atlas.lines,
        groups=comparison_panels(atlas, first, second, channel) if has_maps else [],
        spectra=spectra(curves, first[1], channel),
        channel=parse_channel(channel).long_name,
        absent=HIDDEN_REFERENCE,
    )
