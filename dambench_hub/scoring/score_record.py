"""The scores of a baseline as a file: what tables are made of, without data and predictions.

A record is JSON: the result, errors by day and channel included, what the method costs, and the
command that makes its prediction file. Errors by day are kept to five digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.errors import ScoreError
from dambench_hub.runtime.files import write_atomic
from dambench_hub.scoring.evaluation import Result

FORMAT = "1"
NOT_KEPT = ("background_square_errors", "station_errors")
"""Of a result; errors by day of the background are in its own record."""
DIGITS = 5
"""Of errors by day."""


@dataclass(frozen=True)
class Cost:
    """What a method costs; None where it is not known, or there is none.

    Attributes:
        parameters: Trained numbers.
        training_minutes: Wall clock.
        seconds: Of an analysis, wall clock, on the machine that scored.
    """

    parameters: int | None = None
    training_minutes: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class ScoreRecord:
    """One baseline's scores.

    Attributes:
        name: Of the method, `METHOD-SEED` if it was trained.
        command: That makes its prediction file.
        cost: What it costs.
        result: Its scores without what is `NOT_KEPT`.
        std: Standard deviation of each channel in the training split, in its units, which a mean
            CRPS over channels needs; empty in records of earlier versions.
    """

    name: str
    command: str
    cost: Cost
    result: Result
    std: Mapping[str, float] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write `NAME.json`; its path."""
        result = {f.name: getattr(self.result, f.name) for f in fields(Result)}
        for name in NOT_KEPT:
            del result[name]
        result["square_errors"] = [
            [float(f"{x:.{DIGITS}g}") for x in day] for day in self.result.square_errors.tolist()
        ]
        content = {
            "format": FORMAT,
            "name": self.name,
            "command": self.command,
            "cost": asdict(self.cost),
            "std": dict(self.std),
            "result": result,
        }
        lines = (f"{json.dumps(key)}: {_lines(value)}" for key, value in content.items())
        path = folder / f"{self.name}.json"
        write_atomic(path, "{\n" + ",\n".join(lines) + "\n}\n")
        return path

    @classmethod
    def read(cls, path: Path) -> ScoreRecord:
        """A record from a file.

        Raises:
            ScoreError: When it is absent, damaged, or of a later format.
        """
        try:
            raw = json.loads(path.read_text("utf-8"))
            if raw["format"] != FORMAT:
                raise ScoreError(
                    f"{path} has format {raw['format']!r}, this package reads {FORMAT!r}. "
                    "Record the prediction again, or install the version that wrote it."
                )
            result = raw["result"]
            arrays = {name: tuple(result[name]) for name in ("sample_mse", "skill_by_day", "hours")}
            errors = {"square_errors": np.array(result["square_errors"], np.float64)}
            _require_whole(result["scores"], arrays)
            return cls(
                raw["name"],
                raw["command"],
                Cost(**raw["cost"]),
                Result(**result | arrays | errors),
                raw.get("std", {}),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ScoreError(f"{path} is not a record of scores ({error!r}).") from error


def _require_whole(scores: Any, by_day: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse scores that are none, and scores by day that are not one finite number for each day.

    Records of earlier versions do not know their days.

    Raises:
        ValueError: It says what is wrong.
    """
    if not isinstance(scores, dict) or not isinstance(scores.get("rmse"), dict):
        raise ValueError("its scores have no rmse")
    for name, values in by_day.items():
        if values and by_day["hours"] and len(values) != len(by_day["hours"]):
            raise ValueError(f"{len(values)} values of {name} for {len(by_day['hours'])} days")
        if not np.all(np.isfinite(np.array(values, np.float64))):
            raise ValueError(f"{name} has values that are not finite")


def _lines(value: Any) -> str:
    """JSON, with a line for each entry of an object, so that differences can be read."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False)
    entries = (f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in value.items())
    return "{\n" + ",\n".join(entries) + "}"
