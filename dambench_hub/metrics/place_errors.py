"""What a map of stations shows: one error a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PERCENTILE = 95.0
"""Where colours end: what few stations go beyond does not wash out all others."""


@dataclass(frozen=True, eq=False)
class PlaceErrors:
    """Errors of one channel at P places, means over the reports of each.

    Attributes:
        station: Identifiers, str, (P,).
        latitude: Degrees north, (P,).
        longitude: Degrees east, (P,).
        analysis: Mean of H(x^a) − y, units of the channel, (P,).
        background: Mean of H(x^b) − y, (P,).
        reports: How many each is the mean of, (P,).
        rmse: The score of all reports by kind, `background` and `analysis`.
    """

    station: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    analysis: np.ndarray
    background: np.ndarray
    reports: np.ndarray
    rmse: dict[str, float]

    @classmethod
    def of(
        cls,
        station: np.ndarray,
        where: np.ndarray,
        weight: np.ndarray,
        *,
        analysis: np.ndarray,
        background: np.ndarray,
    ) -> PlaceErrors:
        """Those of R reports; a station that moves has several places.

        Args:
            station: Identifiers, str, (R,).
            where: Latitude and longitude, degrees, (2, R).
            weight: Of a report in the score, (R,).
            analysis: H(x^a) − y, (R,).
            background: H(x^b) − y, (R,).
        """
        names, codes = np.unique(station, return_inverse=True)
        rows = np.stack([codes, *where], axis=1)
        places, place = np.unique(rows, axis=0, return_inverse=True)
        reports = np.bincount(place.ravel(), minlength=len(places))
        kinds = {"analysis": analysis, "background": background}
        means = {k: np.bincount(place.ravel(), error) / reports for k, error in kinds.items()}
        return cls(
            station=names[places[:, 0].astype(int)],
            latitude=places[:, 1],
            longitude=places[:, 2],
            reports=reports,
            rmse={
                kind: float(np.sqrt(np.average(error**2, weights=weight)))
                for kind, error in kinds.items()
            },
            **means,
        )

    @property
    def stations(self) -> int:
        """How many stations there are; one that moves counts once."""
        return len(np.unique(self.station))

    @property
    def what(self) -> str:
        """What the values are, for a title."""
        return "Mean error" if self.reports.max() > 1 else "Error"


def colour_limit(errors: list[np.ndarray]) -> float:
    """Where the colours of maps with these errors end, above 0."""
    return float(np.percentile(np.abs(np.concatenate(errors)), PERCENTILE)) or 1.0
