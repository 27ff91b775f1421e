"""What an ensemble method knows of one sample before it analyses it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.estimation.ensemble_transform import FurtherObservations
from dambench_hub.estimation.localisation import Localisation
from dambench_hub.models.point_observations import PointObservations
from dambench_hub.models.seen_departures import SeenDepartures


@dataclass(frozen=True, eq=False)
class Prior:
    """One sample, before its analysis.

    Attributes:
        members: x_i, float32, (N, C, Y·X).
        observed: H(x_i), float64, (N, M, P).
        observations: H and y, (M, P).
        variance: Diagonal of R, (M,).
        place: Which point of `localisation` each observation is at, (P,) or (M, P).
        localisation: Columns and observed points.
        hours: Valid time, hours since 1970-01-01.
        departures: Of modalities; None where there is none.
        departure_place: Which point of `localisation` each of them is at, (Q,).
    """

    members: np.ndarray
    observed: np.ndarray
    observations: PointObservations
    variance: np.ndarray
    place: np.ndarray
    localisation: Localisation
    hours: int
    departures: SeenDepartures | None
    departure_place: np.ndarray

    def further(self, noise: np.ndarray | float = 0.0) -> list[FurtherObservations]:
        """Departures for an ensemble filter.

        Args:
            noise: Perturbations of what was measured, (N, Q), for innovations of each member; those
                of the mean if left out.
        """
        seen = self.departures
        if seen is None:
            return []
        if isinstance(noise, np.ndarray):
            return seen.further(seen.values + noise - seen.observed, self.departure_place)
        innovation = seen.values - seen.observed.mean(axis=0)
        return seen.further(innovation[None], self.departure_place)
