"""The first page: the ranking of each task."""

from __future__ import annotations

import gradio as gr

from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import Ranking
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.events import QUIET, WAITING
from dambench_hub.leaderboard.web.ranking_table import (
    OVERVIEW,
    Board,
    table_views,
    tasks_in_order,
)
from dambench_hub.tasks.task import Task


def build(site: Site) -> None:
    """Lay the page out; task and view come from the address, and stand there after a choice."""
    tasks = tasks_in_order(site)
    first = tasks[0]
    with gr.Row(elem_classes="controls"):
        plain = ["plain", "tabs-like"]
        task = gr.Radio(tasks, value=first, label="Task", elem_classes=plain, elem_id="task")
    with gr.Row(elem_classes="controls"):
        view = gr.Radio(
            table_views(site), value=OVERVIEW, label="Show", elem_classes=plain, elem_id="view"
        )
    table = gr.HTML(WAITING, apply_default_css=False, elem_id="board", min_height=480)

    tables = Tables(site)

    def show(task: str, view: str, request: gr.Request) -> str:
        return tables.html(site.tasks.get(task) or site.tasks[first], view, request)

    def arrive(request: gr.Request) -> tuple[str, str, str]:
        task = request.query_params.get("task", first)
        task = task if task in site.tasks else first
        view = request.query_params.get("view", OVERVIEW)
        view = view if view in [name for _, name in table_views(site)] else OVERVIEW
        return task, view, show(task, view, request)

    gr.on(None, arrive, [], [task, view, table], **QUIET)
    gr.on([task.input, view.input], show, [task, view], table, **QUIET)


class Tables:
    """The tables as HTML; what everybody sees alike is rendered once, until the ranking changes."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.known: dict[tuple[str, str], tuple[Ranking, str]] = {}

    def html(self, task: Task, view: str, request: gr.Request) -> str:
        """The table of a task for who asks."""
        person = self.site.sign_in.person(request)
        board = Board(self.site, task, view, person.id if person else None)
        if board.any_mine:
            return render("board", board=board)
        place = (task.name, board.view)
        ranking, html = self.known.get(place, (None, ""))
        if ranking is not board.ranking:
            html = render("board", board=board)
            self.known[place] = (board.ranking, html)
        return html
