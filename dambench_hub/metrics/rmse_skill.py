"""Skill of an analysis: how much of the background's error it took away, variable by variable.

    skill = 100 % · (1 − mean over variables of mean over levels of RMSE / RMSE of the background)

with RMSE area-weighted and pooled over samples. Each of the variables u10, v10, t2m, msl, z, q, u,
v and t counts the same, however many levels it has and whatever its units are, as in the scorecards
of forecast centres. A channel whose background has hardly any error cannot be improved; it would
drown the others, so it is left out, and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import means_by_variable, parse_channels
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.fields import weighted_mean
from dambench_hub.metrics.streaming import StreamingScore

SMALLEST_ERROR = 1e-3
"""A background's RMSE up to this part of σ leaves its channel out."""

TEN_METRE_WIND = ("u10", "v10")
"""Nearly the wind of the lowest level where a simulation derives one from the other."""


def rmse_skill(
    channels: Sequence[str], rmse: np.ndarray, background_rmse: np.ndarray, std: np.ndarray
) -> dict[str, Any]:
    """Skill from errors by channel.

    >>> errors = np.array([1.0, 3.0, 2.0]), np.array([2.0, 4.0, 8.0])
    >>> rmse_skill(["z500", "z850", "t2m"], *errors, np.ones(3))["skill"]
    56.25

    Args:
        channels: Names of the C channels, any of `parse_channel`.
        rmse: Area-weighted RMSE of the analysis pooled over samples, (C,), physical units.
        background_rmse: The same of the background, (C,).
        std: σ, (C,), physical units.

    Returns:
        In %, 100 for a perfect analysis, 0 for one as good as the background, negative for a worse
        one: `skill`; `skill_without_10m_wind`, that of the other variables;
        `skill_by_variable`. None where no channel is left. `skill_left_out`: the names of
        the channels whose background RMSE is not above `SMALLEST_ERROR` σ.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
        ScoreError: When an array is not one finite number from 0 on per channel.
    """
    names = [channel.name for channel in parse_channels(list(channels))]
    error = _by_channel("rmse", rmse, len(names))
    background_error = _by_channel("background_rmse", background_rmse, len(names))
    kept = background_error > SMALLEST_ERROR * _by_channel("std", std, len(names))
    ratios = means_by_variable(list(compress(names, kept)), error[kept] / background_error[kept])
    skills = {variable: 100 * (1 - float(ratio)) for variable, ratio in ratios.items()}
    others = [skill for variable, skill in skills.items() if variable not in TEN_METRE_WIND]
    return {
        "skill": _mean(list(skills.values())),
        "skill_without_10m_wind": _mean(others),
        "skill_by_variable": skills,
        "skill_left_out": list(compress(names, ~kept)),
    }


class RmseSkill(StreamingScore):
    """`rmse_skill` of fields, fed batch by batch.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles.
        std: σ, (C,), physical units.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
        ScoreError: When σ is not one finite number from 0 on per channel.
    """

    def __init__(self, channels: Sequence[str], grid: Grid, std: np.ndarray) -> None:
        self.std = _by_channel("std", std, len(channels))
        super().__init__(channels, grid, tuple(self.std.tolist()))

    def update(self, analysis: np.ndarray, reference: np.ndarray, background: np.ndarray) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            analysis: x̂, (N, C, Y, X), physical units; of an ensemble, its mean.
            reference: x, (N, C, Y, X).
            background: (N, C, Y, X).

        Raises:
            ScoreError: When shapes or labels do not fit, or a value is not finite or a fill value.
        """
        self._add(analysis=analysis, reference=reference, background=background)

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Weighted mean squares of one sample's errors, (C,) each."""
        analysis, reference, background = fields
        return {
            "analysis": self._mean_square(analysis, reference),
            "background": self._mean_square(background, reference),
        }

    def compute(self) -> dict[str, Any]:
        """What `rmse_skill` returns, of all samples so far.

        Raises:
            ScoreError: When nothing was added.
        """
        rmse, background_rmse = np.sqrt(self.mean("analysis")), np.sqrt(self.mean("background"))
        return rmse_skill(self.channels, rmse, background_rmse, self.std)

    def _mean_square(self, field: np.ndarray, reference: np.ndarray) -> np.ndarray:
        error = np.subtract(field, reference, dtype=np.float64)
        zonal_mean = np.einsum("cyx,cyx->cy", error, error) / self.grid.longitudes
        return weighted_mean(zonal_mean, self.grid.weights)


def _mean(skills: list[float]) -> float | None:
    return sum(skills) / len(skills) if skills else None


def _by_channel(name: str, values: np.ndarray, channels: int) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.shape != (channels,) or not np.all((array >= 0) & np.isfinite(array)):
        raise ScoreError(
            f"{name} must be {channels} finite numbers from 0 on, one per channel, got shape "
            f"{array.shape} with values {np.array2string(array, threshold=6)}."
        )
    return array
