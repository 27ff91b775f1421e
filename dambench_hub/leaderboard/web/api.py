"""What programs may ask the board, by the names that stay the same: `gradio_client` and plain HTTP.

Three endpoints of Gradio's API, `/tasks`, `/leaderboard` and `/submission`, and three files for
each task: `/export/TASK.csv`, `/export/TASK.json`, and `/export/TASK.parquet` with the scores by
day, channel and region behind the ranking.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from fastapi import APIRouter, HTTPException, Response

from dambench_hub.errors import DambenchError, did_you_mean
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.exports import rankings_csv
from dambench_hub.leaderboard.store.ranking import Ranking
from dambench_hub.leaderboard.store.raw_scores import as_parquet, raw_scores
from dambench_hub.leaderboard.web.receipt import Receipt


def build(site: Site) -> None:
    """Add the endpoints to the blocks that are being laid out."""

    def tasks() -> list[dict[str, Any]]:
        """The tasks of the board, with what is scored and how many results each has."""
        return [
            {
                "name": task.name,
                "description": task.description,
                "main_score": task.main_score,
                "times": len(task.times(site.data.manifest)),
                "dataset": site.data.manifest.name,
                "dataset_revision": site.data.revision,
                "entries": len(site.store.ranking(task.name, site.data.revision).entries),
            }
            for task in site.tasks.values()
        ]

    def leaderboard(task: str, revision: str = "") -> list[dict[str, Any]]:
        """The ranking of a task, best first, with all scores; `revision` is of the data set."""
        try:
            return entries(_ranking(site, task, revision))
        except DambenchError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def submission(id: str) -> dict[str, Any]:
        """A submission that everybody may see: its state, rank and scores."""
        if (receipt := Receipt.of(site, id, None)) is None:
            raise gr.Error("There is no such submission.", print_exception=False)
        one = receipt.submission
        shown = {name: getattr(one, name) for name in ("id", "name", "task", "state")}
        shown |= {"owner": one.owner.name, "submitted_at": one.received_at}
        shown["badge"] = str(one.badge)
        shown["rank"] = receipt.entry.rank if receipt.entry else None
        return shown | {"result": receipt.result.to_dict() if receipt.result else None}

    for function in (tasks, leaderboard, submission):
        gr.api(function, api_name=function.__name__, queue=False)


def exports(site: Site) -> APIRouter:
    """Routes of the files that a ranking can be downloaded as."""
    router = APIRouter()

    @router.get("/export/{task}.csv")
    def table(task: str) -> Response:
        return _file(rankings_csv([_found(site, task)]), f"{task}.csv", "text/csv")

    @router.get("/export/{task}.json")
    def scores(task: str) -> Response:
        text = json.dumps(entries(_found(site, task)), allow_nan=False)
        return _file(text, f"{task}.json", "application/json")

    @router.get("/export/{task}.parquet")
    def raw(task: str) -> Response:
        found = raw_scores(site.store, _found(site, task))
        if not len(found):
            raise HTTPException(404, f"No errors by day are kept of results of the task {task}.")
        return _file(as_parquet(found), f"{task}.parquet", "application/vnd.apache.parquet")

    return router


def entries(ranking: Ranking) -> list[dict[str, Any]]:
    """What `dambench leaderboard --json` prints, with the id of each submission and its owner."""
    return [
        row
        | {"submission": entry.submission, "owner": entry.owner.name, "baseline": entry.baseline}
        | {"badge": str(entry.badge)}
        for entry, row in zip(ranking.entries, ranking.to_dicts(), strict=True)
    ]


def _ranking(site: Site, task: str, revision: str) -> Ranking:
    """The ranking of a task of this site.

    Raises:
        DambenchError: When there is no such task; the message names the closest one.
    """
    if task not in site.tasks:
        raise DambenchError(f"Unknown task {task[:80]!r}. {did_you_mean(task[:80], site.tasks)}")
    return site.store.ranking(task, revision or site.data.revision)


def _found(site: Site, task: str) -> Ranking:
    try:
        return _ranking(site, task, "")
    except DambenchError as error:
        raise HTTPException(404, str(error)) from error


def _file(content: str | bytes, name: str, kind: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    encoding = "; charset=utf-8" if isinstance(content, str) else ""
    return Response(content, media_type=kind + encoding, headers=headers)
