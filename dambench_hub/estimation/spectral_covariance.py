"""A balanced B that scales: covariances of the channels by degree and order, in bands of latitude.

    B = U Uᵀ,   U = D · Σ_b w_b S R_b

For each band b and each harmonic Y_lm, R_b R_bᴴ is the covariance of all channels' coefficients,
wind through vorticity and divergence; S sums harmonics, w_b are smooth weights with Σ w_b² = 1 and
D gives each latitude its standard deviation. In a band the Coriolis parameter has one sign, so the
covariances hold the balance of mass and wind as the errors had it. They are complex: waves may tilt
with height, which a covariance by degree alone cannot have.

Memory grows with bands · channels² · degrees² / 2, whatever the grid: 0.2 GB at 121×240, where
`zonal_covariance` would need 22 GB.

References:
    Derber and Bouttier (1999), Tellus A 51, 195-221; Berre (2000), Mon. Wea. Rev. 128, 644-667;
    Fisher (2003), ECMWF Seminar on Data Assimilation, 45-64 (covariances that vary in space as
    weighted sums of homogeneous ones).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.channel_harmonics import BANDS, ChannelHarmonics
from dambench_hub.estimation.conjugate_gradients import conjugate_gradients
from dambench_hub.estimation.observation_covariance import SMALLEST_ERROR
from dambench_hub.estimation.operators import Gain, LinearOperator

TOLERANCE = 3e-2
"""At which conjugate gradients end; a smaller one costs iterations and does not lower the error."""


@dataclass(frozen=True, eq=False)
class SpectralCovariance:
    """B, as the module says.

    Attributes:
        channels: Names of the C channels.
        grid: Y×X grid.
        scale: Diagonal of D, units of the channels, (C, Y).
        roots: R_b for the pairs of order and degree of `ChannelHarmonics`, (B, P, C, K), complex;
            complex64 works in single precision.

    Raises:
        DataError: When shapes do not belong together.
    """

    channels: tuple[str, ...]
    grid: Grid
    scale: np.ndarray
    roots: np.ndarray

    def __post_init__(self) -> None:
        wanted = (BANDS, len(self.harmonics.order), len(self.channels))
        scale = (len(self.channels), self.grid.latitudes)
        if self.roots.shape[:3] != wanted or self.roots.ndim != 4 or self.scale.shape != scale:
            raise DataError(
                f"A covariance of {len(self.channels)} channels on {self.grid} needs scales "
                f"{scale} and roots ({str(wanted)[1:-1]}, modes), "
                f"got {self.scale.shape} and {self.roots.shape}."
            )

    @classmethod
    def from_arrays(
        cls, channels: tuple[str, ...], grid: Grid, arrays: dict[str, np.ndarray]
    ) -> SpectralCovariance:
        """The inverse of `arrays`."""
        return cls(channels, grid, arrays["scale"], arrays["real"] + 1j * arrays["imaginary"])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Plain real arrays, for a file."""
        return {"scale": self.scale, "real": self.roots.real, "imaginary": self.roots.imag}

    @cached_property
    def harmonics(self) -> ChannelHarmonics:
        """S and the weights of the bands."""
        return ChannelHarmonics(self.channels, self.grid, self.roots.real.dtype)

    @property
    def control_shape(self) -> tuple[int, ...]:
        """Of v, complex: bands, harmonics and modes, (B, P, K)."""
        return self.roots.shape[:2] + self.roots.shape[3:]

    @cached_property
    def std(self) -> np.ndarray:
        """Standard deviation of the background error by latitude, (C, Y)."""
        return self.scale * np.sqrt(self.harmonics.variance(self.roots))

    def root(self, control: np.ndarray) -> np.ndarray:
        """U v, (*, B, P, K) to (*, C, Y, X)."""
        mixed = _apply(self.roots, control)
        return self._scale * self.harmonics(np.moveaxis(mixed, -1, -3))

    def root_adjoint(self, state: np.ndarray) -> np.ndarray:
        """Uᵀ x, (*, C, Y, X) to (*, B, P, K)."""
        coefficients = self.harmonics.adjoint(self._scale * state)
        return _apply(self._adjoint_roots, np.moveaxis(coefficients, -3, -1))

    def __call__(self, state: np.ndarray) -> np.ndarray:
        """B x on the whole grid, (*, C, Y, X)."""
        return self.root(self.root_adjoint(state))

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Errors with mean 0 and covariance B, (S, C, Y, X)."""
        real, imaginary = rng.standard_normal((2, size, *self.control_shape), self._scale.dtype)
        return self.root(real + 1j * imaginary)

    def gain(self, H: LinearOperator, error_std: np.ndarray, tolerance: float = TOLERANCE) -> Gain:
        """K = B Hᵀ (H B Hᵀ + R)⁻¹, by conjugate gradients in the space of the observations.

        Args:
            H: From states, (*, C, Y, X), to observations, (*, C, P).
            error_std: Observation-error standard deviation, (C,); raised to 1 % of the background's
                where it is smaller.
            tolerance: Reduction of the residual, in units of the observation error.
        """
        floor = SMALLEST_ERROR * np.sqrt(np.mean(self.std**2, axis=-1))
        error_std = np.maximum(error_std, np.where(floor > 0, floor, 1))
        R = (error_std[:, None] ** 2).astype(self._scale.dtype)

        def covariance(weights: np.ndarray) -> np.ndarray:
            return H(self(H.adjoint(weights))) + R * weights

        def gain(innovation: np.ndarray) -> np.ndarray:
            d = innovation.astype(self._scale.dtype)
            weights = conjugate_gradients(covariance, d, lambda v: v / R, tolerance)
            return self(H.adjoint(weights))

        return gain

    @cached_property
    def _scale(self) -> np.ndarray:
        return self.scale[..., None].astype(self.roots.real.dtype)

    @cached_property
    def _adjoint_roots(self) -> np.ndarray:
        return np.ascontiguousarray(self.roots.conj().swapaxes(-1, -2))


def _apply(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Matrices (B, P, I, J) times vectors (*, B, P, J): (*, B, P, I)."""
    columns = np.moveaxis(vectors.reshape(-1, *vectors.shape[-3:]), 0, -1)
    result = np.moveaxis(matrices @ columns, -1, 0)
    return result.reshape(*vectors.shape[:-1], matrices.shape[-2])
