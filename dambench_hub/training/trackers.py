"""Where the metrics of a training go: always to `metrics.jsonl`, and to a tracker if asked."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate.tracking import GeneralTracker
from accelerate.utils import is_tensorboard_available, is_trackio_available

from dambench_hub.runtime.files import write_atomic, writing

AVAILABLE = {"trackio": is_trackio_available, "tensorboard": is_tensorboard_available}
"""Tells of each tracker whether its package is installed."""


class JsonLines(GeneralTracker):
    """A file with one JSON object a line, which has a `step`.

    Args:
        path: The file; lines are appended to what is there.
    """

    name = "jsonl"
    requires_logging_directory = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def tracker(self) -> Path:
        """The file."""
        return self.path

    def log(self, values: Mapping[str, Any], step: int | None = None, **options: Any) -> None:
        """Append a line; a number that is not finite becomes null, as JSON has none."""
        line = json.dumps({"step": step, **{key: _finite(v) for key, v in values.items()}})
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def drop_after(self, step: int) -> None:
        """Remove the lines of later steps, and one that a killed process left half-written."""
        if self.path.exists():
            lines = self.path.read_text("utf-8").splitlines()
            kept = [line for line in lines if _step(line) <= step]
            write_atomic(self.path, "".join(f"{line}\n" for line in kept))


def trackers(name: str, metrics: Path) -> list[GeneralTracker | str]:
    """What `Accelerator(log_with=…)` takes.

    Args:
        name: `trackio`, `tensorboard` or `none`. A tracker that is not installed is left out, which
            is said.
        metrics: The file that always gets the metrics.
    """
    chosen: list[GeneralTracker | str] = [JsonLines(metrics)]
    if name in AVAILABLE and AVAILABLE[name]():
        chosen.append(name)
    elif name != "none":
        print(
            f"{name} is not installed (pip install {name}); metrics go to {metrics} only.",
            file=sys.stderr,
        )
    return chosen


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _step(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
