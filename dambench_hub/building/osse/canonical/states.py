"""The shipped numbers as fields of the circulation model again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from dambench_hub.building.osse.canonical.index import Index, ShippedFile
from dambench_hub.building.osse.canonical.model_fields import NAMES, from_numbers
from dambench_hub.building.osse.canonical.packed_integers import unpack

GEOGRAPHY = "geography.safetensors"
OWNERS = ("reference", "background")


class CanonicalStates:
    """The model's states on the days of a canonical preset, as `archive.States`.

    A file is unpacked whole when the first of its days is asked for. Numbers are steps times whole
    numbers, s k for the reference and s (k + k_b) for the background; those of a member are the
    background's plus s' k_m. `from_numbers` makes fields of them, all in double precision.

    Args:
        index: What is shipped.
        preset: `mini`, for example.
    """

    def __init__(self, index: Index, preset: str) -> None:
        self.index = index
        self.days = {split: days.times for split, days in index.presets[preset].items()}
        self.geography: Mapping[str, np.ndarray] = load_file(
            index.path(GEOGRAPHY, index.geography_sha256)
        )
        self._unpacked = lru_cache(2)(self._unpack)  # one of states, one of members

    def fields(self, split: str, index: int) -> dict[str, np.ndarray]:
        """`reference/NAME` and `background/NAME` of one example, float64, shaped as the model's."""
        return {
            f"{owner}/{name}": from_numbers(name, numbers, self.index.shapes[name])
            for (owner, name), numbers in self._numbers(split, index).items()
        }

    def members(self, split: str, index: int) -> dict[str, np.ndarray]:
        """`members/NAME` of one example, float64, (M, *)."""
        backgrounds, (file, row) = self._numbers(split, index), self._find(split, index, True)
        members = {}
        for name in NAMES:
            step, whole = self.index.steps[f"members/{name}"], self._unpacked(file)[name][row]
            numbers = backgrounds["background", name] + step[:, None] * whole
            members[f"members/{name}"] = from_numbers(name, numbers, self.index.shapes[name])
        return members

    def _numbers(self, split: str, index: int) -> dict[tuple[str, str], np.ndarray]:
        """Numbers of reference and background, (K, N), by owner and name."""
        file, row = self._find(split, index, False)
        numbers = {}
        for name in NAMES:
            whole, difference = (
                self._unpacked(file)[f"{owner}/{name}"][row].astype(np.int64) for owner in OWNERS
            )
            step = self.index.steps[name][:, None]
            numbers["reference", name] = step * whole
            numbers["background", name] = step * (whole + difference)
        return numbers

    def _find(self, split: str, index: int, members: bool) -> tuple[ShippedFile, int]:
        """Which file has a day of a split, and where."""
        day = str(self.days[split][index])
        for file in self.index.files:
            if file.split == split and file.members == members and day in file.days:
                return file, file.days.index(day)
        raise KeyError(f"There is no {'ensemble' if members else 'state'} of {split} {day}.")

    def _unpack(self, file: ShippedFile) -> dict[str, np.ndarray]:
        """Whole numbers of all days: (n, K, N), or (n, M, K, N) of members."""
        leading = (len(file.days), self.index.ensemble_size) if file.members else (len(file.days),)
        owners = ("",) if file.members else tuple(f"{owner}/" for owner in OWNERS)
        found = {}
        with safe_open(self.index.path(file.path, file.sha256), "numpy") as tensors:
            for key in (f"{owner}{name}" for owner in owners for name in NAMES):
                mean = tensors.get_tensor(f"{key}/mean")
                shape = (int(np.prod(leading)), *mean.shape)
                whole = unpack(tensors.get_tensor(key).tobytes(), shape)
                found[key] = (whole + mean).reshape(*leading, *mean.shape)
        return found
