"""Skill of methods against the density of observations, and against their number of parameters."""

from __future__ import annotations

from dataclasses import dataclass

from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import Entry, Ranking
from dambench_hub.leaderboard.web.parameters import parameters

DENSITY = "density-"
"""What the names of the tasks begin with that differ in the density of observations alone."""


@dataclass(frozen=True)
class Curve:
    """Skill of one method.

    Attributes:
        name: Of the method.
        x: Densities, % of the grid points, or one number of parameters.
        y: Skill there, %.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


def by_density(site: Site, most: int) -> list[Curve]:
    """Methods that are ranked in at least two of the tasks, the best of them first.

    Args:
        site: The board.
        most: How many at most; the background always is among them.
    """
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    names = [name for name in site.tasks if name.startswith(DENSITY)]
    for name in names:
        density = site.tasks[name].observation_settings(site.data.manifest).density
        for entry in site.store.ranking(name, site.data.revision).entries:
            key = (entry.owner.id, entry.name)
            points.setdefault(key, []).append((100 * density, entry.result.scores["skill"]))
    # The more tasks the better; of equally many, the larger skill.
    order = sorted(points.items(), key=lambda item: (-len(item[1]), -sum(y for _, y in item[1])))
    curves = [
        Curve(name, *map(tuple, zip(*sorted(found), strict=True)))
        for (_, name), found in order
        if len(found) > 1
    ]
    background = [curve for curve in curves if curve.name == "background"][:1]
    return background + [curve for curve in curves if curve not in background][: most - 1]


def by_parameters(ranking: Ranking) -> list[Curve]:
    """Methods that say how many parameters they have, by that number."""
    known = [(_parameters(entry), entry) for entry in ranking.entries]
    return [
        Curve(entry.name, (size,), (entry.result.scores["skill"],))
        for size, entry in sorted(known, key=lambda pair: pair[0])
        if size and "skill" in entry.result.scores
    ]


def _parameters(entry: Entry) -> float:
    return parameters(entry) or 0.0
