"""U with U Uᵀ = B, of a covariance that is homogeneous along circles of latitude.

Seen along longitude, the covariance of the modes' amplitudes is a matrix for each zonal wavenumber,
A_m = L_m L_mᴴ. White noise v on the grid becomes errors by

    δx = D E F⁻¹ L F v

with F the Fourier transform along longitude, E the vertical modes and D the channels' scale. The
root is as large as the covariance: 0.46 GB at 33×64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import LinAlgError, cholesky

from dambench_hub.estimation.zonal_covariance import ZonalCovariance, hermitian_roots

JITTER = 2e-5
"""White noise in the errors, as a share of their variance. The covariances are in single precision:
their smallest eigenvalues are rounding, on the `mini` data down to −10⁻⁵ of a variance."""


@dataclass(frozen=True, eq=False)
class ZonalRoot:
    """U, as the module says.

    Attributes:
        covariance: B.
        factors: L, complex64, (X // 2 + 1, Y·K, Y·K).
    """

    covariance: ZonalCovariance
    factors: np.ndarray

    @classmethod
    def of(cls, covariance: ZonalCovariance) -> ZonalRoot:
        """The root of B, whose matrices are computed for this alone and do not stay in memory."""
        apart, rows = replace(covariance), np.arange(covariance.grid.latitudes)
        variance = np.einsum("ykk->yk", apart.covariances[rows, rows, 0]).ravel()
        matrices, columns = apart.spectral_covariances, covariance.grid.longitudes
        factors = np.empty_like(matrices)
        for wave, matrix in enumerate(matrices):
            # Those of a real field are real for the mean and the shortest wave.
            real = 2 * wave in (0, columns)
            factors[wave] = _factor(matrix.real if real else matrix, variance)
        return cls(covariance, factors)

    @property
    def control_shape(self) -> tuple[int, ...]:
        """(K, Y, X)."""
        return self.covariance.errors.shape[1:]

    def __call__(self, control: np.ndarray) -> np.ndarray:
        """U v, (C, Y, X)."""
        B = self.covariance
        return B.physical(B.by_waves(self._multiply, control[None]))[0]

    def adjoint(self, increment: np.ndarray) -> np.ndarray:
        """Uᵀ δx, (K, Y, X)."""
        B = self.covariance
        return B.by_waves(self._multiply_adjoint, B.amplitudes(increment[None]))[0]

    def _multiply(self, waves: np.ndarray) -> np.ndarray:
        return self.factors @ waves.astype(np.complex64)

    def _multiply_adjoint(self, waves: np.ndarray) -> np.ndarray:
        # Lᴴ w as the conjugate of Lᵀ w*: it needs no copy of L.
        return (self.factors.swapaxes(1, 2) @ waves.conj().astype(np.complex64)).conj()


def _factor(matrix: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """L with L Lᴴ = A + jitter: triangular where rounding lets it, else by eigenvectors.

    Args:
        matrix: A of one wave, Hermitian, (Y·K, Y·K).
        variance: Of the amplitudes, over all waves, (Y·K,).
    """
    std = np.sqrt(np.where(variance > 0, variance, 1))
    correlation = matrix.astype(np.result_type(matrix, np.float64)) / np.outer(std, std)
    correlation[np.diag_indices(len(std))] += JITTER
    try:
        root = cholesky(correlation, lower=True)
    except LinAlgError:
        root = hermitian_roots(correlation)
    return std[:, None] * root
