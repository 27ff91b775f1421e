"""A homogeneous, isotropic B, as an operator and its estimate: no balance, the same everywhere.

    B = Σ_k v_k v_kᵀ ⊗ C_k,   v_k = D u_k,   C_k = Σ_j a_kj G_j,   G_j(d) = exp(−d² / 2L_j²)

The channels' errors, divided by scales D, are sums of uncorrelated *modes* u_k, orthonormal and the
same everywhere: they hold the vertical and cross-variable correlations. In the horizontal each mode
has its own mixture of Gaussians. Distances d are chords through the Earth, so B is homogeneous,
isotropic and positive semi-definite for any a_kj ≥ 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import nnls

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.mean_error import MeanError

LARGEST_LENGTH_SCALE_KM = 6000.0
"""Of the Gaussians in a mixture; the smallest is half a grid step."""

LAGS, PAIRS = 16, 2000
"""Distances at which covariances are estimated, and pairs of grid points at each of them."""

LARGEST_LAG_KM = 7500.0

MODE_LAGS_KM = (1000.0, 3000.0)
"""Lags that define the modes: as far as an observation of a sparse network has to reach."""


@dataclass(frozen=True, eq=False)
class IsotropicCovariance:
    """B, as the module says.

    Attributes:
        grid: Y×X grid.
        scale: Diagonal of D, positive, units of the channels, (C,).
        modes: u_k as columns, orthonormal, (C, C).
        variances: a_kj ≥ 0, (C, J).
        length_scales_km: L_j, (J,).

    Raises:
        DataError: When shapes do not belong together or a variance is negative.
    """

    grid: Grid
    scale: np.ndarray
    modes: np.ndarray
    variances: np.ndarray
    length_scales_km: np.ndarray

    def __post_init__(self) -> None:
        channels, kernels = len(self.scale), len(self.length_scales_km)
        if self.modes.shape != (channels, channels) or self.variances.shape != (channels, kernels):
            raise DataError(
                f"A covariance of {channels} channels and {kernels} length scales needs modes "
                f"({channels}, {channels}) and variances ({channels}, {kernels}), "
                f"got {self.modes.shape} and {self.variances.shape}."
            )
        if np.any(self.variances < 0):
            raise DataError(f"Variances must not be negative, got {self.variances.min():g}.")

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of the background error, (C,)."""
        return self.scale * np.sqrt(self.modes**2 @ self.variances.sum(axis=1))

    def __call__(self, state: np.ndarray) -> np.ndarray:
        """B x on the whole grid, float64, (*, C, Y, X)."""
        modes = self.to_modes(state.reshape(*state.shape[:-2], -1)).reshape(state.shape)
        spectra = np.fft.rfft(modes)
        # Circles of latitude do not mix wavenumbers m: for each, a matrix (Y, Y) does the rest.
        by_wavenumber = np.moveaxis(np.stack([spectra.real, spectra.imag]), -1, 0)
        result = np.zeros_like(by_wavenumber)
        for variance, kernel in zip(self.variances.T, self._kernel_spectra, strict=True):
            weighted = by_wavenumber * variance[:, None]
            flat = weighted.reshape(len(kernel), -1, self.grid.latitudes)
            result += (flat @ kernel).reshape(result.shape)
        real, imaginary = np.moveaxis(result, 0, -1)
        modes = np.fft.irfft(real + 1j * imaginary, n=self.grid.longitudes)
        return self.from_modes(modes.reshape(*state.shape[:-2], -1)).reshape(state.shape)

    def kernels(self, index: np.ndarray) -> np.ndarray:
        """G_j between grid points, numbered row-major, (J, P, P)."""
        points = self.grid.unit_vectors()
        return gaussians(1 - points[index] @ points[index].T, self.length_scales_km)

    def to_modes(self, values: np.ndarray) -> np.ndarray:
        """Uᵀ D x, (*, C, N)."""
        return self.modes.T @ (self.scale[:, None] * values)

    def from_modes(self, values: np.ndarray) -> np.ndarray:
        """D U z, (*, C, N); the transpose of `to_modes`."""
        return self.scale[:, None] * (self.modes @ values)

    @cached_property
    def _kernel_spectra(self) -> np.ndarray:
        """Fourier transform of G_j along circles of latitude, real, (J, X // 2 + 1, Y, Y)."""
        points = self.grid.unit_vectors().reshape(*self.grid.shape, 3)
        half_chord_squared = 1 - points[:, 0] @ points.transpose(1, 2, 0)  # (X, Y, Y)
        kernels = (gaussians(half_chord_squared, one) for one in self.length_scales_km[:, None])
        return np.stack([np.fft.rfft(kernel[0], axis=0).real for kernel in kernels])


def gaussians(half_chord_squared: np.ndarray, length_scales_km: np.ndarray) -> np.ndarray:
    """exp(−d² / 2L_j²) of the chord d; the argument is (d / Earth radius)² / 2 = 1 − cos angle."""
    curvature = (EARTH_RADIUS_KM / length_scales_km) ** 2
    return np.exp(-np.multiply.outer(curvature, np.maximum(half_chord_squared, 0)))


class BackgroundErrors:
    """Running sums over background errors e = background − reference, for their mean and B.

    Memory does not grow with the number of samples. Covariances are taken between random pairs of
    grid points at set distances (*lags*), the same pairs for each sample.

    Args:
        channels: C.
        grid: Y×X grid.
    """

    def __init__(self, channels: int, grid: Grid) -> None:
        self.grid = grid
        self.first, self.second = _pairs(grid)
        self.products = np.zeros((LAGS, channels, channels))
        self.sums = MeanError((channels, grid.size))

    def add(self, error: np.ndarray, hours: int) -> None:
        """Take in one sample.

        Args:
            error: e, float64, (C, Y, X).
            hours: Valid time, hours since 1970-01-01.
        """
        flat = error.reshape(len(error), -1)
        self.sums.add(flat, hours)
        points = np.ascontiguousarray(flat.T)  # whole rows are read much faster than columns
        first = points[self.first].T
        for product, second in zip(self.products, self.second, strict=True):
            product += first @ points[second]

    @property
    def bias(self) -> np.ndarray:
        """The part of the mean error that will repeat, (C, Y·X)."""
        return self.sums.bias

    @property
    def lagged_covariances(self) -> np.ndarray:
        """Symmetric covariances of e − bias at each lag, the first of them 0, (LAGS, C, C)."""
        mean, bias = self.sums.mean, self.sums.bias
        result = self.products / self.sums.count
        i = self.first
        for product, j in zip(result, self.second, strict=True):
            product -= mean[:, i] @ bias[:, j].T + bias[:, i] @ (mean - bias)[:, j].T
        return (result + result.transpose(0, 2, 1)) / (2 * len(i))

    @property
    def cosines(self) -> np.ndarray:
        """Cosine of the angle between the points of each pair, (LAGS, PAIRS)."""
        points = self.grid.unit_vectors()
        return np.sum(points[self.first] * points[self.second], axis=-1)


def fit_isotropic_covariance(
    errors: BackgroundErrors, observation_error_std: np.ndarray
) -> IsotropicCovariance:
    """B from running sums over training errors.

    The modes are those that reach far: eigenvectors of the mean covariance over 1000-3000 km. Their
    mixtures are fitted to the lagged covariances by non-negative least squares.

    Args:
        errors: At least one sample.
        observation_error_std: (C,). Where R = c²·D² the observed modes are uncorrelated, too, and
            analyses are cheap; so D is proportional to this, unless it is 0 somewhere.
    """
    lagged = errors.lagged_covariances
    std = np.sqrt(np.diagonal(lagged[0]))
    std = np.where(std > 0, std, 1.0)  # a channel without errors keeps variance 0 on any scale
    scale = std
    if np.all(observation_error_std > 0):
        ratio = std / observation_error_std
        scale = observation_error_std * np.sqrt(np.mean(ratio**2))
    lagged = lagged / (scale[:, None] * scale)
    lengths = length_scales(errors.grid)
    design = gaussians(1 - errors.cosines, lengths).mean(axis=-1).T  # (LAGS, J)
    distance = EARTH_RADIUS_KM * np.arccos(np.clip(errors.cosines, -1, 1)).mean(axis=-1)
    far = (distance > MODE_LAGS_KM[0]) & (distance < MODE_LAGS_KM[1])
    modes = np.linalg.eigh(lagged[far].mean(axis=0))[1]
    by_mode = np.einsum("ck,bcd,dk->kb", modes, lagged, modes)
    weight = np.where(np.arange(LAGS) == 0, 10.0, 1.0)  # the variance must be right
    variances = [nnls(design * weight[:, None], weight * values)[0] for values in by_mode]
    return IsotropicCovariance(errors.grid, scale, modes, np.array(variances), lengths)


def length_scales(grid: Grid) -> np.ndarray:
    """Length scales for the mixtures, km: half a grid step, and its doubles up to 6000 km, (J,)."""
    half_step = np.pi * EARTH_RADIUS_KM / (grid.latitudes - 1) / 2
    doublings = max(0, int(np.log2(LARGEST_LENGTH_SCALE_KM / half_step)))
    return half_step * 2.0 ** np.arange(1 + doublings)


def _pairs(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Random pairs of grid points: first ones, (PAIRS,), and second ones, (LAGS, PAIRS).

    A first point is any grid point; its second is the one nearest to a random place at about the
    lag's distance, or the same at lag 0.
    """
    rng = np.random.default_rng(0)
    first = rng.integers(grid.size, size=PAIRS)
    start = grid.unit_vectors()[first]
    step = np.pi / (grid.latitudes - 1)
    lags = np.geomspace(step, LARGEST_LAG_KM / EARTH_RADIUS_KM, LAGS - 1)
    angle = lags[:, None, None] * rng.uniform(0.8, 1.25, (LAGS - 1, PAIRS, 1))
    aside = np.cross(start, rng.standard_normal((LAGS - 1, PAIRS, 3)))
    aside /= np.linalg.norm(aside, axis=-1, keepdims=True)
    x, y, z = np.moveaxis(np.cos(angle) * start + np.sin(angle) * aside, -1, 0)
    row = np.rint((np.pi / 2 - np.arcsin(np.clip(z, -1, 1))) / step)
    column = np.rint(np.arctan2(y, x) / (2 * np.pi) * grid.longitudes) % grid.longitudes
    nearest = (row * grid.longitudes + column).astype(int)
    return first, np.concatenate([first[None], nearest])
