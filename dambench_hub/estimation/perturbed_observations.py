"""The stochastic ensemble Kalman filter: each member is analysed with observations of its own.

    x_i ← x_i + K (y + ε_i − H(x_i)),   K = Aᵀ Y (Yᵀ Y + (N − 1) R)⁻¹

Members are rows as in `ensemble_transform`: anomalies A, (N, n), in observation space Y, (N, p),
and perturbed innovations D = y + ε_i − H(x_i), (N, p). By the identity of Sherman, Morrison and
Woodbury the increments are D Kᵀ = W A with

    W = D (Yᵀ Y + (N − 1) R)⁻¹ Yᵀ = D R⁻¹ Yᵀ C⁻¹,   C = (N − 1) I + Y R⁻¹ Yᵀ

a system of p or of N equations. Localised, the second form is used column by column, R⁻¹ ← ρ R⁻¹,
from the same sums as the LETKF's: the other way, to taper the covariance of all observations with
each other, needs a matrix p×p, and p is 10⁵ for a globe.

References:
    Burgers, van Leeuwen and Evensen (1998), Mon. Wea. Rev. 126, 1719-1724; Houtekamer and Mitchell
    (2001), Mon. Wea. Rev. 129, 123-137.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dambench_hub.estimation.ensemble_transform import (
    FurtherObservations,
    Update,
    column_sums,
    require_ensemble,
    weighted_products,
)
from dambench_hub.estimation.localisation import Localisation


def observation_perturbations(
    members: int, std: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """ε_i ~ N(0, R), recentred: their mean is 0, their covariance (over N − 1) R on average.

    With a mean of 0, the mean of the analyses is exactly that of the Kalman filter with the
    ensemble's covariance.

    Args:
        members: N ≥ 2.
        std: Root of R's diagonal, (*,).
        generator: Source of randomness.

    Returns:
        (N, *).
    """
    noise = generator.standard_normal((members, *std.shape))
    return std * (noise - noise.mean(axis=0))


def enkf(
    members: np.ndarray,
    observed: np.ndarray,
    observations: np.ndarray,
    variance: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """The analysis without localisation.

    Args:
        members: x_i, (N, n).
        observed: H(x_i), (N, p).
        observations: y, (p,).
        variance: Diagonal of R, (p,).
        generator: Source of the perturbations.

    Returns:
        Members of the analysis, (N, n).

    Raises:
        DataError: When there are fewer than two members.
    """
    require_ensemble(len(members))
    A, Y = members - members.mean(axis=0), observed - observed.mean(axis=0)
    noise = observation_perturbations(len(members), np.sqrt(variance), generator)
    D = observations + noise - observed
    N, p = Y.shape
    if p < N:
        W = D @ np.linalg.solve(Y.T @ Y + (N - 1) * np.diag(variance), Y.T)
    else:
        C = (N - 1) * np.eye(N) + Y / variance @ Y.T
        W = np.linalg.solve(C, Y / variance @ D.T).T
    return members + W @ A


def enkf_updates(
    anomalies: np.ndarray,
    innovations: np.ndarray,
    variance: np.ndarray,
    place: np.ndarray,
    localisation: Localisation,
    further: Sequence[FurtherObservations] = (),
) -> Iterator[Update]:
    """The weights I + W of all columns that see an observation, block by block.

    Args:
        anomalies: Y, (N, C, P).
        innovations: D = y + ε_i − H(x_i), (N, C, P).
        variance: Diagonal of R, (C,).
        place: Which point of `localisation` an observation is at, (P,) or (C, P).
        localisation: Columns and observed points.
        further: Observations of other fields with innovations of each member, at points of the same
            localisation.

    Raises:
        DataError: When there are fewer than two members.
    """
    N = len(anomalies)
    require_ensemble(N)
    rows = np.concatenate([anomalies, innovations])
    places = len(localisation.points)
    at_points = weighted_products(rows, anomalies, variance, place, places)
    for others in further:
        at_points += others.products(places)
    for columns, sums in column_sums(at_points, localisation):
        C = (N - 1) * np.eye(N) + sums[:, :N]
        yield columns, np.eye(N) + np.linalg.solve(C, sums[:, N:].mT).mT
