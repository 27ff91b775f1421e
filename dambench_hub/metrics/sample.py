"""Everything the scores are means of, of one sample, in one pass over its fields.

A channel at a time stays in the processor's cache while all that is asked of it is computed: errors
by latitude, errors by distance from observations, one Fourier transform for both kinds of spectra.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.metrics.ensemble import ensemble_statistics
from dambench_hub.metrics.fields import point_statistics, weighted_mean, zonal_means
from dambench_hub.metrics.gaussian import gaussian_crps
from dambench_hub.metrics.parts import Parts, prefixed
from dambench_hub.metrics.spectra import high_spectrum, spectral_statistics


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample in physical units, rows from north to south where `Parts` are asked of it.

    Attributes:
        members: x̂_m, (M, C, Y, X); their mean x̂ gets the scores of an analysis.
        reference: x, (C, Y, X).
        ensemble: Whether the scores of an ensemble are wanted too.
        background: x^b, (C, Y, X), or None.
        observed: Where there is an observation, boolean, (C, Y, X), or None.
        std: Standard deviation of the analysis's error as predicted, (C, Y, X), or None.
    """

    members: np.ndarray
    reference: np.ndarray
    ensemble: bool = False
    background: np.ndarray | None = None
    observed: np.ndarray | None = None
    std: np.ndarray | None = None

    def mean(self) -> np.ndarray:
        """x̂, (C, Y, X)."""
        return self.members.mean(axis=0, dtype=np.float64) if self.ensemble else self.members[0]


def sample_statistics(
    sample: Sample, weights: np.ndarray, parts: Parts | None = None
) -> dict[str, np.ndarray]:
    """Everything the scores are means of, for one sample.

    Args:
        sample: Its fields.
        weights: w_y, (Y,), mean 1.
        parts: Further scores.

    Returns:
        Statistics by name, (C,) each, but for `ranks` (C, M + 1) and those of parts. Not finite
        where a value is not.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = _Pass(sample, weights, parts).statistics()
        if parts:
            found |= parts.statistics(sample.mean(), sample.background)
    return found


class _Pass:
    """One pass over the channels of a sample, with the scratch memory that it needs."""

    def __init__(self, sample: Sample, weights: np.ndarray, parts: Parts | None) -> None:
        self.sample, self.weights, self.parts = sample, weights, parts
        channels, Y, X = sample.reference.shape
        self.x_members, self.x = np.empty((len(sample.members), Y, X)), np.empty((Y, X))
        self.half_plane = np.empty((Y, X // 2 + 1), np.complex128)
        self.zonal = np.empty((3, channels, Y))
        self.background_zonal = np.empty((channels, Y))
        self.crps = np.empty((channels, Y))
        self.spectra: list[list[np.ndarray]] = []
        self.of_ensemble: list[dict[str, np.ndarray]] = []
        waves = parts.spectra if parts else None
        self.circles = waves.circles() if waves is not None else None
        self.classes = None
        if parts and sample.observed is not None:
            self.classes = parts.distances.weights(sample.observed)
            self.by_class = np.empty((len(self.classes[0]), channels))

    def statistics(self) -> dict[str, np.ndarray]:
        """All of them."""
        for channel in range(len(self.sample.reference)):
            self._take(channel)
        found = point_statistics(self.zonal, self.weights)
        found |= spectral_statistics(*np.stack(self.spectra, axis=1))
        for name in self.of_ensemble[0] if self.sample.ensemble else ():
            found[name] = np.array([values[name] for values in self.of_ensemble])
        if self.sample.background is not None:
            found["background_square"] = weighted_mean(self.background_zonal, self.weights)
        if self.sample.std is not None:
            found["crps"] = weighted_mean(self.crps, self.weights)
        if self.parts is None:
            return found
        found["regions.square"] = self.zonal[2]
        if self.parts.spectra is not None and self.circles:
            found |= prefixed("spectra", self.parts.spectra.power(self.circles))
        if self.classes:
            weight = np.stack([weights.sum(axis=-1) for weights in self.classes], axis=-1)
            found |= {"distances.square": self.by_class, "distances.weight": weight}
        return found

    def _take(self, channel: int) -> None:
        sample, x = self.sample, self.x
        self.x_members[:], x[:] = sample.members[:, channel], sample.reference[channel]
        if sample.ensemble:
            self.of_ensemble.append(ensemble_statistics(self.x_members, x, self.weights))
        x_hat = self.x_members.mean(axis=0) if sample.ensemble else self.x_members[0]
        self.spectra.append([self._spectrum(n, channel, f) for n, f in enumerate((x_hat, x))])
        if sample.std is not None:
            crps = gaussian_crps(x_hat, sample.std[channel], x)
            crps.mean(axis=-1, out=self.crps[channel])
        error = np.subtract(x_hat, x, out=x_hat)
        if self.classes:
            self.by_class[:, channel] = self.classes[channel] @ (error * error).ravel()
        self.zonal[:, channel] = zonal_means(error)
        if sample.background is not None:
            np.subtract(sample.background[channel], x, out=error)
            np.einsum("yx,yx->y", error, error, out=self.background_zonal[channel])
            self.background_zonal[channel] /= x.shape[-1]

    def _spectrum(self, number: int, channel: int, field: np.ndarray) -> np.ndarray:
        """Of the smallest scales; the Fourier coefficients serve the spectra by degree, too."""
        modes = np.fft.rfft(field, axis=-1, out=self.half_plane)
        if self.circles:
            self.circles.put(number, channel, modes)
        return high_spectrum(field, modes)
