"""Coastlines of the Earth, from Natural Earth (see `land_110m.NOTICE`), for any projection."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np

EDGE = 179.99
"""Lines keep off the date line by a hundredth of a degree, so that none jumps across the map."""


@cache
def coastlines() -> tuple[np.ndarray, ...]:
    """Lines of (latitude, longitude), degrees north and east of Greenwich, (N, 2) each.

    No line crosses the date line, and none runs along it: those that did are cut there.
    """
    # https://github.com/topojson/topojson-specification: an arc is a point and steps from it.
    file = files("dambench_hub.coordinates").joinpath("land_110m.topojson")
    topology = json.loads(file.read_text("utf-8"))
    scale, origin = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    lines: list[np.ndarray] = []
    for arc in topology["arcs"]:
        points = (np.cumsum(arc, axis=0) * scale + origin)[:, ::-1]
        lines += _cut(points)
    return tuple(lines)


def _cut(points: np.ndarray) -> list[np.ndarray]:
    """The parts of a line beside the date line."""
    longitude = points[:, 1]
    at_edge = np.abs(longitude) >= EDGE
    broken = (np.abs(np.diff(longitude)) > 180) | (at_edge[1:] & at_edge[:-1])
    parts = np.split(points, np.flatnonzero(broken) + 1)
    return [np.clip(part, [-90, -EDGE], [90, EDGE]) for part in parts if len(part) > 1]
