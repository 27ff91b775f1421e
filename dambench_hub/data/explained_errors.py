"""How much of the background's error the modalities explain, on days that were not learned from.

At each point the error, reference − background, is estimated linearly from what is known in its
neighbourhood, with coefficients and means of the training split, and scored on another: see
`NeighbourhoodRegression`. It tells whether there is something to be learned, and of what; a method
that is not linear, or sees more, may find more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dambench_hub.coordinates.variables import MODALITIES, equivalent_of
from dambench_hub.data.dataset import Data
from dambench_hub.errors import DataError
from dambench_hub.estimation.neighbourhood_regression import (
    NeighbourhoodRegression,
    explained_share,
)
from dambench_hub.runtime.progress import track

OLR, RAW_OLR = "OLR departure", "raw OLR"
RAIN, RAW_RAIN = "precipitation departure", "raw precipitation"
BACKGROUND = "background"
"""What can be regressed on: four single fields, and all channels of the background that are asked
for. Rain is taken in log(1 + mm/day), where its departures are formed, too."""


@dataclass(frozen=True, eq=False)
class Samples:
    """N samples of a split.

    Attributes:
        errors: Reference − background in units of the channels' `background_error_std`,
            (C, N, Y, X).
        predictors: By name, (P, N, Y, X), NaN where missing.
    """

    errors: np.ndarray
    predictors: Mapping[str, np.ndarray]


def read_samples(data: Data, split: str, channels: Sequence[str]) -> Samples:
    """Read the errors of some channels, and all that they can be regressed on.

    Raises:
        DataError: When the data set lacks a modality or a channel, or a shard cannot be read.
    """
    if missing := sorted(MODALITIES.keys() - set(data.manifest.modalities)):
        raise DataError(
            f"The data set {data.manifest.name} has no {' and no '.join(missing)}, so there is "
            "nothing to explain errors by. Build one with both, such as mini."
        )
    if unknown := [name for name in channels if name not in data.channels]:
        raise DataError(
            f"The data set {data.manifest.name} has no channel {unknown[0]}; it has "
            f"{', '.join(data.channels)}."
        )
    chosen, days = [data.channels.index(name) for name in channels], data.size(split)
    columns = ["background", "reference", *MODALITIES, *map(equivalent_of, MODALITIES)]
    states = {name: np.empty((len(chosen), days, *data.grid.shape)) for name in columns[:2]}
    fields = {name: np.empty((1, days, *data.grid.shape)) for name in columns[2:]}
    for n in track(range(days), days, f"Reading {split}"):
        example = data.example(split, n, columns)
        for name, state in states.items():
            state[:, n] = example[name][chosen]
        for name, field in fields.items():
            field[:, n] = example[name]
    background, reference = states.values()
    scale = data.statistics.background_error_std[chosen, None, None, None]
    rain, rain_equivalent = (
        np.log1p(np.maximum(fields[name], 0.0))
        for name in ("precipitation", equivalent_of("precipitation"))
    )
    return Samples(
        (reference - background) / scale,
        {
            OLR: fields["olr"] - fields[equivalent_of("olr")],
            RAW_OLR: fields["olr"],
            RAIN: rain - rain_equivalent,
            RAW_RAIN: rain,
            BACKGROUND: background / scale,
        },
    )


def explained_errors(
    train: Samples,
    test: Samples,
    names: Sequence[str],
    regions: Mapping[str, np.ndarray],
    *,
    at: str,
    within: np.ndarray | None = None,
    radius: int = 1,
) -> dict[str, np.ndarray]:
    """R² of the errors in each region, from some predictors together.

    Args:
        train: Of it are means and coefficients.
        test: Of it is the R²; only sums of its squares are taken.
        names: Of predictors.
        regions: Weights of the grid's points, (Y, X), by region; 0 is outside.
        at: Predictor that has to be there at a point for it to count, in both splits. Where others
            are missing, or this one at a neighbour, they count as their mean.
        within: Points whose errors are learned from, boolean, (Y, X); None for all.
        radius: Grid points; 1 for neighbourhoods of 3×3.

    Returns:
        By region, (C,), at most 1; NaN where nothing is scored.
    """
    mean_error = train.errors.mean(axis=1, keepdims=True)
    means = {name: _mean(train.predictors[name]) for name in names}
    known, known_test = (
        np.concatenate([samples.predictors[name] - means[name] for name in names])
        for samples in (train, test)
    )
    used, scored = (np.isfinite(samples.predictors[at]).all(axis=0) for samples in (train, test))
    if within is not None:
        used = used & within
    regression = NeighbourhoodRegression(known, train.errors - mean_error, used, radius)
    errors, estimates = test.errors - mean_error, regression.predict(known_test)
    return {
        region: explained_share(errors, estimates, scored * weights)
        for region, weights in regions.items()
    }


def _mean(fields: np.ndarray) -> np.ndarray:
    """Mean over the samples that are there, (P, 1, Y, X); 0 where there is none."""
    there = np.isfinite(fields)
    total = np.where(there, fields, 0.0).sum(axis=1, keepdims=True)
    return total / np.maximum(there.sum(axis=1, keepdims=True), 1)
