"""Negative humidity: a sign that an analysis does not know what its variables are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.fields import weighted_mean
from dambench_hub.metrics.streaming import StreamingScore


class NegativeHumidity(StreamingScore):
    """Share of the area, and of samples, where specific humidity is below zero.

    Args:
        channels: Names of the C channels, among them one or more of q.
        grid: Y×X grid with poles.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
        ScoreError: When no channel is humidity.
    """

    def __init__(self, channels: Sequence[str], grid: Grid) -> None:
        super().__init__(channels, grid)
        parsed = parse_channels(list(channels))
        self.humid = [n for n, channel in enumerate(parsed) if channel.variable.name == "q"]
        if not self.humid:
            raise ScoreError(
                f"None of the channels {', '.join(self.channels)} is humidity; give one of q."
            )

    def update(self, analysis: np.ndarray) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            analysis: x̂, (N, C, Y, X); of an ensemble, its mean.

        Raises:
            ScoreError: When shape or labels do not fit, or a value is not finite or a fill value.
        """
        self._add(analysis=analysis)

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Share of one sample's area, (channels of humidity,)."""
        counts = [np.count_nonzero(fields[0][channel] < 0, axis=-1) for channel in self.humid]
        share = np.array(counts) / self.grid.longitudes
        return {"negative": weighted_mean(share, self.grid.weights)}

    def compute(self) -> dict[str, Any]:
        """Shares so far, between 0 and 1.

        Returns:
            `negative_humidity`, the mean over levels, and `negative_humidity_by_channel`.

        Raises:
            ScoreError: When nothing was added.
        """
        share = self.mean("negative")
        names = [self.channels[n] for n in self.humid]
        return {
            "negative_humidity": float(share.mean()),
            "negative_humidity_by_channel": dict(zip(names, share.tolist(), strict=True)),
        }
