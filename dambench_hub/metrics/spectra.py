"""Power spectra: how well the smallest scales are kept (divergence and residual), and zonal power.

S is the mean power P = |FFT2|² per bin of k = √(k_y² + k_x²), S′ the part of it in the top tenth
of the bins, normalised to sum 1. With Ŝ′ of the analysis and S′ of the reference,

    specdiv = Σ S′ log(S′ / Ŝ′)          specres = √ mean (Ŝ′ − S′)²

For one sample and one channel this is the validation mode of ChaosBench (Nathaniel et al. 2024).

Three rules make every finite field have a finite score, without touching ordinary ones:

- Power below 2⁻⁸⁰ of the field's mean power (Parseval: Σ x²) is rounding and counts as zero.
- Inside the logarithm a bin counts at least 2⁻¹⁰⁰, so specdiv never exceeds 100 log 2 = 69.3.
- If one of the two fields has no power in these bins (a constant field, for instance), the scores
  are the worst possible, 100 log 2 and √(2 / bins); if neither has, their spectra agree: 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

QUANTILE = 0.9
"""Bins with index ≥ ⌊QUANTILE · number of bins⌋ are scored."""
ROUNDING = 2.0**-80
FLOOR = 2.0**-100
WORST_DIVERGENCE = -float(np.log(FLOOR))


@dataclass(frozen=True)
class RadialBins:
    """The top bins of a grid, and the modes of the half plane k_x ≥ 0 that reach them.

    Attributes:
        count: Number of bins, empty ones left out.
        zonal: The zonal wavenumbers needed, a slice of those that `rfft` returns.
        index: Bin of each mode, (Y · zonal,), int; `count` for modes below the top bins.
        share: Weight of each mode in the mean of its bin, (Y · zonal,). A mode with a mirror image
            in the other half plane counts twice.
    """

    count: int
    zonal: slice
    index: np.ndarray
    share: np.ndarray


@lru_cache(maxsize=16)
def radial_bins(shape: tuple[int, int]) -> RadialBins:
    """The bins of a grid (Y, X): edges linspace(0.5, k_max, n + 1), n = len(arange(0.5, k_max))."""
    latitudes, longitudes = shape
    k_y = np.abs(np.fft.fftfreq(latitudes, 1 / latitudes)).round()
    k_x = np.arange(longitudes // 2 + 1)
    k = np.hypot(k_y[:, None], k_x)
    bins = len(np.arange(0.5, k.max(), 1.0))
    edges = np.linspace(0.5, k.max(), bins + 1)
    index = np.minimum(np.searchsorted(edges, k, side="right") - 1, bins - 1)

    multiplicity = np.where((k_x == 0) | (2 * k_x == longitudes), 1.0, 2.0)
    multiplicity = np.broadcast_to(multiplicity, k.shape)
    top = index >= int(QUANTILE * bins)
    first = int(np.argmax(top.any(axis=0)))
    kept, index = np.unique(np.where(top, index, bins)[:, first:], return_inverse=True)
    index, multiplicity = index.ravel(), multiplicity[:, first:].ravel()
    modes = np.bincount(index, multiplicity)
    count = int((kept < bins).sum())
    return RadialBins(count, slice(first, None), index, multiplicity / modes[index])


def high_spectrum(field: np.ndarray, half_plane: np.ndarray | None = None) -> np.ndarray:
    """Mean power in each of the top radial bins.

    Only the zonal wavenumbers that reach these bins (16 of 121 on the 121×240 grid) are
    transformed along latitude, which leaves a quarter of the work of a full `fft2`.

    Args:
        field: (Y, X), float64.
        half_plane: Its `numpy.fft.rfft` along longitude, (Y, X // 2 + 1), where that is known.

    Returns:
        S, (bins,), squared units of the field; 0 for a bin that holds nothing but rounding.
    """
    bins = radial_bins(field.shape)
    half_plane = np.fft.rfft(field, axis=-1) if half_plane is None else half_plane
    modes = np.fft.fft(half_plane[:, bins.zonal], axis=-2)
    power = (modes.real**2 + modes.imag**2).ravel()
    spectrum = np.bincount(bins.index, bins.share * power)[: bins.count]
    rounding = ROUNDING * np.vdot(field, field)  # by BLAS: its last bits are compared with only
    return np.where(spectrum <= rounding, 0.0, spectrum)


def spectral_statistics(analysis: np.ndarray, reference: np.ndarray) -> dict[str, np.ndarray]:
    """Divergence and residual between two spectra.

    Args:
        analysis: Ŝ of `high_spectrum`, (*, bins).
        reference: S, (*, bins).

    Returns:
        `specdiv` ≥ 0, in nats, and `specres` ≥ 0, each (*,); both 0 where the spectra agree.
    """
    S_analysis, S = _normalised(analysis), _normalised(reference)
    log_ratio = np.log(np.maximum(S, FLOOR) / np.maximum(S_analysis, FLOOR))
    divergence = np.maximum((S * log_ratio).sum(axis=-1), 0.0)
    residual = np.sqrt(((S_analysis - S) ** 2).mean(axis=-1))
    undefined = S_analysis.any(axis=-1) != S.any(axis=-1)
    return {
        "specdiv": np.where(undefined, WORST_DIVERGENCE, divergence),
        "specres": np.where(undefined, np.sqrt(2 / S.shape[-1]), residual),
    }


def _normalised(spectrum: np.ndarray) -> np.ndarray:
    """S′ = S / ΣS, or zeros where there is no power."""
    total = spectrum.sum(axis=-1, keepdims=True)
    return spectrum / np.where(total == 0, 1.0, total)


def zonal_power(field: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Variance along latitude circles by zonal wavenumber, weighted over latitudes.

    S_k = mean_y w_y · 2 |F_yk|², with F = rfft(field) / X, for k = 1 … X // 2 (the last one of an
    even X counts once). Its sum is the area-weighted variance about the zonal mean.

    Args:
        field: (Y, X).
        weights: w_y, (Y,), mean 1.

    Returns:
        (X // 2,), squared units of the field.
    """
    longitudes = field.shape[-1]
    amplitude = np.fft.rfft(field.astype(np.float64), axis=-1)[:, 1:] / longitudes
    power = 2 * (weights[:, None] * np.abs(amplitude) ** 2).mean(axis=0)
    if longitudes % 2 == 0:
        power[-1] /= 2
    return power
