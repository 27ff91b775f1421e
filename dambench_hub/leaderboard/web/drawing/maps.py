"""Fields on the globe as SVG: a picture in Mollweide's projection under coastlines and a graticule.

Greenwich is in the middle, equal areas look equal. Lines take their colour from the page, so that
one map serves light and dark.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache, cached_property
from io import BytesIO

import matplotlib
import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike
from PIL import Image
from scipy.ndimage import map_coordinates

from dambench_hub.coordinates.coastlines import coastlines
from dambench_hub.coordinates.grids import Grid

WIDTH, HEIGHT = 720, 360
"""Size of a picture, pixels; also the unit of all lines in it."""
OUTSIDE = 255
"""The palette's last place: what lies outside of the globe, transparent."""
SEQUENTIAL, DIVERGING = "magma_r", "RdBu_r"


@dataclass(frozen=True, eq=False)
class Atlas:
    """Draws the maps of one grid.

    Attributes:
        grid: Y×X grid of all fields.
    """

    grid: Grid

    @cached_property
    def lines(self) -> Markup:
        """Graticule and coastlines, which must stand once in a page for all of its maps."""
        return Markup(
            '<svg class="visually-hidden" aria-hidden="true"><g id="map-lines" fill="none">'
            '<path class="graticule" d="{}"/><path class="coast" d="{}"/>'
            '<ellipse class="rim" cx="360" cy="180" rx="360" ry="180"/></g></svg>'
        ).format(_graticule(), _coast())

    def draw(
        self,
        field: np.ndarray,
        limits: tuple[float, float],
        label: str,
        points: np.ndarray | None = None,
    ) -> Markup:
        """One map; see `lines` for what the page needs besides.

        Args:
            field: (Y, X); values beyond the limits get the colours at the ends.
            limits: Values at the ends of the colours; diverging colours if the lower is negative.
            label: What the map shows, for those who do not see it.
            points: Grid points to mark, row-major y·X + x.
        """
        image = self._picture(field, limits)
        return Markup(
            '<svg viewBox="-2 -2 {w} {h}" role="img" aria-label="{label}">'
            '<image href="data:image/png;base64,{image}" width="{width}" height="{height}"/>'
            '<use href="#map-lines"/>{points}</svg>'
        ).format(
            w=WIDTH + 4,
            h=HEIGHT + 4,
            width=WIDTH,
            height=HEIGHT,
            label=label,
            image=image,
            points=Markup("") if points is None else self._marks(points),
        )

    def _picture(self, field: np.ndarray, limits: tuple[float, float]) -> str:
        low, high = limits
        values = self._on_picture(field)
        share = (values - low) / max(high - low, 1e-300)
        index = np.rint(np.clip(share, 0, 1) * (OUTSIDE - 1)).astype("u1")
        index[~_globe()[0]] = OUTSIDE
        image = Image.fromarray(index, "P")
        colours = colour_map(limits)(np.linspace(0, 1, OUTSIDE))[:, :3]
        image.putpalette((np.rint(255 * colours)).astype("u1").tobytes() + b"\0\0\0")
        stream = BytesIO()
        image.save(stream, "PNG", transparency=OUTSIDE)
        return base64.b64encode(stream.getvalue()).decode("ascii")

    def _on_picture(self, field: np.ndarray) -> np.ndarray:
        """The field at the pixels, bilinear, (HEIGHT, WIDTH)."""
        _, latitude, longitude = _globe()
        rows = (90 - latitude) * (self.grid.latitudes - 1) / 180
        columns = (longitude % 360) * self.grid.longitudes / 360
        around = np.concatenate([field, field[:, :1]], axis=1).astype(np.float64)
        return map_coordinates(around, [rows, columns], order=1, mode="nearest")

    def _marks(self, points: np.ndarray) -> Markup:
        row, column = np.divmod(points, self.grid.longitudes)
        x, y = project(self.grid.latitude[row], self.grid.longitude[column])
        radius = float(np.clip(60 / np.sqrt(len(points)), 0.8, 2.5))
        dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x, y, strict=True))
        return Markup('<path class="observed" stroke-width="{}" d="{}"/>').format(
            round(2 * radius, 1), dots
        )


def colour_map(limits: tuple[float, float]) -> matplotlib.colors.Colormap:
    """The colours of values within these limits."""
    return matplotlib.colormaps[DIVERGING if limits[0] < 0 else SEQUENTIAL]


def colour_bar(limits: tuple[float, float]) -> str:
    """A CSS gradient from the lower to the upper limit."""
    stops = colour_map(limits)(np.linspace(0, 1, 13))
    return f"linear-gradient(to right, {', '.join(matplotlib.colors.to_hex(s) for s in stops)})"


def project(latitude: ArrayLike, longitude: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Where points lie on a picture, by the forward projection of Mollweide.

    Args:
        latitude: Degrees north.
        longitude: Degrees east, any turn.

    Returns:
        x from the left and y from the top, in pixels.
    """
    angle = np.linspace(-np.pi / 2, np.pi / 2, 2001)
    angles = np.interp(np.sin(np.deg2rad(latitude)), (2 * angle + np.sin(2 * angle)) / np.pi, angle)
    turn = (np.asarray(longitude) + 180) % 360 - 180
    return (
        WIDTH / 2 * (1 + turn / 180 * np.cos(angles)),
        HEIGHT / 2 * (1 - np.sin(angles)),
    )


@cache
def _globe() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each pixel lies on the globe, and its latitude and longitude, degrees."""
    x = (np.arange(WIDTH) + 0.5) / (WIDTH / 2) - 1
    y = 1 - (np.arange(HEIGHT)[:, None] + 0.5) / (HEIGHT / 2)
    angle = np.arcsin(y)
    latitude = np.rad2deg(np.arcsin((2 * angle + np.sin(2 * angle)) / np.pi))
    turn = x / np.cos(angle)
    inside = np.abs(turn) <= 1
    return inside, np.broadcast_to(latitude, inside.shape), 180 * np.clip(turn, -1, 1)


@cache
def _graticule() -> str:
    """Meridians and parallels every 30 degrees."""
    _, parallels = project(np.arange(-60, 61, 30), 0)
    half, _ = project(np.arange(-60, 61, 30), -180)
    lines = [f"M{x:.1f} {y:.1f}H{WIDTH - x:.1f}" for x, y in zip(half, parallels, strict=True)]
    for degrees in range(30, 180, 30):
        radius = WIDTH / 2 * degrees / 180
        for side in (0, 1):
            lines.append(f"M360 0A{radius:.1f} {HEIGHT / 2:.0f} 0 0 {side} 360 {HEIGHT}")
    return "".join([*lines, f"M360 0V{HEIGHT}"])


@cache
def _coast() -> str:
    """The coastlines."""
    projected = (zip(*project(*line.T), strict=True) for line in coastlines())
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) for line in projected)
