"""The first page: the ranking of each task."""

from __future__ import annotations

import gradio as gr

from dambench_hub.board.markup import render
from dambench_hub.board.pages import QUIET, WAITING
from dambench_hub.board.site import Site
from dambench_hub.board.views import FIRST_TASKS, OVERVIEW, Board, tasks_in_order, views

FIRST_TASK = FIRST_TASKS[0]
"""The one that a page shows unless it is asked for another."""


def build(site: Site) -> None:
    """Lay the page out; task and view come from the address, and stand there after a choice."""
    tasks = tasks_in_order(site)
    first = tasks[0]
    with gr.Row(elem_classes="controls"):
        plain = ["plain", "tabs-like"]
        task = gr.Radio(tasks, value=first, label="Task", elem_classes=plain, elem_id="task")
    with gr.Row(elem_classes="controls"):
        view = gr.Radio(
            views(site), value=OVERVIEW, label="Show", elem_classes=plain, elem_id="view"
        )
    table = gr.HTML(WAITING, apply_default_css=False, elem_id="board", min_height=480)

    def show(task: str, view: str, request: gr.Request) -> str:
        person = site.sign_in.person(request)
        chosen = site.tasks.get(task) or site.tasks[first]
        board = Board(site, chosen, view, person.id if person else None)
        return render("board", board=board)

    def arrive(request: gr.Request) -> tuple[str, str, str]:
        task = request.query_params.get("task", first)
        task = task if task in site.tasks else first
        view = request.query_params.get("view", OVERVIEW)
        view = view if view in [name for _, name in views(site)] else OVERVIEW
        return task, view, show(task, view, request)

    gr.on(None, arrive, [], [task, view, table], **QUIET)
    gr.on([task.input, view.input], show, [task, view], table, **QUIET)
