"""Which methods there are, and the one that a name or a folder stands for.

There are DAMBench's own, and those of other packages, see `entry_points`. A method's module is
imported when it is asked for, so that listing or using the classical methods needs no torch.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from dambench_hub.data.batch import Batch
from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.models.base import Assimilator
from dambench_hub.models.entry_points import packaged_class, packaged_methods, release, removal
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
"""Class of each of DAMBench's own methods; its name is that of its module."""

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
"""Those of them that need no torch, and no training beforehand."""

WITHOUT_TRAINING = {"optimal_interpolation": "StationInterpolation"}
"""Class of a method where a data set has no training split, by name; others are not possible."""

MULTI = "multi_"
"""Before the name of a learned method: the same with the adapter for modalities."""


NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a method may be called: behind a hyphen stands a seed."""


def __getattr__(name: str) -> Any:
    """The class of that name, imported when it is first asked for."""
    for module, class_name in METHODS.items():
        if name == class_name:
            return _own_class(module)
    raise AttributeError(f"module {__name__} has no attribute {name!r}")


def method_names() -> list[str]:
    """DAMBench's own methods, then those of other packages, all without `multi_`."""
    return [*METHODS, *sorted(packaged_methods().keys() - METHODS.keys())]


def names_method(text: str | Path) -> bool:
    """Whether a text is to be read as a method's name, known or not, and not as a model's place.

    A folder goes before an unknown name, and, if it holds a model, before a known one.
    """
    path = local_path(text)
    if len(path.parts) != 1 or not path.is_dir():
        return len(path.parts) == 1
    from dambench_hub.models.pretrained import CONFIG, RUN_CONFIG

    known = str(text).removeprefix(MULTI) in method_names()
    return known and not any((path / file).exists() for file in (CONFIG, RUN_CONFIG))


def method_class(name: str) -> type[Assimilator]:
    """The class of the method called `name`.

    Raises:
        TaskError: When there is no such method, it needs a package that is not installed, or the
            package that brings it is at fault; see `packaged_class`.

    >>> method_class("background").__name__
    'Background'
    """
    host = name.removeprefix(MULTI)
    for one in name, host:
        _refuse_taken(one)
    found = _own_class(host) if host in METHODS else packaged_class(host)
    if found is None or (host != name and not found.needs_training):
        learned = [MULTI + method for method in METHODS if method not in CLASSICAL]
        raise TaskError(
            f"Unknown method {name!r}. {did_you_mean(name, [*method_names(), *learned])} A method "
            "of another package is known once that is installed."
        )
    if host == name:
        return found
    return import_module("dambench_hub.models.multi_modal").multi_modal(found)


def untrained_class(name: str) -> type[Assimilator]:
    """The class of a method for a data set that has no training split.

    Raises:
        TaskError: When the method has to learn from one, or there is no such method.
    """
    found = method_class(name)
    if name in WITHOUT_TRAINING:
        return import_module("dambench_hub.models.station_interpolation").StationInterpolation
    if inspect.getattr_static(found, "fit") is inspect.getattr_static(Assimilator, "fit"):
        return found
    possible = ", ".join(["background", *WITHOUT_TRAINING])
    raise TaskError(
        f"{name} learns from a training split, and the data set has none. Without one there are "
        f"{possible}, and trained models."
    )


def _own_class(name: str) -> type[Assimilator]:
    """The class of one of DAMBench's own methods."""
    try:
        return getattr(import_module(f"dambench_hub.models.{name}"), METHODS[name])
    except ModuleNotFoundError as error:
        raise TaskError(
            f"{name} needs {error.name}: install it with pip install 'dambench-hub[train]'."
        ) from error


def _refuse_taken(name: str) -> None:
    """Refuse a name that stands for two things, or would be read as another one's.

    Raises:
        TaskError: When a package gives its method such a name.
    """
    for point in packaged_methods().get(name, []):
        if name not in METHODS and NAME.fullmatch(name) and not name.startswith(MULTI):
            continue
        why = "which DAMBench has itself" if name in METHODS else "which no method may have"
        raise TaskError(
            f"The package {release(point)} calls a method {name!r}, {why}. Give it another name "
            f"of small letters, digits and _, not beginning with {MULTI}, in its class and its "
            f"entry point, or remove the package: {removal(point)}."
        )


def load_method(
    name_or_folder: str | Path, training: Iterable[Batch] | None = (), **options: Any
) -> Assimilator:
    """A method ready to assimilate.

    Args:
        name_or_folder: The name of a method that needs no training fits it to `training`; the
            folder of a trained model or of its training, or its id on the Hub, brings its
            parameters along.
        training: Batches of the training split, read once if at all: `data.batches(task, "train")`.
            None where the data set has no such split.
        options: Of a method that is fitted.

    Raises:
        TaskError: When there is no such method, or it has to be trained first.
        DataError: When the folder is not that of a trained model.
    """
    if names_method(name_or_folder):
        if training is None:
            return untrained_class(str(name_or_folder)).fit((), **options)
        return method_class(str(name_or_folder)).fit(training, **options)
    from dambench_hub.models.pretrained import read_method, resolve_folder, trained_folder

    folder = trained_folder(resolve_folder(name_or_folder))
    return method_class(read_method(folder)).load(folder)
