"""Methods as commands ask for them: found, given their options, a device and a seed, described."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from dambench_hub.data.dataset import Data
from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.models.base import Assimilator, option_names
from dambench_hub.models.pretrained import (
    model_name,
    resolve_folder,
    trained_folder,
    training_record,
)
from dambench_hub.models.registry import MULTI, method_class, method_names, names_method
from dambench_hub.runtime.files import local_path
from dambench_hub.tasks.task import Task


def find_method(method: str, revision: str | None = None) -> tuple[str, Path | None]:
    """What METHOD is called, and its folder if it is a trained one.

    Raises:
        TaskError: When a revision is asked for of what is not on the Hub.
        DataError: When the folder is not that of a trained model.
    """
    path, named = local_path(method), names_method(method)
    if revision and (path.is_dir() or named):
        raise TaskError(f"--revision is for methods on the Hub, and {method} is here already.")
    if named:
        return method, None
    if path.is_dir():
        folder = trained_folder(path)
        return model_name(folder), folder
    return path.name, resolve_folder(method, revision)


def read_options(method: str, texts: Sequence[str]) -> dict[str, Any]:
    """Options of a method that is fitted, from texts like `localisation_km=1500`.

    Raises:
        TaskError: When the method has no such option, or a text is none; names those it has.
    """
    if not texts:
        return {}
    found = method_class(method) if names_method(method) else None
    known = option_names(found) if found and not found.needs_training else []
    if not known:
        raise TaskError(f"{method} has no options; leave --option out.")
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise TaskError(f"Wanted is an option like {known[0]}=VALUE, got {text!r}.")
        if name not in known:
            raise TaskError(f"{method} has no option {name!r}. {did_you_mean(name, known)}")
        options[name] = yaml.safe_load(value)
    return options


def require_modalities(method: Assimilator, task: Task, data: Data) -> None:
    """Refuse a multi-modal method where there is only one kind of observations.

    Raises:
        TaskError: When it is one.
    """
    if not method.name.startswith(MULTI) or task.modalities(data.manifest):
        return
    advice = (
        f"use --task {'multimodal-cycling' if task.cycle_hours else 'multimodal'}"
        if data.manifest.modalities
        else f"the data set {data.manifest.name} has none"
    )
    raise TaskError(
        f"{method.name} needs modalities, which the task {task.name} does not give: {advice}, or "
        f"use {method.name.removeprefix(MULTI)}."
    )


def prepare(method: Assimilator, device: str, seed: int) -> Any:
    """Set seed and device; a learned method's source of randomness, else None.

    Raises:
        TaskError: When a method without torch is asked to run on another device than the CPU, or
            the device is not there.
    """
    if not hasattr(method, "to"):
        if device not in ("auto", "cpu"):
            raise TaskError(f"{method.name} runs on the CPU; leave --device {device} out.")
        if hasattr(method, "seed"):
            method.seed = seed
        return None
    import torch

    from dambench_hub.models.devices import find_device

    found = find_device(device)
    method.to(found)
    return torch.Generator(found).manual_seed(seed)


def sampling_methods() -> list[str]:
    """Names of the methods that draw samples of the posterior."""
    found = []
    for name in method_names():
        with suppress(TaskError):  # its packages are not installed, or it is at fault
            if "members" in inspect.signature(method_class(name)).parameters:
                found.append(name)
    return found


def described(method: Assimilator, folder: Path | None) -> Mapping[str, str | int]:
    """What a prediction file says of a method, as far as it is known."""
    about: dict[str, str | int] = {}
    if hasattr(method, "parameter_count"):
        about["parameters"] = method.parameter_count
    record = training_record(folder) if folder else {}
    if {"data_name", "data_revision"} <= record.keys():
        about["training_data"] = f"{record['data_name']}, revision {record['data_revision']}"
    return about
