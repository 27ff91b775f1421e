"""Rain gauges and a satellite over a simulated atmosphere: where they measure, and how well.

Every draw comes from the generator it is given, which the caller keys by (seed, purpose, time).
"""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.grids import Grid

ORBITS = 14
"""Swaths of a polar orbiter in a day."""

GAUGE_SHARE, GAUGE_FLOOR = 0.2, 0.1
"""Standard deviation of a gauge's error: a share of the rain, and mm/day that are always there."""

OLR_SHARE = 0.02
"""Standard deviation of the satellite's error, as a share of the radiation."""


def gauge_network(grid: Grid, land: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grid points with rain gauges: a share of the land that is largest in the northern middle.

    The share is 0.15 + 0.55 exp(−((φ − 45°) / 18°)²), and nothing north of 70° N or south of 60° S.

    Args:
        grid: Y×X grid.
        land: Land fraction, 0 to 1, (Y, X).
        rng: Keyed by the seed only: a network stays where it is.

    Returns:
        Boolean, (Y, X); at least one gauge where there is land.
    """
    latitude = np.broadcast_to(grid.latitude[:, None], grid.shape)
    share = 0.15 + 0.55 * np.exp(-(((latitude - 45) / 18) ** 2))
    share = np.where((land > 0.5) & (latitude < 70) & (latitude > -60), share, 0.0)
    draw = rng.random(grid.shape)
    network = draw < share
    if not network.any() and share.any():
        network.flat[np.argmax(np.where(share > 0, share - draw, -np.inf))] = True
    return network


def measure_precipitation(
    precipitation: np.ndarray, network: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """What gauges report: P exp(0.2 ε_1 − 0.02) + 0.1 ε_2, never negative; 5 % report nothing.

    Args:
        precipitation: P, mm/day, (Y, X).
        network: Where gauges stand, boolean, (Y, X).
        rng: Keyed by seed and day.

    Returns:
        mm/day, float32, (Y, X); NaN where there is no report.
    """
    factor = np.exp(GAUGE_SHARE * rng.standard_normal(precipitation.shape) - GAUGE_SHARE**2 / 2)
    report = precipitation * factor + GAUGE_FLOOR * rng.standard_normal(precipitation.shape)
    reporting = network & (rng.random(precipitation.shape) >= 0.05)
    return np.where(reporting, np.maximum(report, 0), np.nan).astype(np.float32)


def measure_olr(grid: Grid, olr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a polar orbiter sees: 2 % Gaussian error, some of its swaths lost.

    A day has 14 swaths, meridional bands slanted by 0.4° of longitude per degree of latitude. The
    first lies at a random longitude, and each is lost with probability 15 %.

    Args:
        grid: Y×X grid.
        olr: Outgoing longwave radiation, W m⁻², (Y, X).
        rng: Keyed by seed and day.

    Returns:
        W m⁻², float32, (Y, X); NaN where a swath is lost.
    """
    start = rng.uniform(0, 360)
    slanted = grid.longitude + 0.4 * grid.latitude[:, None] - start
    swath = (np.floor((slanted % 360) / (360 / ORBITS)).astype(int)) % ORBITS
    lost = (rng.random(ORBITS) < 0.15)[swath]
    seen = olr * (1 + OLR_SHARE * rng.standard_normal(olr.shape))
    return np.where(lost, np.nan, seen).astype(np.float32)
