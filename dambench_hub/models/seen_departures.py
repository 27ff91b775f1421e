"""Departures in an ensemble: what members say of a modality, and how wrong that is beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.estimation.ensemble_transform import FurtherObservations
from dambench_hub.estimation.joint_covariance import DeparturePoints

LEAST_ERROR = 0.5
"""Of the variance of training departures, what is taken to be no error of the background."""


@dataclass(frozen=True, eq=False)
class SeenDepartures:
    """Modalities of one sample where they are measured, in their units.

    Attributes:
        points: Which and where, Q in all.
        observed: Equivalents of the members, float64, (N, Q).
        values: What was measured, float64, (Q,).
        variance: Diagonal of R: of its error, and of what equivalents do not represent, (Q,).
    """

    points: DeparturePoints
    observed: np.ndarray
    values: np.ndarray
    variance: np.ndarray

    def further(self, innovations: np.ndarray, place: np.ndarray) -> list[FurtherObservations]:
        """Each modality for an ensemble filter.

        Args:
            innovations: Of the mean, (1, Q), or of each member, (N, Q).
            place: Which point of the filter's localisation each is at, (Q,).
        """
        std = np.sqrt(self.variance)
        anomalies = (self.observed - self.observed.mean(axis=0)) / std
        found = []
        for field in np.unique(self.points.field):
            own = self.points.field == field
            scaled = innovations[:, own] / std[own]
            found.append(FurtherObservations(anomalies[:, own], scaled, place[own]))
        return found


def see_departures(
    measured: np.ndarray, equivalents: np.ndarray, variance: np.ndarray, factor: float
) -> SeenDepartures:
    """Modalities of a sample in its ensemble, wherever all is known.

    Departures vary by errors of the background and by R. What the ensemble's spread does not
    explain of their variance in training is R, by latitude and at least half of it:

        R = factor² · max(⟨d²⟩ − ⟨spread²⟩, ½ ⟨d²⟩)

    Args:
        measured: Modalities, (F, Y, X), NaN where there is none.
        equivalents: Of the members, (N, F, Y, X), NaN where there is none.
        variance: ⟨d²⟩ of training departures, (F, Y), NaN where there was none.
        factor: Of R's standard deviation.

    References:
        Hollingsworth and Lönnberg (1986), Tellus 38A, 111-136; Desroziers et al. (2005), Q. J. R.
        Meteorol. Soc. 131, 3385-3396 (E[d dᵀ] = H P Hᵀ + R).
    """
    known = np.isfinite(measured) & np.isfinite(equivalents).all(axis=0)
    known &= variance[..., None] > 0
    spread = np.where(known, equivalents.var(axis=0, ddof=1, dtype=np.float64), 0)
    explained = spread.sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    R = factor**2 * np.maximum(variance - explained, LEAST_ERROR * variance)
    points = DeparturePoints.present(np.where(known, measured, np.nan))
    rows = points.index // measured.shape[-1]
    return SeenDepartures(
        points=points,
        observed=points(equivalents).astype(np.float64),
        values=points(measured[None])[0].astype(np.float64),
        variance=R[points.field, rows],
    )
