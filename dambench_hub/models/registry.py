"""Which methods there are, and the one that a name or a folder stands for.

`load_method` imports a method's module when it is asked for, so that listing or using the classical
methods needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from dambench_hub.data.batch import Batch
from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.models.base import Assimilator
from dambench_hub.runtime.files import local_path

METHODS = {
    "background": "Background",
    "optimal_interpolation": "OptimalInterpolation",
    "var3d": "Var3D",
    "var4d": "Var4D",
    "weak_var4d": "WeakVar4D",
    "letkf": "LETKF",
    "enkf": "EnKF",
    "hybrid": "Hybrid",
    "particle_filter": "ParticleFilter",
    "adas": "Adas",
    "conv_cnp": "ConvCNP",
    "fnp": "FNP",
    "vae_var": "VAEVar",
    "sda": "SDA",
    "slams": "SLAMS",
}
"""Class of each method; its name is that of its module."""

CLASSICAL = (
    "background",
    "optimal_interpolation",
    "var3d",
    "var4d",
    "weak_var4d",
    "letkf",
    "enkf",
    "hybrid",
    "particle_filter",
)
"""The methods that need no torch, and no training beforehand."""

MULTI = "multi_"
"""Before the name of a learned method: the same with the adapter for modalities."""


def __getattr__(name: str) -> Any:
    """The class of that name, imported when it is first asked for."""
    for module, class_name in METHODS.items():
        if name == class_name:
            return method_class(module)
    raise AttributeError(f"module {__name__} has no attribute {name!r}")


def method_class(name: str) -> type[Assimilator]:
    """The class of the method called `name`.

    Raises:
        TaskError: When there is no such method, or it needs a package that is not installed.

    >>> method_class("background").__name__
    'Background'
    """
    host = name.removeprefix(MULTI)
    if host not in METHODS or (host != name and host in CLASSICAL):
        known = [*METHODS, *(MULTI + method for method in METHODS if method not in CLASSICAL)]
        raise TaskError(f"Unknown method {name!r}. {did_you_mean(name, known)}")
    try:
        found = getattr(import_module(f"dambench_hub.models.{host}"), METHODS[host])
        if host == name:
            return found
        return import_module("dambench_hub.models.multi_modal").multi_modal(found)
    except ModuleNotFoundError as error:
        raise TaskError(
            f"{name} needs {error.name}: install it with pip install 'dambench-hub[train]'."
        ) from error


def load_method(
    name_or_folder: str | Path, training: Iterable[Batch] = (), **options: Any
) -> Assimilator:
    """A method ready to assimilate.

    Args:
        name_or_folder: A classical method's name fits it to `training`; the folder of a trained
            model or of its training, or its id on the Hub, brings its parameters along.
        training: Batches of the training split, read once if at all: `data.batches(task, "train")`.
        options: Of a classical method that is fitted.

    Raises:
        TaskError: When there is no such method, or it has to be trained first.
        DataError: When the folder is not that of a trained model.
    """
    path = local_path(name_or_folder)
    if not path.is_dir() and len(path.parts) == 1:
        return method_class(str(name_or_folder)).fit(training, **options)
    from dambench_hub.models.pretrained import read_method, resolve_folder, trained_folder

    folder = trained_folder(resolve_folder(name_or_folder))
    return method_class(read_method(folder)).load(folder)
