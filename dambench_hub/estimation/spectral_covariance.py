"""A balanced B that scales: covariances of the channels by degree and order, in bands of latitude.

    B = U Uᵀ,   U = D · Σ_b w_b S R_b

For each band b and each harmonic Y_lm, R_b R_bᴴ is the covariance of all channels' coefficients,
wind through vorticity and divergence; S sums harmonics, w_b are smooth weights with Σ w_b² = 1 and
D gives each latitude its standard deviation. In a band the Coriolis parameter has one sign, so the
covariances hold the balance of mass and wind as the errors had it. They are complex: waves may tilt
with height, which a covariance by degree alone cannot have.

Gains are found by conjugate gradients on the controls of U. Each harmonic's own block of their
Hessian is the preconditioner: one on the observations, of each column or of each observation, takes
more than five times as many steps, as it knows nothing of the horizontal.

Memory grows with bands · channels² · degrees² / 2, whatever the grid: 0.2 GB at 121×240, where
`zonal_covariance` would need 22 GB.

References:
    Derber and Bouttier (1999), Tellus A 51, 195-221; Berre (2000), Mon. Wea. Rev. 128, 644-667;
    Fisher (2003), ECMWF Seminar on Data Assimilation, 45-64 (covariances that vary in space as
    weighted sums of homogeneous ones).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.channel_harmonics import BANDS, ChannelHarmonics
from dambench_hub.estimation.iterative_gain import (
    ObservedPoints,
    gain_by_controls,
    observed_scale,
    precision_by_latitude,
    reduction_to,
)
from dambench_hub.estimation.observation_covariance import floored
from dambench_hub.estimation.operators import Gain, LinearOperator
from dambench_hub.estimation.spectral_root import SpectralRoot

TOLERANCE = 4e-3
"""Of the residual when conjugate gradients end. It is in units of the observations' errors: the
smaller these are against the background's, the more iterations their use takes."""


@dataclass(frozen=True, eq=False)
class SpectralCovariance:
    """B, as the module says.

    Attributes:
        channels: Names of the C channels.
        grid: Y×X grid.
        profile: Diagonal of D, units of the channels, (C, Y).
        roots: R_b for the pairs of order and degree of `ChannelHarmonics`, (B, P, C, K), complex;
            complex64 works in single precision.

    Raises:
        DataError: When shapes do not belong together.
    """

    channels: tuple[str, ...]
    grid: Grid
    profile: np.ndarray
    roots: np.ndarray

    def __post_init__(self) -> None:
        wanted = (BANDS, len(self.harmonics.order), len(self.channels))
        profile = (len(self.channels), self.grid.latitudes)
        if self.roots.shape[:3] != wanted or self.roots.ndim != 4 or self.profile.shape != profile:
            raise DataError(
                f"A covariance of {len(self.channels)} channels on {self.grid} needs a profile "
                f"{profile} and roots ({str(wanted)[1:-1]}, modes), "
                f"got {self.profile.shape} and {self.roots.shape}."
            )

    @classmethod
    def from_arrays(
        cls, channels: tuple[str, ...], grid: Grid, arrays: Mapping[str, np.ndarray]
    ) -> SpectralCovariance:
        """The inverse of `arrays`."""
        return cls(channels, grid, arrays["profile"], arrays["real"] + 1j * arrays["imaginary"])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Plain real arrays, for a file."""
        return {"profile": self.profile, "real": self.roots.real, "imaginary": self.roots.imag}

    @cached_property
    def harmonics(self) -> ChannelHarmonics:
        """S and the weights of the bands."""
        return ChannelHarmonics(self.channels, self.grid, self.roots.real.dtype)

    @cached_property
    def root(self) -> SpectralRoot:
        """U."""
        return SpectralRoot(self.harmonics, self.profile, self.roots)

    @cached_property
    def std(self) -> np.ndarray:
        """Standard deviation of the background error by latitude, (C, Y)."""
        return self.profile * np.sqrt(self.harmonics.variance(self.roots))

    @cached_property
    def scale(self) -> np.ndarray:
        """Size of the background error, (C,); 1 for a channel that has none."""
        scale = np.sqrt(np.mean(self.std**2, axis=-1))
        return np.where(scale > 0, scale, 1.0)

    def __call__(self, state: np.ndarray) -> np.ndarray:
        """B x on the whole grid, (*, C, Y, X)."""
        return self.root(self.root.adjoint(state))

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Errors with mean 0 and covariance B, (S, C, Y, X)."""
        dtype = self.roots.real.dtype
        return self.root(rng.standard_normal((size, *self.root.control_shape), dtype))

    def gain(
        self,
        index: np.ndarray,
        error_std: np.ndarray,
        seen: np.ndarray | None = None,
        tolerance: float = TOLERANCE,
    ) -> Gain:
        """K = B Hᵀ (H B Hᵀ + R)⁻¹ for observations at grid points.

        Args:
            index: Observed points, row-major: (P,), shared by all channels, or (C, P).
            error_std: Observation-error standard deviation, (C,); raised to 1 % of the scale where
                it is smaller.
            seen: Which channels are seen at which points, boolean, (C, P); None for all.
            tolerance: Of the residual, in units of the observation error.
        """
        error_std = floored(error_std, self.scale)
        return self.gain_through(ObservedPoints(self.grid, index, seen), error_std, tolerance)

    def gain_through(
        self, H: LinearOperator, error_std: np.ndarray, tolerance: float = TOLERANCE
    ) -> Gain:
        """K for observations of any kind.

        Args:
            H: From states, (S, C, Y, X), to observations, (S, M, P).
            error_std: Observation-error standard deviation, (M,); raised to 1 % of the scale where
                it is smaller.
            tolerance: Of the residual, in units of the observation error.
        """
        scale = observed_scale(H, self.scale, self.grid)
        error_std = floored(error_std, scale).astype(self.roots.real.dtype)
        shape = (len(self.channels), *self.grid.shape)
        precondition = self.root.preconditioner(precision_by_latitude(H, error_std, shape))
        reduction = reduction_to(tolerance, error_std, scale)
        return gain_by_controls(self.root, H, error_std, precondition, reduction)
