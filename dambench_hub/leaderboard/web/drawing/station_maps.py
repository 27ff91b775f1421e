"""Errors at stations as SVG: coloured dots under coastlines, zoomed to where the stations are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import matplotlib
import numpy as np
from markupsafe import Markup

from dambench_hub.coordinates.region import Region
from dambench_hub.leaderboard.web.drawing.maps import colour_map
from dambench_hub.scoring.precision import signed_number

WIDTH = 560.0
"""Of a map, in units of its lines."""


@dataclass(frozen=True)
class StationAtlas:
    """Draws maps of one region.

    Attributes:
        region: What they show.
    """

    region: Region

    @cached_property
    def lines(self) -> Markup:
        """Graticule and coastlines, which must stand once in a page for all of its maps."""
        return Markup(
            '<svg class="visually-hidden" aria-hidden="true"><g id="region-lines" fill="none">'
            '<path class="graticule" d="{}"/><path class="coast" d="{}"/></g></svg>'
        ).format(self._graticule(), self._coast())

    def draw(
        self,
        places: tuple[np.ndarray, np.ndarray],
        errors: np.ndarray,
        limits: tuple[float, float],
        names: list[str],
        label: str,
    ) -> Markup:
        """One map; see `lines` for what the page needs besides.

        Args:
            places: Latitude and longitude of each station, degrees, (P,).
            errors: Values, (P,); those beyond the limits get the colours at the ends.
            limits: Values at the ends of the colours.
            names: What a station is called, with the units of its error, for who points at it.
            label: What the map shows, for those who do not see it.
        """
        low, high = limits
        shares = (np.clip(errors, low, high) - low) / (high - low)
        colours = [matplotlib.colors.to_hex(c) for c in colour_map(limits)(shares)]
        x, y = self._place(*places)
        radius = float(np.clip(64 / np.sqrt(len(errors)), 1.5, 6))
        dot = Markup(
            '<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" fill="{}"><title>{}</title></circle>'
        )
        dots = Markup("").join(
            dot.format(x[n], y[n], radius, colours[n], names[n])
            for n in np.argsort(np.abs(errors))  # the largest lie above the others
        )
        return Markup(
            '<svg viewBox="0 0 {w:.1f} {h:.1f}" role="img" aria-label="{label}">'
            '<rect class="region" width="100%" height="100%"/><use href="#region-lines"/>'
            '<g class="stations">{dots}</g></svg>'
        ).format(w=WIDTH, h=self._height, label=label, dots=dots)

    @property
    def _height(self) -> float:
        return WIDTH * self.region.height / self.region.width

    def _place(self, latitude: np.ndarray, longitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where places lie, x from the left and y from the top."""
        return self._on_map(*self.region.project(latitude, longitude))

    def _on_map(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scale = WIDTH / self.region.width
        return scale * x, self._height - scale * y

    def _graticule(self) -> str:
        x, _ = self._place(np.zeros(1), self.region.meridians())
        _, y = self._place(self.region.parallels(), np.zeros(1))
        meridians = (f"M{value:.1f} 0V{self._height:.1f}" for value in x)
        return "".join([*meridians, *(f"M0 {value:.1f}H{WIDTH}" for value in y)])

    def _coast(self) -> str:
        lines = (zip(*self._on_map(*line.T), strict=True) for line in self.region.coast())
        return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) for line in lines)


def named_errors(stations: np.ndarray, errors: np.ndarray, units: str) -> list[str]:
    """A station and its error, for who points at it.

    >>> named_errors(np.array(["10500"]), np.array([-1.25]), "K")
    ['10500: −1.250 K']
    """
    return [
        f"{station}: {signed_number(error)} {units}"
        for station, error in zip(stations, errors.tolist(), strict=True)
    ]
