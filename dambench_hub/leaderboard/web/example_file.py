"""A prediction file to begin with: the background at the first time of a task."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from threading import Lock

from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse, Response

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.data_source import DataSource
from dambench_hub.leaderboard.site import Site
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.tasks.task import Task

log = logging.getLogger(__name__)

EXAMPLE = """import dambench_hub as db

task = db.load_task("{task}")
data = db.load_data({data!r})

def analyses():
    for batch in data.batches(task):
        mean = my_method(batch.without_reference())  # (B, C, Y, X), physical units
        yield db.Analysis(mean, time=batch.time)  # std= or members=, if it says how sure it is

db.write_predictions("mine.nc", analyses(), task=task, data=data, model_name="my method")
# Then look at it yourself:  dambench validate mine.nc --data {option}"""


def example(task: Task, source: DataSource) -> str:
    """Code that makes a prediction file for a task."""
    return EXAMPLE.format(task=task.name, data=source.name, option=source.option)


def add_template(app: FastAPI, site: Site) -> None:
    """Give the server the route of the templates, each made when it is first asked for."""
    folder = site.folder / "templates"
    lock = Lock()

    @app.get("/template/{task}.nc")
    def template(task: str) -> Response:
        if task not in site.tasks:
            return JSONResponse({"error": "There is no such task."}, 404)
        path = folder / f"{site.data.revision}-{task}.nc"
        try:
            with lock:
                if not path.is_file():
                    _write(path, site, site.tasks[task])
        except (DambenchError, OSError) as error:  # perhaps the disk is full
            log.error("The template of %s cannot be written: %s", task, error)
            message = "The template cannot be made at the moment. Use write_predictions instead."
            return JSONResponse({"error": message}, 507)
        return FileResponse(
            path, filename=f"{task}-first-time.nc", media_type="application/x-netcdf"
        )


def _write(path: Path, site: Site, task: Task) -> None:
    first = replace(task, stride=len(task.times(site.data.manifest)))
    background = site.data.background(task.split, 0)
    write_predictions(
        path, [Analysis(background[None])], task=first, data=site.data, model_name="template"
    )
