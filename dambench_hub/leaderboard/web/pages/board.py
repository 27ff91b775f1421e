"""The first page: the ranking of each task."""

from __future__ import annotations

import gradio as gr

from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import Ranking
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.pages.address import Address, Query, choice
from dambench_hub.leaderboard.web.pages.events import WAITING
from dambench_hub.leaderboard.web.ranking_table import (
    OVERVIEW,
    RMSE,
    Board,
    table_views,
    tasks_in_order,
)
from dambench_hub.tasks.task import Task


def build(site: Site) -> None:
    """Lay the page out; the address says task, view and score."""
    tasks = tasks_in_order(site)
    address = Address()
    choice("Task", "task", [(name, name) for name in tasks])
    choice("Show", "view", table_views(site))
    table = gr.HTML(WAITING, apply_default_css=False, elem_classes="whole")
    tables = Tables(site)

    def show(query: Query, request: gr.Request) -> str:
        task = site.tasks.get(query.get("task", "")) or site.tasks[tasks[0]]
        return tables.html(task, query.get("view", OVERVIEW), query.get("score", RMSE), request)

    address.follow(show, table)


class Tables:
    """The tables as HTML; what everybody sees alike is rendered once, until the ranking changes."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.known: dict[tuple[str, str, str], tuple[Ranking, str]] = {}

    def html(self, task: Task, view: str, measure: str, request: gr.Request) -> str:
        """The table of a task for who asks."""
        person = self.site.sign_in.person(request)
        board = Board(self.site, task, view, measure, person.id if person else None)
        if board.any_mine:
            return render("board", board=board)
        place = (task.name, board.view, board.measure)
        ranking, html = self.known.get(place, (None, ""))
        if ranking is not board.ranking:
            html = render("board", board=board)
            self.known[place] = (board.ranking, html)
        return html
