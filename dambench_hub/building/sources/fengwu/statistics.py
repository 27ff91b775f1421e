"""Mean and standard deviation with which FengWu normalises its channels, checked as they are read.

A model fed with the statistics of other channels runs as well and is wrong. What was published is
known well enough to tell: means that are far from it stand in another order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dambench_hub.building.sources.plausibility import limits
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, parse_channels
from dambench_hub.errors import BuildError

FILES = (("data_mean.npy", "data_std.npy"), ("global_means.npy", "global_stds.npy"))
"""The same two arrays, under the names of two hosts."""

WHERE = (
    "The files are linked from https://github.com/OpenEarthLab/FengWu and mirrored under "
    "https://get.ecmwf.int/repository/test-data/ai-models/fengwu/; take fengwu_v1.onnx (for ERA5; "
    "v2 is tuned on operational analyses), data_mean.npy and data_std.npy."
)

PUBLISHED_MEANS = {
    "u10": -0.14,
    "v10": 0.23,
    "t2m": 278.8,
    "msl": 100_981.0,
    "z50": 2.00e5,
    "z500": 5.38e4,
    "z1000": 778.0,
    "q50": 2.8e-6,
    "q500": 7.8e-4,
    "q1000": 6.7e-3,
    "u50": 4.4,
    "u500": 7.1,
    "u1000": -0.2,
    "t50": 214.7,
    "t500": 251.7,
    "t1000": 278.6,
}
"""Some of the published means, rounded: they tell channels apart, and levels from top to bottom."""


def read_statistics(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the standard channels, physical units.

    Args:
        folder: Has `data_mean.npy` and `data_std.npy`, or the other names of `FILES`; arrays of
            any shape that squeezes to (69,).

    Returns:
        Both (69, 1, 1), float64.

    Raises:
        BuildError: When a file is absent or no array of 69 finite numbers, a standard deviation is
            not positive or impossibly large, or the means are not in FengWu's order.
    """
    pairs = [(folder / mean, folder / std) for mean, std in FILES]
    pair = next((pair for pair in pairs if all(path.is_file() for path in pair)), None)
    if pair is None:
        names = " nor ".join(" and ".join(names) for names in FILES)
        raise BuildError(f"{folder} has neither {names}. {WHERE}")
    mean, std = (_read_vector(path) for path in pair)
    _require_deviations(pair[1], std)
    _require_published_order(pair[0], mean, std)
    return mean[:, None, None], std[:, None, None]


def _read_vector(path: Path) -> np.ndarray:
    """69 finite numbers, (69,), float64. Pickles are refused, as to read one is to run it."""
    try:
        with path.open("rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} is not an array of numbers ({error}). {WHERE}") from error
    count = len(STANDARD_CHANNELS)
    if values.squeeze().shape != (count,) or values.dtype.kind not in "fiu":
        raise BuildError(
            f"{path} holds {values.dtype} of shape {values.shape}, wanted are {count} numbers, one "
            f"for each channel. {WHERE}"
        )
    if not np.isfinite(values).all():
        raise BuildError(f"{path} has values that are not finite. {WHERE}")
    return values.astype(np.float64).reshape(count)


def _require_deviations(path: Path, std: np.ndarray) -> None:
    """Refuse what cannot be a standard deviation: one is at most half of the range of values."""
    bad = []
    for channel, value in zip(parse_channels(STANDARD_CHANNELS), std, strict=True):
        low, high = limits(channel.variable.name, channel.level)
        if not 0 < value <= (high - low) / 2:
            bad.append(f"{channel.name} has {value:.4g}")
    if bad:
        raise BuildError(f"{path} holds no standard deviations: {', '.join(bad[:5])}. {WHERE}")


def _require_published_order(path: Path, mean: np.ndarray, std: np.ndarray) -> None:
    """Refuse means that are far from the published ones."""
    off = []
    for name, published in PUBLISHED_MEANS.items():
        channel = STANDARD_CHANNELS.index(name)
        if abs(mean[channel] - published) > 0.2 * std[channel] + 0.05 * abs(published):
            off.append(f"{name} has {mean[channel]:.4g}, published is {published:.4g}")
    if off:
        raise BuildError(
            f"{path} does not hold FengWu's means in the order u10, v10, t2m, msl, then z, q, u, "
            f"v, t from 50 to 1000 hPa: {'; '.join(off[:5])}. {WHERE}"
        )
