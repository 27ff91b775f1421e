"""What is wrong with the values of a prediction file: missing ones, and those in other units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dambench_hub.coordinates.constants import GRAVITY
from dambench_hub.coordinates.missing import FILL
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.predictions.header import Header
from dambench_hub.runtime.honest_text import quoted
from dambench_hub.runtime.listing import NAMED, listed

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

CONVERSIONS = {
    "z": ((GRAVITY, 0.0, "geopotential height in m", "multiply by 9.80665 m s-2"),),
    "t": ((1.0, 273.15, "degrees Celsius", "add 273.15"),),
    "t2m": ((1.0, 273.15, "degrees Celsius", "add 273.15"),),
    "msl": ((100.0, 0.0, "hPa", "multiply by 100"),),
    "q": ((1e-3, 0.0, "g kg-1", "divide by 1000"),),
}
"""By variable: factor and offset that lead to the right unit, what it was, what to do."""
FAR, NEAR = 5.0, 2.0
"""A channel's mean is suspicious beyond FAR standard deviations, and explained within NEAR."""


class ValueCheck:
    """Looks at each value once: is it there, and can the units be right?

    Args:
        header: Of the file.
        data: The data set it was made for.
    """

    def __init__(self, header: Header, data: Data) -> None:
        self.header = header
        self.data = data
        self.done = 0
        self.total = np.zeros(len(header.channels))
        self.missing: list[str] = []
        self.wrong_std: list[str] = []

    def update(self, field: np.ndarray, std: np.ndarray | None = None) -> bool:
        """Look at the next time's values; False if one is not there, or cannot be what it is.

        Args:
            field: Analysis, ([M,] C, Y, X).
            std: Predicted standard deviation of its error, (C, Y, X), if there is any.
        """
        time = self.header.time[self.done].astype("datetime64[h]")
        self.done += 1
        right = std is None or self._right_std(std, time)
        return self._is_there(field, time) and right

    def _is_there(self, field: np.ndarray, time: np.datetime64) -> bool:
        values = field.reshape(-1, len(self.total), field.shape[-2] * field.shape[-1])
        with np.errstate(invalid="ignore"):
            lowest, highest = values.min(axis=(0, 2)), values.max(axis=(0, 2))
        fine = (lowest > -FILL) & (highest < FILL)
        if not fine.all():
            bad = values[:, ~fine]
            filled = np.isfinite(bad) & ~(np.abs(bad) < FILL)
            what = f"fill values (beyond {FILL:g})" if filled.any() else "NaN or infinite"
            count = np.count_nonzero(~(np.abs(bad) < FILL))
            self.missing.append(
                f"{count} values are {what} at {time}, {self._named(np.flatnonzero(~fine))}."
            )
            return False
        if self._never_written(lowest, highest):
            self.missing.append(f"All values are 0 at {time}: they were never written.")
            return False
        self.total += values.mean(axis=(0, 2), dtype=np.float64)  # of float32: cannot overflow
        return True

    def _right_std(self, std: np.ndarray, time: np.datetime64) -> bool:
        right = (std > 0) & (std < FILL)  # NaN is neither
        if right.all():
            return True
        names = self._named(np.flatnonzero((~right).any(axis=(1, 2))))
        self.wrong_std.append(
            f"{np.count_nonzero(~right)} values of std are no finite numbers above 0 at {time}, "
            f"{names}; the first is {std[~right][0]}. Mend them, or leave std out."
        )
        return False

    def _named(self, channels: np.ndarray) -> str:
        """The channels of these numbers, in words."""
        return f"channel {listed([quoted(self.header.channels[number]) for number in channels])}"

    def problems(self) -> list[str]:
        """What was found so far."""
        wrong_std = _summed_up(self.wrong_std, "std is wrong")
        if self.missing:
            return _summed_up(self.missing, "Values are missing") + wrong_std
        known = {name: index for index, name in enumerate(self.data.channels)}
        means = zip(self.header.channels, self.total / max(self.done, 1), strict=True)
        found = (self._unit_problem(name, m, known[name]) for name, m in means if name in known)
        return [problem for problem in found if problem] + wrong_std

    def _never_written(self, lowest: np.ndarray, highest: np.ndarray) -> bool:
        """Zeros everywhere, where some channel is never near zero?"""
        statistics = self.data.statistics
        far = np.any(np.abs(statistics.mean) > FAR * statistics.std)
        return bool(far) and not (lowest.any() or highest.any())

    def _unit_problem(self, name: str, value: float, channel: int) -> str | None:
        """A mean that is far from the data set's, and near it after a common conversion."""
        mean = self.data.statistics.mean[channel]
        std = self.data.statistics.std[channel]
        if abs(value - mean) <= FAR * std:
            return None
        variable = parse_channel(name).variable
        normalised = (std, mean, "normalised values", "multiply by std and add mean")
        for factor, offset, unit, advice in (*CONVERSIONS.get(variable.name, ()), normalised):
            if abs(factor * value + offset - mean) <= NEAR * std:
                return (
                    f"{name} has the mean {value:.4g}, the data set {mean:.4g} {variable.units}. "
                    f"These look like {unit}: {advice}."
                )
        return None


def _summed_up(problems: list[str], what: str) -> list[str]:
    """The first few times with a problem, and how many more there are."""
    more = len(problems) - NAMED
    return problems[:NAMED] + ([f"{what} at {more} more times."] if more > 0 else [])
