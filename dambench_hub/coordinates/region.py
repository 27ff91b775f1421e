"""A part of the globe on a flat map, for pictures of places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dambench_hub.coordinates.coastlines import coastlines

MARGIN = 0.04
"""Room around the places, as a share of what they span."""
SMALLEST_DEGREES = 10.0
"""What a map shows at least in each direction."""
SPACINGS = (1, 2, 5, 10, 20, 30)
"""Degrees between the lines of a graticule."""
MOST_LINES = 7


@dataclass(frozen=True)
class Region:
    """A rectangle in the equidistant cylindrical projection, true to scale at its middle latitude.

    Attributes:
        south: Degrees north.
        north: Degrees north.
        centre: Longitude of its middle, degrees east.
        degrees: How many degrees of longitude it spans, up to 360.
    """

    south: float
    north: float
    centre: float
    degrees: float

    @classmethod
    def around(cls, latitude: np.ndarray, longitude: np.ndarray) -> Region:
        """The smallest one with all places, and some room; it may lie across the date line.

        Args:
            latitude: Of one place at least, degrees north, (P,).
            longitude: Degrees east, any turn, (P,).
        """
        turns = np.sort(longitude % 360)
        gaps = np.diff(turns, append=turns[0] + 360)
        widest = int(gaps.argmax())  # that is what the map leaves out
        east, span = turns[widest], 360 - gaps[widest]
        degrees = min(max(span * (1 + 2 * MARGIN), SMALLEST_DEGREES), 360.0)
        south, north = float(latitude.min()), float(latitude.max())
        room = max((north - south) * MARGIN, (SMALLEST_DEGREES - north + south) / 2)
        centre = (east - span / 2 + 180) % 360 - 180
        return cls(max(south - room, -90), min(north + room, 90), float(centre), float(degrees))

    @property
    def shrinking(self) -> float:
        """How long a degree of longitude is, in degrees of latitude."""
        return max(float(np.cos(np.deg2rad((self.south + self.north) / 2))), 0.1)

    @property
    def width(self) -> float:
        """Of the map, degrees of latitude."""
        return self.degrees * self.shrinking

    @property
    def height(self) -> float:
        """Of the map, degrees of latitude."""
        return self.north - self.south

    def project(self, latitude: ArrayLike, longitude: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Where places lie: x from the left and y from the bottom, in degrees of latitude.

        Args:
            latitude: Degrees north.
            longitude: Degrees east, any turn; the antimeridian of `centre` lies on the left.
        """
        turn = (np.asarray(longitude) - self.centre + 180) % 360 - 180
        x = (turn + self.degrees / 2) * self.shrinking
        return x, np.asarray(latitude, np.float64) - self.south

    def coast(self) -> list[np.ndarray]:
        """Coastlines as (x, y) of `project`, (N, 2) each; those parts that the map may show."""
        lines = []
        for line in coastlines():
            points = np.stack(self.project(*line.T), axis=1)
            low, high = (end(points[1:], points[:-1]) for end in (np.minimum, np.maximum))
            seen = ((high > 0) & (low < [self.width, self.height])).all(axis=1)
            seen &= high[:, 0] - low[:, 0] < 180 * self.shrinking  # else torn at the antimeridian
            ends = np.flatnonzero(np.diff(seen, prepend=False, append=False)).reshape(-1, 2)
            lines += [points[first : last + 1] for first, last in ends]
        return lines

    def meridians(self) -> np.ndarray:
        """Longitudes of the graticule, degrees east, −180 to 180, from the left to the right."""
        west = self.centre - self.degrees / 2
        return (_multiples(west, west + self.degrees) + 180) % 360 - 180

    def parallels(self) -> np.ndarray:
        """Latitudes of the graticule, degrees north, from the bottom to the top."""
        return _multiples(self.south, self.north)


def _multiples(low: float, high: float) -> np.ndarray:
    """Multiples of the smallest of `SPACINGS` that gives few lines between two degrees."""
    few = (step for step in SPACINGS if (high - low) / step <= MOST_LINES)
    step = next(few, 60)
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
