"""`CycleRecord`: errors and spread of a cycle, over its times and over lead times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.coordinates.variables import mean_over_variables
from dambench_hub.cycling.verification import Verification
from dambench_hub.errors import DataError
from dambench_hub.runtime.files import atomic_path

BY_TIME = ("background_error", "background_spread", "analysis_error", "analysis_spread")
BY_LEAD = ("forecast_error", "ensemble_error", "ensemble_spread")


@dataclass(eq=False)
class CycleRecord:
    """What is known of a cycle, as far as it got; see `Verification` for errors and spreads.

    Attributes:
        method: Its name.
        times: Valid times of the K analyses, datetime64[h].
        channels: Names of the C channels.
        lead_hours: Of the forecasts from the analyses, (L,).
        saturation: Root mean square difference of two days of the reference that know nothing of
            each other, (C,): an error that is as large is that of no forecast.
        arrays: `background_…` and `analysis_…`, (K, C); `forecast_error` of one forecast from the
            mean analysis, and `ensemble_error` and `ensemble_spread` of the members' forecasts,
            (K, L, C). NaN where nothing was run, or no reference is.
        done: How many cycles there were.
        diverged: Why the cycle ended before its time, or nothing.
    """

    method: str
    times: np.ndarray
    channels: tuple[str, ...]
    lead_hours: np.ndarray
    saturation: np.ndarray
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    done: int = 0
    diverged: str = ""

    def __post_init__(self) -> None:
        by_time = (len(self.times), len(self.channels))
        by_lead = (len(self.times), len(self.lead_hours), len(self.channels))
        for names, shape in ((BY_TIME, by_time), (BY_LEAD, by_lead)):
            for name in names:
                self.arrays.setdefault(name, np.full(shape, np.nan))

    def add(self, background: Verification, analysis: Verification) -> None:
        """One more cycle."""
        for name, found in (("background", background), ("analysis", analysis)):
            self.arrays[f"{name}_error"][self.done] = found.error
            self.arrays[f"{name}_spread"][self.done] = found.spread
        self.done += 1

    def normalised(self, name: str) -> np.ndarray:
        """An error or a spread over all variables: mean of its ratio to saturation.

        The mean is that over levels, then over variables: humidity above 300 hPa, which models know
        least, would else be most of it.

        Returns:
            (K,) or (K, L).
        """
        return mean_over_variables(self.channels, self.arrays[name] / self.saturation)

    def mean(self, name: str, discard: int = 0) -> np.ndarray:
        """Root mean square over the cycles after the first ones, (C,) or (L, C); NaN if none."""
        square = self.arrays[name][discard : self.done] ** 2
        known = np.isfinite(square)
        total = np.where(known, square, 0).sum(axis=0)
        count = known.sum(axis=0)
        return np.sqrt(np.where(count, total / np.maximum(count, 1), np.nan))

    def overall(self, name: str, discard: int = 0) -> np.ndarray:
        """Mean over variables of `mean`'s ratio to saturation, as in `normalised`, () or (L,)."""
        return mean_over_variables(self.channels, self.mean(name, discard) / self.saturation)

    @property
    def lost(self) -> int | None:
        """The cycle from which on no background is better than a day of its season, or None.

        That is where all errors together are as large as saturation, at least three times.
        """
        good = np.flatnonzero(self.normalised("background_error")[: self.done] < 1)
        first = int(good[-1]) + 1 if len(good) else 0
        return first if self.done - first >= 3 else None

    def write(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Write everything as NetCDF-4.

        Raises:
            DambenchError: When the file cannot be written.
        """
        import xarray as xr

        dimensions = {2: ("time", "channel"), 3: ("time", "lead", "channel")}
        dataset = xr.Dataset(
            {name: (dimensions[array.ndim], array) for name, array in self.arrays.items()}
            | {"saturation": ("channel", self.saturation)},
            coords={
                "time": self.times.astype("datetime64[ns]"),
                "lead": ("lead", self.lead_hours, {"units": "hours", "long_name": "lead time"}),
                "channel": list(self.channels),
            },
            attrs={"method": self.method, "done": self.done, "diverged": self.diverged}
            | {name: str(value) for name, value in settings.items()},
        )
        with atomic_path(path) as partial:
            dataset.to_netcdf(partial, engine="h5netcdf")

    @classmethod
    def read(cls, path: Path) -> CycleRecord:
        """Read what `write` wrote.

        Raises:
            DataError: When the file is none.
        """
        import xarray as xr

        try:
            with xr.open_dataset(path, engine="h5netcdf", decode_timedelta=False) as dataset:
                return cls(
                    method=dataset.attrs["method"],
                    times=dataset["time"].values.astype("datetime64[h]"),
                    channels=tuple(map(str, dataset["channel"].values)),
                    lead_hours=dataset["lead"].values,
                    saturation=dataset["saturation"].values,
                    arrays={name: dataset[name].values for name in (*BY_TIME, *BY_LEAD)},
                    done=int(dataset.attrs["done"]),
                    diverged=str(dataset.attrs["diverged"]),
                )
        except (OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{path} is no record of a cycle ({error}); baselines/cycle.py writes them."
            ) from error


def on_common_starts(records: Sequence[CycleRecord]) -> list[CycleRecord]:
    """Records of the same times, with those forecasts only that all have whose cycles have any.

    Forecasts from other days are easier or harder.
    """
    leads = min(len(record.lead_hours) for record in records)
    known = [np.isfinite(record.arrays["forecast_error"][:, :leads]).all(-1) for record in records]
    common = np.logical_and.reduce([one for one in known if one.any()] or known)
    shared = []
    for record in records:
        arrays = {name: record.arrays[name].copy() for name in BY_LEAD}
        for array in arrays.values():
            array[:, :leads][~common] = np.nan
        shared.append(replace(record, arrays=record.arrays | arrays))
    return shared


def saturation(references: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Root mean square difference of days half of all apart, (C,).

    Args:
        references: Fields of consecutive days, each (C, Y, X).
        weights: w_y, (Y,), mean 1.
    """
    apart = max(len(references) // 2, 1)
    pairs = range(len(references) - apart)
    square = np.mean(
        [
            ((references[n + apart].astype(np.float64) - references[n]) ** 2).mean(axis=-1)
            for n in pairs
        ],
        axis=0,
    )
    return np.sqrt((weights * square).mean(axis=-1))
