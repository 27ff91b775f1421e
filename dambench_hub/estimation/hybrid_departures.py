"""Departures in a hybrid covariance: columns and departures together in one linear system.

With B and its departures J, anomalies A of members and Y of their equivalents,

    ⟨e (−d)ᵀ⟩ = β_c ⟨e (−d)ᵀ⟩_J + β_e ρ ∘ A Yᵀ / (N − 1)
    ⟨d dᵀ⟩ = β_c ⟨d dᵀ⟩_J + β_e (ρ ∘ Y Yᵀ / (N − 1) + R)

Departures of training days have the errors of what was measured in them, equivalents have not:
hence R beside the latter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.estimation.column_observations import joint_solver
from dambench_hub.estimation.hybrid_covariance import HybridCovariance
from dambench_hub.estimation.joint_covariance import DeparturePoints, JointCovariance, JointGain
from dambench_hub.estimation.observation_covariance import floored


@dataclass(frozen=True, eq=False)
class HybridDepartures:
    """P and departures, as the module says.

    Attributes:
        covariance: P, of errors.
        joint: J, whose B is P's.
        points: Of the departures, Q in all.
        anomalies: Y, units of the modalities, (N, Q).
        variance: Diagonal of R, (Q,).
    """

    covariance: HybridCovariance
    joint: JointCovariance
    points: DeparturePoints
    anomalies: np.ndarray
    variance: np.ndarray

    def gain(
        self, index: np.ndarray, error_std: np.ndarray, seen: np.ndarray | None = None
    ) -> JointGain:
        """K for observations at grid points that channels share, and for the departures.

        Args:
            index: Observed points, row-major, (P,).
            error_std: Observation-error standard deviation, (C,); raised to 1 % of B's scale where
                it is smaller.
            seen: Which channels are seen at which points, boolean, (C, P); None for all.
        """
        P, J, points = self.covariance, self.joint, self.points
        B, scale = J.background, J.scale[points.field]
        weight, share = P.climatological_weight, P.ensemble_weight
        in_modes = P.seen_in_modes(index)  # (P, N, K)
        Y = np.sqrt(share / (len(self.anomalies) - 1)) * self.anomalies / scale
        near, near_departures = P.taper_from(index), P.taper_from(points.index)
        with_departures = weight * J.seen_at(index, points) + np.einsum(
            "pq,pnk,nq->pqk", near_departures[index], in_modes, Y, optimize=True
        )
        of_departures = weight * J.between(points) + near_departures[points.index] * (Y.T @ Y)
        of_departures[np.diag_indices(len(scale))] += share * self.variance / scale**2
        solve = joint_solver(
            P.at_points(index),
            with_departures,
            of_departures,
            B.scale[:, None] * B.modes,
            floored(error_std, B.scale),
            seen,
        )

        def gain(innovation: np.ndarray, departures: np.ndarray) -> np.ndarray:
            weights, others = solve(innovation, departures / scale)
            localised = np.tensordot(near, in_modes @ weights, 1)  # (Y·X, N, S)
            localised += np.tensordot(near_departures, Y.T[:, :, None] * others[:, None], 1)
            climatological = B.increments(weights, index) + J.increments(others, points)
            return weight * climatological + P.from_members(localised)

        return gain
