"""Errors of an analysis, and of its background, at withheld reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dambench_hub.errors import DataError
from dambench_hub.metrics.place_errors import PlaceErrors
from dambench_hub.runtime.files import write_atomic

ARRAYS = ("time", "channel", "latitude", "longitude", "analysis", "background", "weight")


@dataclass(frozen=True, eq=False)
class StationErrors:
    """R errors at stations.

    Attributes:
        channels: Names of the C channels.
        station: Identifiers, str, (R,).
        time: Number of the analysis among the task's times, int64, (R,).
        channel: Position in `channels`, int64, (R,).
        latitude: Degrees north, float64, (R,).
        longitude: Degrees east, float64, (R,).
        analysis: H(x^a) − y, units of the channel, float64, (R,).
        background: H(x^b) − y, (R,).
        weight: In scores, see `thinning_weights`, (R,).
    """

    channels: tuple[str, ...]
    station: np.ndarray
    time: np.ndarray
    channel: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    analysis: np.ndarray
    background: np.ndarray
    weight: np.ndarray

    def of(self, channel: str) -> StationErrors:
        """Those of one channel."""
        rows = self.channel == self.channels.index(channel)
        columns = {name: getattr(self, name)[rows] for name in ("station", *ARRAYS)}
        return StationErrors(channels=self.channels, **columns)

    def at_places(self, channel: str) -> PlaceErrors:
        """Those of one channel for a map: means over the reports of each place."""
        its = self.of(channel)
        return PlaceErrors.of(
            its.station,
            np.stack([its.latitude, its.longitude]),
            its.weight,
            analysis=its.analysis,
            background=its.background,
        )

    def largest(self, channel: str) -> tuple[str, float]:
        """The station with the largest part of the analysis's square error, and this part, 0 to 1.

        Square errors are weighted as in the score. With a large part, a score tells of one station.
        """
        its = self.of(channel)
        names, codes = np.unique(its.station, return_inverse=True)
        parts = np.bincount(codes.ravel(), its.weight * its.analysis**2)
        first = int(np.argmax(parts))
        return str(names[first]), float(parts[first] / parts.sum()) if parts.sum() else 0.0

    def write(self, path: Path) -> None:
        """Write to safetensors, whole or not at all."""
        named = {"channels": self.channels, "station": self.station.tolist()}
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in ARRAYS}
        write_atomic(path, save(arrays, {"station_errors": json.dumps(named)}))

    @classmethod
    def read(cls, path: Path) -> StationErrors:
        """Read what `write` wrote.

        Raises:
            DataError: When there is no such file, or it is damaged.
        """
        try:
            with safe_open(path, "np") as file:
                named = json.loads(file.metadata()["station_errors"])
                arrays = {name: file.get_tensor(name) for name in ARRAYS}
            station = np.array(named["station"], str)
            return cls(channels=tuple(named["channels"]), station=station, **arrays)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path.name} holds no errors at stations ({error}).") from error


def joined(parts: Sequence[StationErrors]) -> StationErrors:
    """All errors of several parts with the same channels, one part at least."""
    names = ("station", *ARRAYS)
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return StationErrors(channels=parts[0].channels, **columns)
