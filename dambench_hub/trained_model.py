"""The folder of a trained model: where in a training's folder it lies, its name, its history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dambench_hub.errors import DataError
from dambench_hub.models.pretrained import CONFIG, TRAINING, read_method

CHECKPOINTS = ("best", "last")
"""Folders of a training that hold a trained model, the better one first."""

RUN_CONFIG = "config.yaml"
"""What a training was asked to do: flat YAML, in the folder above its checkpoints."""


def trained_folder(folder: Path) -> Path:
    """The folder of the trained model: the given one, or the best checkpoint of a training.

    Raises:
        DataError: When there is none.
    """
    for place in folder, *(folder / name for name in CHECKPOINTS):
        if (place / CONFIG).exists():
            return place
    if (folder / RUN_CONFIG).exists():
        raise DataError(
            f"The training in {folder} has no trained model yet; its first validation makes one."
        )
    raise DataError(
        f"{folder} is no trained model: {CONFIG} is missing. Give the folder of a model, or of the "
        "training that made it."
    )


def model_name(folder: Path) -> str:
    """What a trained model is called: as its folder, or as that of its training."""
    whole = folder.resolve()
    return (whole.parent if whole.name in CHECKPOINTS else whole).name


def training_file(folder: Path) -> Path | None:
    """The file in which its training noted how a model was trained; None if there is none.

    Args:
        folder: Of the model. What lies inside goes before what the training's folder says.

    Raises:
        DataError: When a file cannot be read.
    """
    for path in folder / TRAINING, folder.resolve().parent / RUN_CONFIG:
        if path.exists() and _read(path).get("method") == read_method(folder):
            return path
    return None


def training_record(folder: Path) -> dict[str, Any]:
    """What the `training_file` says, empty if there is none.

    Raises:
        DataError: When a file cannot be read.
    """
    path = training_file(folder)
    return _read(path) if path else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        record = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read ({error}). Mend it or move it away.") from error
    return record if isinstance(record, dict) else {}
