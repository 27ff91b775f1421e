"""A method of ours as an assimilation model of earth2studio."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.data.batch import Batch, as_numpy
from dambench_hub.data.dataset import Data
from dambench_hub.errors import DataError
from dambench_hub.interop.earth2studio.frames import earth2studio_name, from_frame
from dambench_hub.models.base import Assimilator
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable
from dambench_hub.observations.window import Window

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Coordinates = OrderedDict[str, np.ndarray]
"""What earth2studio calls `CoordSystem` of fields, and `FrameSchema` of frames."""

Inputs = tuple["xr.DataArray", "pd.DataFrame | None"]

DIMENSIONS = ("time", "lead_time", "ensemble", "variable", "lat", "lon")
"""That a background may have; `lead_time` and `ensemble` may be absent."""

STATE = ("variable", "lat", "lon")


class Assimilation:
    """A method that takes a background and a frame of observations; an `AssimilationModel`.

    It has no state of its own: a background comes with each call, valid at `time` plus, if there
    is one, `lead_time`. Of the observations those are used that are of the state's variables, in
    the window of the valid time, good and not withheld; they are the `reports` of a `Batch`.
    Without a usable observation the analysis is the background.

    Args:
        method: Of the channels and grid of the data set, ready to assimilate; see `load_method`.
        data: The data set: its channels, grid, height of the ground, and where nothing is observed
            the observation error.
        window: Which observations belong to an analysis; None for that of the data set's tables,
            or else (-3 h, 0 h].
    """

    def __init__(self, method: Assimilator, data: Data, window: Window | None = None) -> None:
        self.method, self.channels, self.grid = method, data.channels, data.grid
        self.window = window or data.manifest.reports_window or Window()
        self.elevation = data.elevation
        self.error_std = data.observation_error_std(data.manifest.observations)
        self.variables = [earth2studio_name(channel) for channel in self.channels]
        self.measured = list(
            dict.fromkeys(earth2studio_name(c.variable.name) for c in parse_channels(self.channels))
        )

    def init_coords(self) -> None:
        """Nothing is needed to begin with."""
        return None

    def input_coords(self) -> tuple[Coordinates, Coordinates]:
        """Coordinates of the background, and columns of the observations with their variables."""
        real, levels = np.empty(0, np.float32), parse_channels(self.channels)
        frame = {"time": np.empty(0, "datetime64[ns]"), "lat": real, "lon": real}
        frame |= {"elev": real} if self.elevation is not None else {}
        frame |= {"pres": real} if any(channel.level for channel in levels) else {}
        frame |= {"observation": real, "variable": np.array(self.measured)}
        state = {"variable": np.array(self.variables)}
        state |= {"lat": self.grid.latitude, "lon": self.grid.longitude}
        return OrderedDict({"time": np.empty(0)} | state), OrderedDict(frame)

    def output_coords(
        self, input_coords: tuple[Coordinates, ...], *args: Any, **kwargs: Any
    ) -> tuple[Coordinates]:
        """Those of the background; `ensemble` stays only with methods that analyse members.

        Args:
            input_coords: First those of the background, then what else there is.
            args: Not used, as `kwargs`; earth2studio gives the attributes of frames here.
            kwargs: Not used.

        Raises:
            DataError: When a dimension is unknown or absent, a channel is absent, or the grid is
                another.
        """
        given = input_coords[0]
        self._require(given)
        kept = OrderedDict((name, np.asarray(values)) for name, values in given.items())
        kept["variable"] = np.array(self.variables)
        if not self.method.uses_ensemble:
            kept.pop("ensemble", None)
        return (kept,)

    def __call__(
        self, background: xr.DataArray, observations: pd.DataFrame | None = None
    ) -> xr.DataArray:
        """The analysis, with the dimensions of `output_coords`.

        Args:
            background: (time, variable, lat, lon), perhaps with `lead_time` and `ensemble`, in any
                order, units of the channels. Variables are found by name, others are left out.
            observations: As for `from_frame`, of all the times; None for none.

        Raises:
            DataError: When background or observations cannot be used, or a valid time is no whole
                hour.
        """
        given = OrderedDict((str(name), background[name].values) for name in background.dims)
        (coordinates,) = self.output_coords((given,))
        state = background.sel(variable=self.variables).transpose(
            *DIMENSIONS, missing_dims="ignore"
        )
        valid_times = _valid_times(background)
        shape = (valid_times.size, -1, *(state.sizes[name] for name in STATE))
        fields = state.values.astype(np.float32).reshape(shape)
        table = self._usable(observations)
        keeps = "ensemble" in coordinates
        analyses = [
            self._analysis(members, time, table.window(time, self.window), keeps)
            for members, time in zip(fields, valid_times, strict=True)
        ]
        kept = state if keeps or "ensemble" not in state.dims else state.isel(ensemble=0, drop=True)
        analysis = kept.copy(data=np.stack(analyses).reshape(kept.shape))
        return analysis.transpose(*coordinates)

    def create_generator(self) -> Generator[xr.DataArray | None, Inputs, None]:
        """A generator that is sent (background, observations) and yields analyses; first None."""
        inputs = yield None
        while True:
            inputs = yield self(*inputs)

    def to(self, device: Any) -> Self:
        """Move the weights of a learned method; analyses come back as numpy arrays."""
        if hasattr(self.method, "to"):
            self.method.to(device)
        return self

    def _require(self, coordinates: Mapping[str, np.ndarray]) -> None:
        known = set(coordinates)
        if not {"time", *STATE} <= known or not known <= set(DIMENSIONS):
            raise DataError(
                f"The background has the dimensions {', '.join(coordinates)}; wanted are "
                f"{', '.join(DIMENSIONS)}, of which lead_time and ensemble may be absent."
            )
        there = set(map(str, coordinates["variable"]))
        if missing := [name for name in self.variables if name not in there]:
            raise DataError(
                f"The background lacks {len(missing)} variables of the method, the first is "
                f"{missing[0]}; it has {', '.join(sorted(there)[:10])}."
            )
        if problems := self.grid.coordinate_problems(coordinates["lat"], coordinates["lon"]):
            raise DataError(f"{' '.join(problems)} The method's grid is {self.grid}; regrid to it.")

    def _usable(self, observations: pd.DataFrame | None) -> ObservationTable:
        if observations is None:
            return ObservationTable.empty()
        if "variable" in observations.columns:  # or from_frame says that it is absent
            observations = observations[observations["variable"].isin(self.measured)]
        table = from_frame(observations)
        return table.where((table.quality == Quality.GOOD) & ~table.withheld)

    def _analysis(
        self, members: np.ndarray, time: np.datetime64, table: ObservationTable, keeps: bool
    ) -> np.ndarray:
        """Of one valid time: (M, C, Y, X), or (1, C, Y, X) for the mean alone.

        Args:
            members: Of the background, (M, C, Y, X).
            time: Valid time.
            table: Observations of its window.
            keeps: Whether members are asked for.
        """
        background = members.mean(axis=0)
        if not PointInterpolation(self.channels, self.grid, table, self.elevation).seen.any():
            return members if keeps else background[None]
        analysis = self.method.assimilate(self._batch(background, members, time, table))
        if keeps:
            analysed = 0 if analysis.members is None else analysis.members.shape[1]
            if analysed != len(members):
                raise DataError(
                    f"{self.method.name} gives {analysed} members for the {len(members)} of the "
                    "background; give its mean, without the dimension ensemble."
                )
            return as_numpy(analysis.members)[0]
        return as_numpy(analysis.mean)

    def _batch(
        self,
        background: np.ndarray,
        members: np.ndarray,
        time: np.datetime64,
        table: ObservationTable,
    ) -> Batch:
        return Batch(
            channels=self.channels,
            grid=self.grid,
            time=np.array([time]),
            background=background[None],
            observation_index=np.empty((1, 0), np.int32),
            observation_values=np.empty((1, len(self.channels), 0), np.float32),
            observation_error_std=self.error_std,
            background_members=members[None] if len(members) > 1 else None,
            reports=(table,),
            elevation=self.elevation,
        )


def _valid_times(background: xr.DataArray) -> np.ndarray:
    """Of all times and lead times, datetime64[h], (T·L,)."""
    exact = background["time"].values.astype("datetime64[ms]")
    if "lead_time" in background.dims:
        lead = background["lead_time"].values.astype("timedelta64[ms]")
        exact = (exact[:, None] + lead).ravel()
    hours = exact.astype("datetime64[h]")
    if np.any(wrong := hours != exact):
        raise DataError(f"The background is valid at {exact[wrong][0]}; wanted are whole hours.")
    return hours
