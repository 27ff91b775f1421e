"""What a long comparison has scored, kept as it goes, so that a stopped one goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dambench_hub.errors import ScoreError
from dambench_hub.runtime.differences import require_same
from dambench_hub.runtime.files import write_atomic


class KeptScores:
    """Scores by what they are of, in a JSON file that is written anew with each.

    Args:
        path: Of the file, which may be there already; None keeps them in memory alone.
        settings: What all scores depend on, JSON.

    Raises:
        ScoreError: When the file is of other settings, or holds no such scores.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]) -> None:
        self.path, self.settings = path, _as_json(settings)
        self.cells: list[dict[str, Any]] = []
        if path and path.exists():
            self._read(path)

    def of(self, key: Mapping[str, Any], score: Callable[[], Any]) -> Any:
        """The scores of a key: those that are kept, or what `score` gives, JSON.

        Args:
            key: What, beside the settings, they depend on, JSON.
            score: Called where they are not there yet.

        Raises:
            DambenchError: When the file cannot be written.
        """
        key = _as_json(key)
        for cell in self.cells:
            if cell == {**key, "scores": cell["scores"]}:
                return cell["scores"]
        scores = _as_json(score())
        self.cells.append({**key, "scores": scores})
        if self.path:
            text = json.dumps({**self.settings, "cells": self.cells}, indent=1)
            write_atomic(self.path, text + "\n")
        return scores

    def _read(self, path: Path) -> None:
        try:
            settings = json.loads(path.read_text("utf-8"))
            self.cells = settings.pop("cells")
            for cell in self.cells:
                cell["scores"]
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ScoreError(
                f"{path} is in the way: it holds no scores of a comparison ({error!r}). Move it "
                "away, or choose another --out."
            ) from error
        place = f"{path} holds scores of another comparison"
        require_same(place, settings, self.settings, ScoreError)


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))
