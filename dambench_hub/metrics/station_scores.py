"""Scores at stations: errors where somebody measured, weighted so that no region counts twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from dambench_hub.coordinates.places import chord, on_unit_sphere
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.bootstrap_interval import bootstrap_interval

THINNING_KM = 100.0
"""Stations nearer than this share the weight of one."""


@dataclass(frozen=True)
class StationScores:
    """Weighted scores of R errors, in their units.

    Attributes:
        rmse: √(Σ w e² / Σ w).
        rmse_low: Lower end of its 95 % interval, by the bootstrap over stations.
        rmse_high: Upper end.
        bias: Σ w e / Σ w.
        mae: Σ w |e| / Σ w.
        stations: How many have errors.
    """

    rmse: float
    rmse_low: float
    rmse_high: float
    bias: float
    mae: float
    stations: int


def station_scores(error: np.ndarray, weight: np.ndarray, station: np.ndarray) -> StationScores:
    """Scores of errors at stations, with an interval that counts chance of the stations.

    A station is drawn with all of its errors, so that many reports of one are no more certain than
    one. Errors of neighbours are taken as independent; where they are not, intervals are too short.

    Args:
        error: e, analysis at the station − measured value, (R,).
        weight: w, from 0 on, (R,).
        station: Whose error it is, integer, (R,).

    Raises:
        ScoreError: When an error is not finite, nothing has a weight, or there are fewer than two
            stations.
    """
    if not np.isfinite(error).all():
        raise ScoreError(f"{np.sum(~np.isfinite(error))} errors at stations are not finite.")
    if not np.any(weight > 0):
        raise ScoreError("No error at stations has a weight.")
    station = np.unique(station, return_inverse=True)[1]
    if (count := len(np.unique(station))) < 2:
        raise ScoreError(f"Scores at stations need two of them at least, got {count}.")

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(station, weights=values, minlength=count)

    squares, weights = total(weight * error**2), total(weight)

    def rmse(drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.sqrt(squares[drawn].sum(axis) / weights[drawn].sum(axis))

    low, high = bootstrap_interval(rmse, count)
    return StationScores(
        rmse=float(rmse(np.arange(count))),
        rmse_low=low,
        rmse_high=high,
        bias=float(np.average(error, weights=weight)),
        mae=float(np.average(np.abs(error), weights=weight)),
        stations=count,
    )


def thinning_weights(
    latitude: np.ndarray, longitude: np.ndarray, radius_km: float = THINNING_KM
) -> np.ndarray:
    """1 / number of places within a distance, itself included: dense networks count as thin ones.

    Values of one place share its weight.

    Args:
        latitude: Of R values, degrees, (R,).
        longitude: Degrees, (R,).
        radius_km: Great-circle distance.

    Returns:
        (R,), in (0, 1].
    """
    places, place, values = np.unique(
        np.stack([latitude, longitude]), axis=1, return_inverse=True, return_counts=True
    )
    where = on_unit_sphere(*places)
    near = cKDTree(where).query_ball_point(where, chord(radius_km), return_length=True)
    return (1 / (near * values))[place.reshape(-1)]
