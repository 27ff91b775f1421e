"""Equivalents of precipitation and radiation for backgrounds whose forecast gives none.

Where a forecast does not say what gauges and satellites would have measured, an operator H does,
trained on pairs of reference and observation of the training split: see `trained_equivalents`. The
background's equivalent is H(x_b).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.conversion import conversion_plan, open_converted, refuse_same_place
from dambench_hub.building.examples import Fields, Source
from dambench_hub.building.trained_equivalents import (
    ALL,
    SPACES,
    TrainedEquivalents,
    fold_of,
    predictors,
)
from dambench_hub.coordinates.variables import equivalent_of
from dambench_hub.data.dataset import Data, load_data
from dambench_hub.errors import BuildError
from dambench_hub.estimation.column_regression import ColumnSums
from dambench_hub.runtime.progress import track
from dambench_hub.storage.manifest import Manifest

NEIGHBOURS = 1.5
"""Weights of latitudes that are summed together end so many rows away, see `ColumnSums.pooled`."""

RIDGE = 1e-4
"""Chosen, like `NEIGHBOURS`, on the validation days of the canonical `mini`."""


def train_equivalents(data: Data) -> TrainedEquivalents:
    """H from the training split, with its skill on the validation split, where there is one.

    Raises:
        BuildError: When the data set has no modalities, or training times of one month only.
    """
    manifest = data.manifest
    if not manifest.modalities:
        raise BuildError(f"{manifest.name} has no modalities, so there is nothing to be trained.")
    unit = _fold_unit(data)
    sums: dict[str, dict[str, ColumnSums]] = {name: {} for name in manifest.modalities}
    for example in _examples(data, "train", "reference"):
        time = _time(example)
        f = predictors(example["reference"], time, data.channels, data.statistics)
        for modality, folds in sums.items():
            part = ColumnSums.of(f, SPACES[modality][0](example[modality]))
            fold = fold_of(time, unit)
            folds[fold] = folds[fold] + part if fold in folds else part
    weights = {}
    for modality, folds in sums.items():
        parts = {ALL: reduce(add, folds.values())}
        for fold in folds:
            parts[fold] = reduce(add, (part for other, part in folds.items() if other != fold))
        weights[modality] = {n: s.pooled(NEIGHBOURS).weights(RIDGE) for n, s in parts.items()}
    trained = TrainedEquivalents(
        channels=data.channels,
        grid=str(data.grid),
        trained_on=f"{manifest.name}, revision {data.revision}",
        weights=weights,
        skill={},
        statistics=data.statistics,
        fold_unit=unit,
    )
    return replace(trained, skill=skill_of(trained, data))


def _fold_unit(data: Data) -> str:
    """Years are left out in turn, or the months of the only one."""
    times = data.times("train")
    for unit in "Y", "M":
        if len(found := np.unique(times.astype(f"datetime64[{unit}]"))) > 1:
            return unit
    raise BuildError(
        f"{data.manifest.name} has training times of {found[0]} only; an operator is trained on "
        "other months than those it is used in. Build two months at least."
    )


def skill_of(trained: TrainedEquivalents, data: Data) -> dict[str, dict[str, float]]:
    """How well H does on the validation split, by modality; empty without such a split.

    A modality that has no value there has no skill.

    Returns:
        `r2`: share of the observations' variance about each latitude's mean that H(reference)
        explains; `error`: standard deviation of observation − H(reference); `departure`: that of
        observation − H(background). Rain in log(1 + mm).
    """
    if "validation" not in data.manifest.splits:
        return {}
    found: dict[str, list[np.ndarray]] = {name: [] for name in trained.weights}
    for example in _examples(data, "validation", "reference", "background"):
        time = _time(example)
        states = [
            trained(example[name], time, "validation") for name in ("reference", "background")
        ]
        for modality, parts in found.items():
            fields = [example[modality], *(state[modality] for state in states)]
            parts.append(np.stack([SPACES[modality][0](field) for field in fields]))
    measured = {modality: np.array(parts) for modality, parts in found.items()}
    return {name: _skill(f) for name, f in measured.items() if np.isfinite(f[:, 0]).any()}


def _skill(fields: np.ndarray) -> dict[str, float]:
    """From observation, H(reference) and H(background), (N, 3, Y, X)."""
    y = fields[:, 0]
    known = np.isfinite(y)
    rows = known.sum(axis=(0, 2), keepdims=True)
    climate = np.nansum(y, axis=(0, 2), keepdims=True) / np.maximum(rows, 1)
    error, departure = ((y - fields[:, n])[known] for n in (1, 2))
    variance = np.mean((y - climate)[known] ** 2)
    return {
        "r2": float(1 - np.mean(error**2) / variance),
        "error": float(error.std()),
        "departure": float(departure.std()),
    }


def add_equivalents(
    data: str | Path, trained: TrainedEquivalents, out: Path, *, fresh: bool = False
) -> Manifest:
    """The data set again in the folder `out`, with the equivalents H(x_b); resumable.

    Args:
        data: A data set folder, or the id of a Hub data set.
        trained: H, of the same channels and grid.
        out: The new folder.
        fresh: Delete an existing data set in `out` first.

    Raises:
        BuildError: When the data set has equivalents, or other channels or another grid than H.
        DataError: When there is no data set, or a byte of it is not as its manifest says.
        DambenchError: When the disk is full or the folder cannot be written.
    """
    old = load_data(data)
    refuse_same_place(old.folder, out)
    _require_fitting(trained, old)
    plan = conversion_plan(old.manifest, old.manifest.format)
    fold = {"Y": "year", "M": "month"}[trained.fold_unit]
    about = {"trained_on": trained.trained_on, "skill": trained.skill, "fold": fold}
    plan = replace(plan, source={**plan.source, "equivalents": about})

    def open_source(work: Path) -> Source:
        whole = open_converted(old, plan, work)

        def read(split: str, index: int) -> Fields:
            example = whole.read(split, index)
            found = trained(example["background"], _time(example), split)
            return {**example, **{equivalent_of(name): field for name, field in found.items()}}

        return replace(whole, read=read)

    return build_dataset(out, plan, open_source, fresh)


def _require_fitting(trained: TrainedEquivalents, data: Data) -> None:
    if (trained.channels, trained.grid) != (data.channels, str(data.grid)):
        raise BuildError(
            f"The operator was trained on {len(trained.channels)} channels on {trained.grid}, of "
            f"{trained.trained_on}; {data.manifest.name} has {len(data.channels)} on {data.grid}. "
            "Train one on this data set."
        )
    names = [equivalent_of(name) for name in data.manifest.modalities]
    first = data.example("train", 0, names)
    if known := [name for name, field in first.items() if np.isfinite(field).any()]:
        raise BuildError(
            f"{data.manifest.name} has {' and '.join(known)} of its forecast, which are better "
            "than those of an operator. Use it as it is."
        )


def _examples(data: Data, split: str, *columns: str) -> Iterator[dict[str, np.ndarray]]:
    """Examples of a split with these columns, their times and modalities, one after another."""
    wanted, size = ["time", *columns, *data.manifest.modalities], data.size(split)
    read = (data.example(split, number, wanted) for number in range(size))
    return track(read, size, f"Reading {split}")


def _time(example: Mapping[str, np.ndarray]) -> np.datetime64:
    return np.asarray(example["time"]).astype("datetime64[h]")[()]  # type: ignore[return-value]
