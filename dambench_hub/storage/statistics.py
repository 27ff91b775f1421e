"""Means and standard deviations of the channels, from the training split only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from dambench_hub.errors import DataError
from dambench_hub.runtime.files import write_atomic


@dataclass(frozen=True, eq=False)
class Statistics:
    """Per channel, over all training times and grid points, unweighted; float64, (C,).

    Attributes:
        mean: Mean of the reference, units of the channel.
        std: Standard deviation of the reference; σ_c of the scores.
        background_error_std: Standard deviation of background − reference.
    """

    mean: np.ndarray
    std: np.ndarray
    background_error_std: np.ndarray

    def write(self, path: Path) -> None:
        """Write `statistics.safetensors`, whole or not at all."""
        # safetensors writes the memory of an array, whatever its strides.
        write_atomic(path, save({n: np.ascontiguousarray(v) for n, v in vars(self).items()}))

    @classmethod
    def read(cls, path: Path, channels: int) -> Statistics:
        """Read `statistics.safetensors`.

        Raises:
            DataError: When the file is damaged or holds other channels.
        """
        try:
            values = cls(**load_file(path))
        except (OSError, SafetensorError, TypeError) as error:
            raise DataError(f"{path} is not a statistics file ({error}). Rebuild it.") from error
        for name, array in vars(values).items():
            real = array.dtype.kind == "f" and np.all(np.isfinite(array))
            if array.shape != (channels,) or not real:
                raise DataError(
                    f"{path}: {name} must be {channels} finite real numbers. Rebuild it."
                )
        return values


@dataclass
class Moments:
    """Running mean and sum of squared deviations per channel; moments of two parts add.

    Attributes:
        count: Values seen for each channel.
        mean: Their mean, float64, (C,).
        squares: Their sum of squared deviations from the mean, float64, (C,).

    References:
        Chan, Golub & LeVeque (1983), Amer. Statist. 37, 242-247.
    """

    count: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, field: np.ndarray) -> Moments:
        """Moments of one field, (C, Y, X)."""
        values = field.reshape(len(field), -1).astype(np.float64)
        mean = values.mean(axis=1)
        return cls(values.shape[1], mean, ((values - mean[:, None]) ** 2).sum(axis=1))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        shift = other.mean - self.mean
        return Moments(
            count,
            self.mean + shift * (other.count / count),
            self.squares + other.squares + shift**2 * (self.count * other.count / count),
        )

    @property
    def std(self) -> np.ndarray:
        """Standard deviation, (C,)."""
        return np.sqrt(self.squares / self.count)
