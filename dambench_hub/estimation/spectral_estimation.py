"""Estimate a spectral covariance from background errors that pass by once."""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.channel_harmonics import ChannelHarmonics
from dambench_hub.estimation.mean_error import MeanError
from dambench_hub.estimation.spectral_covariance import SpectralCovariance

MODES = 40
"""Vertical modes kept for each harmonic."""

ORDER_SMOOTHING, DEGREE_SMOOTHING = 2.0, 0.6
"""Widths, in wavenumbers, of the Gaussians over which estimated correlations are averaged."""

LATITUDE_SMOOTHING = 6.0
"""The same for variances, in degrees of latitude."""

AT_ONCE = 16
"""Errors that wait to be added to the sums together, which is faster."""


class SpectralErrors:
    """Running sums over background errors e = background − reference, for their mean and B.

    Memory does not grow with the number of samples: 0.4 GB for the 69 channels on 121×240.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid.
    """

    def __init__(self, channels: tuple[str, ...], grid: Grid) -> None:
        self.harmonics = ChannelHarmonics(channels, grid)
        self.channels, self.grid = tuple(channels), grid
        self.mean_error = MeanError((len(channels), *grid.shape))
        self.squares = np.zeros((len(channels), grid.latitudes))
        bands, pairs = len(self.harmonics.weights), len(self.harmonics.order)
        self._products = np.zeros((bands, pairs, len(channels), len(channels)), np.complex64)
        self._waiting: list[np.ndarray] = []

    def add(self, error: np.ndarray, hours: int) -> None:
        """Take in one sample.

        Args:
            error: e, (C, Y, X).
            hours: Valid time, hours since 1970-01-01.
        """
        self.mean_error.add(error, hours)
        self.squares += np.mean(np.square(error, dtype=np.float64), axis=-1)
        self._waiting.append(self._coefficients(error))
        if len(self._waiting) == AT_ONCE:
            self._add_products()

    @property
    def bias(self) -> np.ndarray:
        """The part of the mean error that will repeat, (C, Y, X)."""
        return self.mean_error.bias

    @property
    def variance(self) -> np.ndarray:
        """Mean square of e − bias along each circle of latitude, (C, Y)."""
        mean, bias = self.mean_error.mean, self.bias
        return self.squares / self.mean_error.count - np.mean(bias * (2 * mean - bias), axis=-1)

    @property
    def covariances(self) -> np.ndarray:
        """Those of coefficients of w_b (e − bias), complex64, (B, P, C, C)."""
        self._add_products()
        mean, bias = (self._coefficients(field) for field in (self.mean_error.mean, self.bias))
        result = self._products / self.mean_error.count
        result -= _outer(mean, bias) + _outer(bias, mean - bias)
        return result

    def _coefficients(self, field: np.ndarray) -> np.ndarray:
        """Complex64, (B, P, C)."""
        return np.moveaxis(self.harmonics.analysis(field.astype(np.float32)), 0, -1)

    def _add_products(self) -> None:
        if self._waiting:
            columns = np.stack(self._waiting, axis=-1)
            self._products += columns @ columns.conj().swapaxes(-1, -2)
            self._waiting.clear()


def fit_spectral_covariance(errors: SpectralErrors) -> SpectralCovariance:
    """B from running sums over training errors.

    Raises:
        DataError: When there are fewer than two errors.
    """
    if errors.mean_error.count < 2:
        raise DataError(
            f"A covariance needs at least two training errors, got {errors.mean_error.count}."
        )
    harmonics, covariances = errors.harmonics, errors.covariances
    modes = min(MODES, len(errors.channels))
    roots = np.empty((*covariances.shape[:3], modes), np.complex64)
    share = np.mean(harmonics.weights**2 * errors.grid.weights, axis=-1)
    for band, root in enumerate(roots):
        root[:] = _roots(covariances[band] / share[band], harmonics, modes)
    unit = harmonics.variance(roots)
    smoothing = _latitude_smoothing(errors.grid)
    ratio = _by_wind((errors.variance @ smoothing), harmonics) / _positive(
        _by_wind(unit @ smoothing, harmonics)
    )
    return SpectralCovariance(errors.channels, errors.grid, np.sqrt(np.maximum(ratio, 0)), roots)


def _roots(covariances: np.ndarray, harmonics: ChannelHarmonics, modes: int) -> np.ndarray:
    """R of one band's smoothed covariances, (P, C, C) to (P, C, K)."""
    m, l, top = harmonics.order, harmonics.degree, harmonics.largest  # noqa: E741
    real = np.where(m == 0, 1.0, 0.5)  # E |c − i s|² is twice the variance of each
    variances = np.diagonal(covariances, axis1=-2, axis2=-1).real * real[:, None]
    phases = np.where(m == 0, 1.0, 2.0)
    power = np.zeros((top + 1, covariances.shape[-1]))
    np.add.at(power, l, phases[:, None] * variances)
    std = np.sqrt(power / (2 * np.arange(top + 1)[:, None] + 1))[l]
    unit = 1 / _positive(std)
    correlations = covariances * (real[:, None, None] * unit[:, :, None] * unit[:, None, :])
    values, vectors = np.linalg.eigh(_smoothed(correlations, harmonics))
    largest = vectors[..., -modes:] * np.sqrt(np.maximum(values[..., None, -modes:], 0))
    return std[..., None] * largest


def _smoothed(covariances: np.ndarray, harmonics: ChannelHarmonics) -> np.ndarray:
    """Weighted means over neighbouring orders and degrees, (P, C, C).

    Negative orders are neighbours, too; theirs are the complex conjugates.
    """
    m, l, top = harmonics.order, harmonics.degree, harmonics.largest  # noqa: E741
    full = np.zeros((2 * top + 1, top + 1, *covariances.shape[1:]), np.complex64)
    full[top - m, l] = covariances.conj()
    full[top + m, l] = covariances
    present = np.abs(np.arange(-top, top + 1))[:, None] <= np.arange(top + 1)
    weight = present * np.where(np.arange(-top, top + 1) == 0, 0.5, 1.0)[:, None]
    orders = _gaussian(np.arange(top + 1), np.arange(-top, top + 1), ORDER_SMOOTHING)
    degrees = _gaussian(np.arange(top + 1), np.arange(top + 1), DEGREE_SMOOTHING)
    full *= weight[..., None, None].astype(np.float32)
    total = np.tensordot(orders, full, 1)
    total = np.tensordot(degrees, total, (1, 1)).swapaxes(0, 1)
    result = total[m, l] / (orders @ weight @ degrees)[m, l][:, None, None]
    result[m == 0] = result[m == 0].real
    return result


def _gaussian(to: np.ndarray, of: np.ndarray, width: float) -> np.ndarray:
    """Weights exp(−d² / 2w²), float32, (T, O)."""
    return np.exp(-0.5 * ((to[:, None] - of) / width) ** 2).astype(np.float32)


def _latitude_smoothing(grid: Grid) -> np.ndarray:
    """Weights of means over neighbouring latitudes, by area, (Y, Y); columns sum to 1."""
    latitude = grid.latitude
    pole = grid.weights[1] / 8  # the area about the pole, of those of its row
    weights = _gaussian(latitude, latitude, LATITUDE_SMOOTHING) * np.maximum(grid.weights, pole)
    return (weights / weights.sum(axis=1, keepdims=True)).T


def _by_wind(variance: np.ndarray, harmonics: ChannelHarmonics) -> np.ndarray:
    """The components of a wind get their mean, so that scaling keeps its direction."""
    variance = variance.copy()
    variance[harmonics.winds] = variance[harmonics.winds].mean(axis=0)
    return variance


def _positive(values: np.ndarray) -> np.ndarray:
    """Zeros become 1: a channel without errors keeps variance 0 on any scale."""
    return np.where(values > 0, values, 1.0)


def _outer(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """One otherᴴ, (*, C) to (*, C, C)."""
    return one[..., :, None] * other[..., None, :].conj()
