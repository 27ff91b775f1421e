"""H of what gauges and satellites measure: a regression on the column above each point.

    y ≈ back(w(φ, fold) · f(x, t))

H is cross-fitted: each training year gets the weights of all other years, or each month those of
all other months, where there is one year only. An operator that has seen a day's observation would
explain part of its error, and departures in training would be smaller than those that a method
meets later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dambench_hub.errors import BuildError
from dambench_hub.estimation.column_regression import regressed
from dambench_hub.runtime.files import write_atomic
from dambench_hub.storage.statistics import Statistics

FORMAT = "1"
ALL = "all"
"""The fold of every split but the training split: all training years."""

Transform = Callable[[np.ndarray], np.ndarray]
SPACES: dict[str, tuple[Transform, Transform]] = {
    "olr": (lambda flux: flux, lambda flux: flux),
    "precipitation": (lambda rain: np.log1p(np.maximum(rain, 0.0)), lambda y: np.expm1(y.clip(0))),
}
"""Where the regression is linear, from a modality's units and back. Rain is skewed: log(1 + mm)."""


@dataclass(frozen=True, eq=False)
class TrainedEquivalents:
    """H, for one data set's channels and grid.

    Attributes:
        channels: Names of the C channels.
        grid: Y×X, as text.
        trained_on: Name and revision of the data set.
        weights: w by modality and fold, float64, (Y, F); a fold is a year or month of the training
            split, left out, or `ALL`.
        skill: By modality, what the card says; see `skill_of`.
        statistics: Scales of the predictors.
        fold_unit: `Y` or `M`, whether folds are years or months.
    """

    channels: tuple[str, ...]
    grid: str
    trained_on: str
    weights: Mapping[str, Mapping[str, np.ndarray]]
    skill: Mapping[str, Mapping[str, float]]
    statistics: Statistics
    fold_unit: str = "Y"

    def __call__(self, state: np.ndarray, time: np.datetime64, split: str) -> dict[str, np.ndarray]:
        """H(x) by modality, (Y, X), float32, in the modality's units.

        Args:
            state: x, (C, Y, X).
            time: Its valid time.
            split: That it belongs to; training times get the operator that has not seen their fold.

        Raises:
            BuildError: When it is a training time of a fold that the operator was not trained on.
        """
        fold = fold_of(time, self.fold_unit) if split == "train" else ALL
        f = predictors(state, time, self.channels, self.statistics)
        found = {}
        for modality, folds in self.weights.items():
            if fold not in folds:
                raise BuildError(
                    f"The operator of {modality} was trained on other times than {fold}, of "
                    f"{self.trained_on}. Train it on this data set: python builders/equivalents.py."
                )
            back = SPACES[modality][1]
            found[modality] = back(regressed(folds[fold], f)).astype(np.float32)
        return found

    def write(self, path: Path) -> None:
        """Write all of it as safetensors, whole or not at all."""
        arrays = {
            f"{modality}/{fold}": np.ascontiguousarray(weights)
            for modality, folds in self.weights.items()
            for fold, weights in folds.items()
        }
        arrays |= {f"statistics/{name}": values for name, values in vars(self.statistics).items()}
        about = {
            "format": FORMAT,
            "channels": list(self.channels),
            "grid": self.grid,
            "trained_on": self.trained_on,
            "skill": self.skill,
            "fold_unit": self.fold_unit,
        }
        write_atomic(path, save(arrays, metadata={"equivalents": json.dumps(about)}))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            BuildError: When the file is absent, damaged, or of another format.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads((file.metadata() or {})["equivalents"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about.pop("format") != FORMAT:
                raise ValueError("it is of another format")
            statistics = Statistics(
                **{name: arrays.pop(f"statistics/{name}") for name in Statistics.__annotations__}
            )
            weights: dict[str, dict[str, np.ndarray]] = {}
            for name, values in arrays.items():
                modality, fold = name.split("/")
                weights.setdefault(modality, {})[fold] = values
            channels = tuple(about.pop("channels"))
            return cls(channels=channels, weights=weights, statistics=statistics, **about)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise BuildError(
                f"{path} holds no trained operator ({error}). Train one: python "
                "builders/equivalents.py train DATA --out FILE."
            ) from error


def fold_of(time: np.datetime64, unit: str) -> str:
    """The year of a time, or its month where the unit is `M`."""
    return str(time.astype(f"datetime64[{unit}]"))


def predictors(
    state: np.ndarray, time: np.datetime64, channels: Sequence[str], statistics: Statistics
) -> np.ndarray:
    """f: 1, the season, the channels in units of their variability, squares of humidity, (F, Y, X).

    Args:
        state: x, (C, Y, X), in the channels' units.
        time: Its valid time.
        channels: Names of the C channels.
        statistics: Of the channels.
    """
    mean, std = statistics.mean[:, None, None], statistics.std[:, None, None]
    x = (np.asarray(state, np.float64) - mean) / std
    year = time.astype("datetime64[Y]")
    angle = 2 * np.pi * float((time - year) / np.timedelta64(1, "h")) / 8766
    humid = [number for number, name in enumerate(channels) if name.startswith("q")]
    constant = np.broadcast_to(
        np.array([1.0, np.sin(angle), np.cos(angle)])[:, None, None], (3, *x.shape[1:])
    )
    return np.concatenate([constant, x, x[humid] ** 2 - 1])
