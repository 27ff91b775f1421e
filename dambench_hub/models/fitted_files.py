"""The folder of a fitted method: `model.safetensors` and `config.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from dambench_hub.errors import DataError
from dambench_hub.runtime.files import write_atomic

Fitted = TypeVar("Fitted")

_WORDS = ("whole", "real")


def save_fitted(folder: Path, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write both files, each whole or not at all."""
    payload = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    write_atomic(Path(folder) / "model.safetensors", payload)
    write_atomic(Path(folder) / "config.json", json.dumps(config, indent=2) + "\n")


def load_fitted(
    folder: Path,
    kinds: Callable[[Mapping[str, Any]], Mapping[str, str]],
    build: Callable[[dict, dict], Fitted],
) -> Fitted:
    """Read what `save_fitted` wrote, and build the method from it.

    Args:
        folder: Where both files lie.
        kinds: Name of each array that belongs to a configuration, with the kind of its numbers:
            `f` real, `i` whole.
        build: Makes the method from configuration and arrays.

    Raises:
        DataError: When a file is missing or damaged, or no method comes of it.
    """
    try:
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        arrays = load_file(Path(folder) / "model.safetensors")
        expected = kinds(config)
        if missing := sorted(expected.keys() ^ arrays.keys()):
            raise ValueError(f"{', '.join(missing)}: not there, or not known")
        for name, kind in expected.items():
            if arrays[name].dtype.kind != kind:
                came, wanted = _WORDS[arrays[name].dtype.kind == "f"], _WORDS[kind == "f"]
                raise ValueError(f"{name} of {came} numbers, wanted {wanted} ones")
        return build(config, arrays)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(f"{folder} cannot be read ({error}). Fit the method again.") from error
