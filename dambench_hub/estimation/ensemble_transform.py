"""The ensemble transform Kalman filter, and its local form, the LETKF.

Members are rows: anomalies A, (N, n), and in observation space Y, (N, p). All weights follow from

    C = (N − 1) I + Y R⁻¹ Yᵀ = V Λ Vᵀ,   w = C⁻¹ Y R⁻¹ d,   T = √(N − 1) V Λ^(−½) Vᵀ

and the analysis is x̄ + (w + T) A: the Kalman filter with the ensemble's covariance. R is diagonal,
so that Y R⁻¹ Yᵀ is a sum over observations. Localised, each has its weight ρ in the sum (R grows as
1/ρ). So the sum over the channels of each observed point is made once, a matrix N×N, and those
over the surroundings of all columns are one product (columns × points) · (points × N²).

References:
    Bishop, Etherton and Majumdar (2001), Mon. Wea. Rev. 129, 420-436; Hunt, Kostelich and Szunyogh
    (2007), Physica D 230, 112-126.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dambench_hub.errors import DataError
from dambench_hub.estimation.inflation import relax_to_prior_spread
from dambench_hub.estimation.localisation import Localisation

Update = tuple[np.ndarray, np.ndarray]
"""Columns, (J,), and the weights W of each, (J, N, N): its members become x̄ + W A."""


@dataclass(frozen=True, eq=False)
class FurtherObservations:
    """Observations of a field that is no channel, all in units of their errors.

    Attributes:
        anomalies: Y R^(−½), (N, Q).
        innovations: R^(−½) d of the mean, (1, Q), or of each member, (N, Q).
        place: Which point of a `Localisation` each is at, (Q,), none twice.
    """

    anomalies: np.ndarray
    innovations: np.ndarray
    place: np.ndarray

    def products(self, places: int) -> np.ndarray:
        """As `weighted_products` of anomalies and innovations with the anomalies."""
        rows = np.concatenate([self.anomalies, self.innovations])[:, None]
        return weighted_products(rows, self.anomalies[:, None], np.ones(1), self.place, places)


def transform(products: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the mean and symmetric-root transform of the anomalies.

    The symmetric root is the one nearest to I: it varies smoothly from column to column.

    Args:
        products: Y R⁻¹ Yᵀ, (*, N, N).
        gradient: Y R⁻¹ d with the innovation d = y − H x̄, (*, N).

    Returns:
        w, (*, N); T, (*, N, N), whose rows sum to 1.
    """
    members = products.shape[-1]
    values, V = np.linalg.eigh((members - 1) * np.eye(members) + products)
    w = V / values[..., None, :] @ (V.mT @ gradient[..., None])
    T = V * np.sqrt((members - 1) / values)[..., None, :] @ V.mT
    return w[..., 0], T


def etkf(
    members: np.ndarray, observed: np.ndarray, observations: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """The analysis without localisation.

    Args:
        members: x_i, (N, n).
        observed: H(x_i), (N, p).
        observations: y, (p,).
        variance: Diagonal of R, (p,).

    Returns:
        Members of the analysis, (N, n).

    Raises:
        DataError: When there are fewer than two members.
    """
    require_ensemble(len(members))
    mean, Y = members.mean(axis=0), observed - observed.mean(axis=0)
    innovation = observations - observed.mean(axis=0)
    w, T = transform(Y / variance @ Y.T, Y / variance @ innovation)
    return mean + (w + T) @ (members - mean)


def letkf_updates(
    anomalies: np.ndarray,
    innovation: np.ndarray,
    variance: np.ndarray,
    place: np.ndarray,
    localisation: Localisation,
    rotation: np.ndarray | None = None,
    further: Sequence[FurtherObservations] = (),
) -> Iterator[Update]:
    """The weights w + T of all columns that see an observation, block by block.

    Args:
        anomalies: Y, (N, C, P).
        innovation: d = y − H x̄, (C, P).
        variance: Diagonal of R, (C,).
        place: Which point of `localisation` an observation is at, (P,), or (C, P) where the
            channels have points of their own; no channel twice at the same.
        localisation: Columns and observed points.
        rotation: Mean-preserving Ω, (N, N), the same for all columns: T becomes Ω T.
        further: Observations of other fields, at points of the same localisation.

    Raises:
        DataError: When there are fewer than two members.
    """
    require_ensemble(len(anomalies))
    rows = np.concatenate([anomalies, innovation[None]])
    places = len(localisation.points)
    at_points = weighted_products(rows, anomalies, variance, place, places)
    for others in further:
        at_points += others.products(places)
    for columns, sums in column_sums(at_points, localisation):
        w, T = transform(sums[:, :-1], sums[:, -1])
        if rotation is not None:
            T = rotation @ T
        yield columns, w[:, None] + T


def weighted_products(
    left: np.ndarray, right: np.ndarray, variance: np.ndarray, place: np.ndarray, places: int
) -> np.ndarray:
    """Σ left · rightᵀ / R over the observations at each point.

    Args:
        left: (M, C, P).
        right: (N, C, P).
        variance: Diagonal of R, (C,).
        place: Point of each observation, (P,) or (C, P).
        places: How many points there are, K.

    Returns:
        float64, (K, M, N).
    """
    sums = np.zeros((places, len(left), len(right)))
    if place.ndim == 1:
        weighted = np.ascontiguousarray((left / variance[:, None]).transpose(2, 0, 1))
        sums[place] = weighted @ np.ascontiguousarray(right.transpose(2, 1, 0))
        return sums
    for c, points in enumerate(place):
        sums[points] += (left[:, c].T / variance[c])[:, :, None] * right[:, c].T[:, None, :]
    return sums


def column_sums(at_points: np.ndarray, localisation: Localisation) -> Iterator[Update]:
    """Σ ρ · (what is at a point) of all columns that have a point in reach, block by block.

    Args:
        at_points: (K, *).
        localisation: Columns and the K points.

    Yields:
        Numbers of J columns, and their sums, (J, *).
    """
    for near in localisation.neighbourhoods():
        seen = near.taper.any(axis=1)
        if seen.any():
            values = at_points[near.points]
            sums = near.taper[seen] @ values.reshape(len(values), -1)
            yield near.columns[seen], sums.reshape(-1, *values.shape[1:])


def updated(
    members: np.ndarray,
    updates: Iterator[Update],
    relaxation: float = 0.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """x̄ + W A of all columns; those without an update keep their members, bit for bit.

    Args:
        members: x_i, (N, C, J).
        updates: Columns and their W.
        relaxation: To the spread of the members, see `relax_to_prior_spread`.
        out: Where the result is written, (N, C, J); by default a new array.

    Returns:
        (N, C, J), in the type of the members.
    """
    analysis = np.empty_like(members) if out is None else out
    analysis[:] = members
    for columns, weights in updates:
        prior = members[..., columns].astype(np.float64)
        mean = prior.mean(axis=0)
        A = np.ascontiguousarray((prior - mean).transpose(2, 0, 1))  # (J, N, C)
        posterior = mean + (weights @ A).transpose(1, 2, 0)
        if relaxation:
            posterior = relax_to_prior_spread(posterior, prior.std(axis=0, ddof=1), relaxation)
        analysis[..., columns] = posterior
    return analysis


def require_ensemble(members: int) -> None:
    """Refuse an ensemble that has no covariance.

    Raises:
        DataError: When there are fewer than two members.
    """
    if members < 2:
        raise DataError(
            f"An ensemble needs two members at least for its covariance, got {members}."
        )
