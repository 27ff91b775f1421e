"""U with U Uᵀ = B, of a covariance by degree and order in bands of latitude.

    U = D · Σ_b w_b S R_b

with the letters of `spectral_covariance`. Controls are real: real and imaginary parts of amplitudes
of each band's harmonics and modes. Where the order is 0 the imaginary part counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.estimation.channel_harmonics import ChannelHarmonics


@dataclass(frozen=True, eq=False)
class SpectralRoot:
    """U, as the module says.

    Attributes:
        harmonics: S and the weights of the bands.
        profile: Diagonal of D, units of the channels, (C, Y).
        roots: R_b, (B, P, C, K), complex; complex64 works in single precision.
    """

    harmonics: ChannelHarmonics
    profile: np.ndarray
    roots: np.ndarray

    @property
    def control_shape(self) -> tuple[int, ...]:
        """Two parts, bands, harmonics and modes, (2, B, P, K)."""
        bands, harmonics, _, modes = self.roots.shape
        return 2, bands, harmonics, modes

    def __call__(self, control: np.ndarray) -> np.ndarray:
        """U v, (*, 2, B, P, K) to (*, C, Y, X)."""
        mixed = _apply(self.roots, _joined(control))
        return self._profile * self.harmonics(np.moveaxis(mixed, -1, -3))

    def adjoint(self, increment: np.ndarray) -> np.ndarray:
        """Uᵀ δx, (*, C, Y, X) to (*, 2, B, P, K)."""
        coefficients = self.harmonics.adjoint(self._profile * increment)
        return _parted(_apply(self._adjoint_roots, np.moveaxis(coefficients, -3, -1)))

    def preconditioner(self, weights: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """About (I + Uᵀ W U)⁻¹: without what couples different harmonics, or different bands.

        Args:
            weights: W summed along circles of latitude, over which it is taken to be even, (C, Y).

        Returns:
            From controls to controls, (*, 2, B, P, K).
        """
        energy = self.harmonics.energy(self.profile**2 * weights)[..., None]
        blocks = self._adjoint_roots @ (energy.astype(self._profile.dtype) * self.roots)
        inverses = np.linalg.inv(np.eye(blocks.shape[-1]) + blocks).astype(blocks.dtype)
        return lambda control: _parted(_apply(inverses, _joined(control)))

    @cached_property
    def _profile(self) -> np.ndarray:
        return self.profile[..., None].astype(self.roots.real.dtype)

    @cached_property
    def _adjoint_roots(self) -> np.ndarray:
        return np.ascontiguousarray(self.roots.conj().swapaxes(-1, -2))


def _joined(parts: np.ndarray) -> np.ndarray:
    """Complex amplitudes of both parts, (*, 2, B, P, K) to (*, B, P, K)."""
    return parts[..., 0, :, :, :] + 1j * parts[..., 1, :, :, :]


def _parted(amplitudes: np.ndarray) -> np.ndarray:
    """The inverse of `_joined`."""
    return np.stack([amplitudes.real, amplitudes.imag], axis=-4)


def _apply(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Matrices (B, P, I, J) times vectors (*, B, P, J): (*, B, P, I)."""
    columns = np.moveaxis(vectors.reshape(-1, *vectors.shape[-3:]), 0, -1)
    result = np.moveaxis(matrices @ columns, -1, 0)
    return result.reshape(*vectors.shape[:-1], matrices.shape[-2])
