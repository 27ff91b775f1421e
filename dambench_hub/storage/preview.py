"""The config `preview`: a data set as the Hub's viewer can show it, coarse, small and readable.

The viewer refuses rows of more than 2 MB. Here a row is a few channels on a coarse grid, some
100 kB, with its time as text. It is for looking, and only in Parquet, which the viewer reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from datasets import Features, Value

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import EQUIVALENTS, HEADLINE_CHANNELS, MODALITIES
from dambench_hub.storage.features import config_columns, example_features

PREVIEW = "preview"
EXAMPLES = 24
"""The first so many of each split."""

CHANNELS = 4
COLUMNS = 60
"""At most so many longitudes."""


def preview_channels(channels: Sequence[str]) -> tuple[str, ...]:
    """The channels that are shown, in the data set's order."""
    headline = [name for name in HEADLINE_CHANNELS if name in channels][:CHANNELS]
    return tuple(name for name in channels if name in headline) or tuple(channels[:CHANNELS])


def coarsening(grid: Grid) -> int:
    """How many grid points in each direction become one."""
    return -(-grid.longitudes // COLUMNS)


def preview_shapes(
    channels: Sequence[str],
    grid: Grid,
    modalities: Sequence[str],
    reference_is_reports: bool = False,
) -> dict[str, tuple[int, ...]]:
    """Shape of one row's value in each column; observations are a field here, too."""
    step = coarsening(grid)
    field = (-(-grid.latitudes // step), -(-grid.longitudes // step))
    state = (len(preview_channels(channels)), *field)
    special = {"time": (), **dict.fromkeys((*MODALITIES, *EQUIVALENTS), field)}
    columns = config_columns(modalities, reference_is_reports)["multimodal"]
    return {name: special.get(name, state) for name in columns if name != "observation_index"}


def preview_features(shapes: Mapping[str, tuple[int, ...]]) -> Features:
    """Hugging Face features of these columns; `time` is text, like 2024-01-02T00:00Z."""
    return Features({**example_features(shapes), "time": Value("string")})


def preview_row(
    example: Mapping[str, np.ndarray], channels: Sequence[str], grid: Grid
) -> dict[str, np.ndarray]:
    """The row of an example.

    Args:
        example: As in `features.py`.
        channels: Of the data set.
        grid: Of the data set.

    Returns:
        `time`, and means over squares of grid points, float32, NaN where there is no value.
    """
    shown = [list(channels).index(name) for name in preview_channels(channels)]
    fields = {
        name: value[shown] if value.ndim == 3 else value
        for name, value in example.items()
        if name not in ("time", "observation_index", "observations")
    }
    if "observations" in example:
        dense = np.full((len(shown), grid.latitudes * grid.longitudes), np.nan, np.float32)
        dense[:, example["observation_index"]] = example["observations"][shown]
        fields["observations"] = dense.reshape(-1, *grid.shape)
    means = {name: _means(field, coarsening(grid)) for name, field in fields.items()}
    return {"time": example["time"], **means}


def _means(fields: np.ndarray, step: int) -> np.ndarray:
    """Means over squares of `step` × `step` points, fewer at the end; NaN counts as no value."""

    def sums(values: np.ndarray) -> np.ndarray:
        for axis in (-2, -1):
            starts = np.arange(0, values.shape[axis], step)
            values = np.add.reduceat(values, starts, axis)
        return values

    known = np.isfinite(fields)
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is known
        means = sums(np.where(known, fields, 0.0).astype(np.float64)) / sums(known.astype(int))
    return means.astype(np.float32)
