"""Background errors and departures together: a zonal B with further observed fields.

A departure, d = o − H(x^b), has the error that the background has in a field which is no part of
the state, and that of its observation: −d = H(x^t + e) − H(x^t) − ε. With the errors e and the
departures of the same training days, as samples, neither H nor R need be known:

    ⟨e (−d)ᵀ⟩ = B Hᵀ,   ⟨d dᵀ⟩ = H B Hᵀ + R,   turned and tapered as B is

R holds what a linear H leaves unsaid, too, with its correlations from point to point. Innovations
of columns and departures make the increment in one linear system.

Departures that are missing in the sample count as 0, and more often seen ones make up for them
(`TrainingDepartures.anomalies`). Covariances with errors are then as without gaps; those of
departures stay a covariance, with more variance: gaps make departures noisier, never surer.

References:
    Hollingsworth and Lönnberg (1986), Tellus 38A, 111-136 (what innovations say of both errors);
    Horvitz and Thompson (1952), J. Am. Stat. Assoc. 47, 663-685 (weights of what a sample lacks).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dambench_hub.errors import DataError
from dambench_hub.estimation.column_observations import joint_solver
from dambench_hub.estimation.observation_covariance import floored
from dambench_hub.estimation.training_departures import TrainingDepartures
from dambench_hub.estimation.zonal_covariance import ZonalCovariance

JointGain = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""K: from innovations, (S, C, P), and departures, (S, Q), to increments, (S, C, Y, X)."""


@dataclass(frozen=True, eq=False)
class DeparturePoints:
    """Where there are departures.

    Attributes:
        field: Which modality each is of, (Q,).
        index: At which grid point, row-major, (Q,).
    """

    field: np.ndarray
    index: np.ndarray

    @classmethod
    def present(cls, fields: np.ndarray) -> DeparturePoints:
        """Those of fields (F, Y, X) that are not NaN."""
        field, y, x = np.nonzero(np.isfinite(fields))
        return cls(field, y * fields.shape[-1] + x)

    def __call__(self, fields: np.ndarray) -> np.ndarray:
        """Values there, (S, Q), of fields (S, F, Y, X)."""
        return fields[:, self.field, *np.divmod(self.index, fields.shape[-1])]


@dataclass(frozen=True, eq=False)
class JointCovariance:
    """B and its departures, as the module says.

    Attributes:
        background: B.
        departures: Of the days of B's errors.

    Raises:
        DataError: When the departures are of other days or another grid than the errors.
    """

    background: ZonalCovariance
    departures: TrainingDepartures

    def __post_init__(self) -> None:
        errors, values = self.background.errors, self.departures.values
        if len(errors) != len(values) or errors.shape[2:] != values.shape[2:]:
            raise DataError(
                f"Departures go with errors day by day, on one grid; got errors {errors.shape} "
                f"and departures {values.shape}."
            )

    @cached_property
    def scale(self) -> np.ndarray:
        """Units of the departures, their standard deviation, (F,)."""
        std = np.sqrt(np.nanmean(self.departures.variance, axis=1))
        return np.where(std > 0, std, 1.0)

    @cached_property
    def sample(self) -> np.ndarray:
        """−d without mean, in units of its scale, weighted for gaps, float32, (N, F, Y, X)."""
        return self.departures.anomalies / self.scale[:, None, None].astype(np.float32)

    @cached_property
    def with_errors(self) -> np.ndarray:
        """⟨a_k(y, x + δ) (−d_f)(y', x)⟩, a the modes' amplitudes, float32, (Y, Y', X, K, F)."""
        return self._lagged(self.background.errors, self.sample)

    @cached_property
    def of_departures(self) -> np.ndarray:
        """⟨d_f(y, x + δ) d_g(y', x)⟩, float32, (Y, Y', X, F, F)."""
        return self._lagged(self.sample, self.sample)

    def _lagged(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Tapered products, averaged over all days and shifts, (Y, Y', X, K, L)."""
        count, _, rows, columns = left.shape
        one, other = (np.fft.rfft(part).transpose(3, 2, 1, 0) for part in (left, right))
        flat = one.reshape(len(one), -1, count)
        products = flat @ other.reshape(len(other), -1, count).conj().transpose(0, 2, 1)
        lagged = np.fft.irfft(products, n=columns, axis=0) / (count * columns)
        lagged = lagged.reshape(columns, rows, left.shape[1], rows, right.shape[1])
        tapered = lagged.transpose(1, 3, 0, 2, 4) * self.background.taper[..., None, None]
        return tapered.astype(np.float32)

    def seen_at(self, index: np.ndarray, points: DeparturePoints) -> np.ndarray:
        """`with_errors` between grid points (P,) and departures, float32, (P, Q, K)."""
        columns = self.background.grid.longitudes
        (y, x), (v, u) = np.divmod(index, columns), np.divmod(points.index, columns)
        return self.with_errors[y[:, None], v, (x[:, None] - u) % columns, :, points.field]

    def between(self, points: DeparturePoints) -> np.ndarray:
        """`of_departures` between departures, float64, (Q, Q)."""
        columns, field = self.background.grid.longitudes, points.field
        y, x = np.divmod(points.index, columns)
        lag = (x[:, None] - x) % columns
        return self.of_departures[y[:, None], y, lag, field[:, None], field].astype(np.float64)

    def std_at(self, points: DeparturePoints) -> np.ndarray:
        """Standard deviation of departures, units of the modalities, (Q,)."""
        y, field = points.index // self.background.grid.longitudes, points.field
        return self.scale[field] * np.sqrt(self.of_departures[y, y, 0, field, field])

    def gain(
        self,
        index: np.ndarray,
        error_std: np.ndarray,
        points: DeparturePoints,
        seen: np.ndarray | None = None,
        *,
        factor: float = 1.0,
        noise: float = 0.0,
    ) -> JointGain:
        """K for observations at grid points that channels share, and departures at their own.

        Args:
            index: Observed points, row-major, (P,).
            error_std: Observation-error standard deviation, (C,); raised to 1 % of the scale where
                it is smaller.
            points: Of the departures.
            seen: Which channels are seen at which points, boolean, (C, P); None for all.
            factor: Of the covariances of departures with each other.
            noise: White noise of departures beside that of the sample, its variance as a share of
                theirs.
        """
        B = self.background
        own = factor * self.between(points)
        own[np.diag_indices(len(own))] *= 1 + noise
        E, error_std = B.scale[:, None] * B.modes, floored(error_std, B.scale)
        with_departures = self.seen_at(index, points)
        solve = joint_solver(B.at_points(index), with_departures, own, E, error_std, seen)
        scale = self.scale[points.field]

        def gain(innovation: np.ndarray, departures: np.ndarray) -> np.ndarray:
            weights, of_departures = solve(innovation, departures / scale)
            return B.increments(weights, index) + self.increments(of_departures, points)

        return gain

    def increments(self, weights: np.ndarray, points: DeparturePoints) -> np.ndarray:
        """B Hᵀ w, (S, C, Y, X), from weights w of departures in units of their scale, (Q, S)."""
        B, (fields, size) = self.background, (len(self.scale), weights.shape[1])
        flat = np.zeros((size, fields, B.grid.size))
        flat[:, points.field, points.index] = weights.T
        waves = np.fft.rfft(flat.reshape(size, fields, *B.grid.shape)).transpose(3, 2, 1, 0)
        found = self._by_wave @ waves.reshape(len(waves), -1, size)
        found = found.reshape(len(waves), B.grid.latitudes, -1, size).transpose(3, 2, 1, 0)
        return B.physical(np.fft.irfft(found, n=B.grid.longitudes))

    @cached_property
    def _by_wave(self) -> np.ndarray:
        """Fourier transform of `with_errors` along δ, complex, (X // 2 + 1, Y·K, Y'·F)."""
        waves = np.fft.rfft(self.with_errors, axis=2).transpose(2, 0, 3, 1, 4)
        rows = self.background.grid.latitudes
        return np.ascontiguousarray(waves).reshape(len(waves), rows * waves.shape[2], -1)

    def draw(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Errors of state and equivalents, with mean 0: (S, C, Y, X), and −d, (S, F, Y, X)."""
        B, fields = self.background, len(self.scale)
        channels, modes = B.modes.shape
        both = np.zeros((channels + fields, modes + fields))
        both[:channels, :modes] = B.modes
        both[channels:, modes:] = np.eye(fields)
        joint = replace(
            B,
            scale=np.concatenate([B.scale, self.scale]),
            modes=both,
            errors=np.concatenate([B.errors, self.sample], axis=1),
        )
        drawn = joint.draw(size, rng)
        return drawn[:, :channels], drawn[:, channels:]
