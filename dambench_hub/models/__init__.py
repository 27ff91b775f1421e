"""Assimilation methods, one a file, found by name.

`load_method` imports a method's module when it is asked for, so that listing or using the classical
methods needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from dambench_hub.batch import Batch
from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.models.base import Assimilator

METHODS = {
    "background": "Background",
    "optimal_interpolation": "OptimalInterpolation",
}
"""Class of each method; its name is that of its module."""

__all__ = ["METHODS", "Assimilator", "load_method", "method_class"]


def method_class(name: str) -> type[Assimilator]:
    """The class of the method called `name`.

    Raises:
        TaskError: When there is no such method.

    >>> method_class("background").__name__
    'Background'
    """
    if name not in METHODS:
        raise TaskError(f"Unknown method {name!r}. {did_you_mean(name, METHODS)}")
    return getattr(import_module(f"{__name__}.{name}"), METHODS[name])


def load_method(name_or_folder: str | Path, training: Iterable[Batch] = ()) -> Assimilator:
    """A method ready to assimilate.

    Args:
        name_or_folder: A name fits the method to `training`; a folder that a method's `save` wrote
            brings its parameters along.
        training: Batches of the training split, read once if at all: `data.batches(task, "train")`.

    Raises:
        TaskError: When there is neither such a method nor such a folder.
    """
    config = Path(name_or_folder) / "config.json"
    if not config.is_file():
        return method_class(str(name_or_folder)).fit(training)
    try:
        name = json.loads(config.read_text(encoding="utf-8"))["method"]
    except (ValueError, KeyError, TypeError) as error:
        raise TaskError(
            f"{config} does not say which `method` it is for. Save it again."
        ) from error
    return method_class(name).load(config.parent)
