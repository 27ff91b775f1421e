"""Folders of trained models, here or on the Hub: their names, history, settings and weights."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from safetensors import SafetensorError

from dambench_hub.errors import DataError
from dambench_hub.runtime.files import local_path, sha256
from dambench_hub.runtime.settings import read_mapping, refuse_unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Model = TypeVar("Model", bound="torch.nn.Module")

CONFIG, WEIGHTS = "config.json", "model.safetensors"

FORMAT, FORMAT_VERSION = "format", 2
"""Key of `config.json`, and what this version writes.

From 2 on, what sees modalities sees their departures; 1, which had no such key, saw them raw.
"""

TRAINING_FILE = "training.yaml"
"""How a model that left its training was trained; need not be there."""

MODEL_FOLDERS = ("best", "last")
"""Folders of a training that hold a trained model, the better one first."""

RUN_CONFIG = "config.yaml"
"""What a training was asked to do: flat YAML, in the folder above its checkpoints."""


def resolve_folder(name: str | Path, revision: str | None = None) -> Path:
    """The folder of a model; one on the Hub is downloaded to the Hub's cache first.

    Raises:
        DataError: When there is neither such a folder nor such a model on the Hub.
    """
    folder = local_path(name)
    if folder.is_dir():
        return folder
    if len(folder.parts) != 2 or folder.is_absolute():
        raise DataError(f"There is no folder {name}; a model on the Hub is ORG/NAME.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                str(name), revision=revision, allow_patterns=[CONFIG, WEIGHTS, TRAINING_FILE]
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise DataError(
            f"{name} is neither a folder here nor a model that the Hub gives ({error})."
        ) from error


def trained_folder(folder: Path) -> Path:
    """The folder of the trained model: the given one, or the best checkpoint of a training.

    Raises:
        DataError: When there is none.
    """
    for place in folder, *(folder / name for name in MODEL_FOLDERS):
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
    return (whole.parent if whole.name in MODEL_FOLDERS else whole).name


def training_file(folder: Path) -> Path | None:
    """The file in which its training noted how a model was trained; None if there is none.

    Args:
        folder: Of the model. What lies inside goes before what the training's folder says.

    Raises:
        DataError: When a file cannot be read.
    """
    for path in folder / TRAINING_FILE, folder.resolve().parent / RUN_CONFIG:
        if path.exists() and _read_yaml(path).get("method") == read_method(folder):
            return path
    return None


def training_record(folder: Path) -> dict[str, Any]:
    """What the `training_file` says, empty if there is none.

    Raises:
        DataError: When a file cannot be read.
    """
    path = training_file(folder)
    return _read_yaml(path) if path else {}


def model_files(folder: Path | None) -> dict[str, str] | None:
    """Hashes of what a model's analyses depend on; None for a method that is not in a folder."""
    return {name: sha256(folder / name) for name in (CONFIG, WEIGHTS)} if folder else None


def read_method(folder: Path) -> str:
    """Which method a model folder is of.

    Raises:
        DataError: When it does not say.
    """
    method = read_mapping(folder / CONFIG, DataError, json.loads).get("method")
    if not isinstance(method, str):
        raise DataError(f"{folder / CONFIG} does not say which `method` it is for. Save it again.")
    return method


def read_config(folder: Path, model: type) -> dict[str, Any]:
    """The constructor's arguments of a saved model.

    Args:
        folder: Where it lies.
        model: Its class, with the attribute `name`.

    Raises:
        DataError: When the folder holds another method, keys that its class does not know, or a
            model that was trained on raw modalities.
    """
    config = read_mapping(folder / CONFIG, DataError, json.loads)
    method, version = config.pop("method", None), config.pop(FORMAT, 1)
    if method != model.name:  # type: ignore[attr-defined]
        raise DataError(
            f"{folder} holds the method {method}, not {model.name}. "  # type: ignore[attr-defined]
            "dambench_hub.models.load_method finds the right class."
        )
    if version not in range(1, FORMAT_VERSION + 1):
        raise DataError(
            f"{folder / CONFIG} has the format {version}, and this version reads up to "
            f"{FORMAT_VERSION}. Install a newer dambench-hub."
        )
    if version < FORMAT_VERSION and (config.get("modalities") or config.get("aux")):
        raise DataError(
            f"{folder} was trained on modalities as they are measured. Methods now see their "
            "departures from the background's equivalents, of which its weights know nothing. "
            "Train it again, from a trained model without modalities if there is one."
        )
    refuse_unknown(config, inspect.signature(model).parameters, str(folder / CONFIG), DataError)
    return config


def read_weights(folder: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All weights of a saved model, and no others.

    Args:
        folder: Where it lies.
        wanted: The model's `state_dict`, for names, shapes and types.

    Raises:
        DataError: When the weights are missing, damaged, a pickle, or of another model; the message
            lists all `weight_problems`.
    """
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    if not path.is_file():
        others = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLES)
        pickled = f" {', '.join(others)} may run code and is not read." if others else ""
        raise DataError(f"{folder} has no {WEIGHTS}.{pickled} Save the model again.")
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read as safetensors ({error}).") from error
    if problems := weight_problems(weights, wanted):
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise DataError(
            f"{path} does not fit the model of {CONFIG}:\n{listed}\n"
            "Save the model again, unquantised and with its own configuration."
        )
    return weights


def read_model(folder: Path, model: type[Model], device: torch.device | str) -> Model:
    """A trained model with its weights, not in training.

    Args:
        folder: Where its files lie.
        model: Class of the model, made by what `read_config` reads.
        device: Where the weights go.

    Raises:
        DataError: As `read_config` and `read_weights`.
    """
    made = model(**read_config(folder, model))
    made.load_state_dict(read_weights(folder, made.state_dict()))
    return made.to(device).eval()


def weight_problems(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Why weights are not those of a model, with at most a few names of each kind.

    Real numbers of another precision are taken and rounded, unless that made them infinite. Whole
    numbers are not: they are what a quantised model has, whose scales would be missed silently.

    Args:
        found: Weights by name.
        wanted: The model's `state_dict`, for names, shapes and types.
    """
    both = [name for name in sorted(wanted) if name in found]
    shapes = [
        f"{name} (shape {tuple(found[name].shape)}, wanted {tuple(wanted[name].shape)})"
        for name in both
        if found[name].shape != wanted[name].shape
    ]
    odd = [name for name in both if not _converts(_type(found[name]), _type(wanted[name]))]
    types = [f"{name} ({_type(found[name])}, wanted {_type(wanted[name])})" for name in odd]
    infinite = [name for name in both if name not in odd and bool(found[name].isinf().any())]
    kinds = {
        "are missing": sorted({*wanted} - {*found}),
        "are unknown to the model": sorted({*found} - {*wanted}),
        "have another shape": shapes,
        "have another type": types,
        "are infinite": infinite,
    }
    return [f"{len(names)} {what}: {_some(names)}." for what, names in kinds.items() if names]


FLOATS = ("float16", "bfloat16", "float32", "float64")


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _converts(found: str, wanted: str) -> bool:
    return found == wanted or {found, wanted} <= set(FLOATS)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        record = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read ({error}). Mend it or move it away.") from error
    return record if isinstance(record, dict) else {}
