"""Spectra by degree of spherical harmonics: how much power an analysis has, and how much is right.

With coefficients â_lm of the analysis and a_lm of the reference, for each channel and degree l

    power ratio = Σ â_lm² / Σ a_lm²        coherence = Σ â_lm a_lm / √(Σ â_lm² Σ a_lm²)

summed over samples and orders m. A ratio below 1 means smoothed, above 1 noisy; a coherence below 1
means waves out of place. The squared error at that degree is, in parts of the reference's power,
1 + ratio − 2 coherence √ratio: smoothing what is incoherent lowers it, so an analysis of least
error has the ratio coherence², not 1.

Wind is a vector, whose components are no scalars at the poles: where both components stand, the
spectra are those of their vorticity and divergence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import HarmonicAnalysis, largest_degree
from dambench_hub.coordinates.variables import wind_pairs
from dambench_hub.metrics.circles import Circles
from dambench_hub.metrics.streaming import StreamingScore

LARGEST_DEGREE = 60
"""Up to which grids are analysed that hold more, as 121×240 does."""

ROUNDING = 2.0**-80
"""Power below this part of a field's is rounding and counts as none."""


class HarmonicSpectra(StreamingScore):
    """Power ratio and coherence by degree, fed batch by batch.

    Coefficients are a least-squares fit in latitude, see `HarmonicAnalysis`: exact for fields that
    have no degrees beyond the largest.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles.
        largest: N, the largest degree; if not given, 60, or what the grid holds: 21 on 33×64,
            40 on 61×120.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
        GridError: When the grid does not hold this degree.
    """

    def __init__(self, channels: Sequence[str], grid: Grid, largest: int | None = None) -> None:
        self.largest = min(LARGEST_DEGREE, largest_degree(grid)) if largest is None else largest
        super().__init__(channels, grid, self.largest)
        self.winds = wind_pairs(channels)
        self.scalars = np.setdiff1d(np.arange(len(channels)), self.winds)
        analysis = HarmonicAnalysis(grid, self.largest)
        self._scalar_fits, self._wind_fits = analysis.scalar_fits(), analysis.wind_fits()
        self._scale = analysis.power_scale()

    @property
    def names(self) -> tuple[str, ...]:
        """What the spectra are of: the channels, with u500 and v500 become those of the wind.

        Vorticity stands in the place of u and divergence in that of v: `vorticity500`,
        `divergence500`.
        """
        names = list(self.channels)
        for u, v in self.winds.T:
            level = self.channels[u][1:]
            names[u], names[v] = f"vorticity{level}", f"divergence{level}"
        return tuple(names)

    def update(self, analysis: np.ndarray, reference: np.ndarray) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            analysis: x̂, (N, C, Y, X), physical units; of an ensemble, its mean, which is smoother
                than its members.
            reference: x, (N, C, Y, X).

        Raises:
            ScoreError: When shapes or labels do not fit, or a value is not finite or a fill value.
        """
        self._add(analysis=analysis, reference=reference)

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Power of both and cross power of one sample by degree, (C, N + 1) each."""
        circles = self.circles()
        for number, field in enumerate(fields):
            for channel, values in enumerate(field):
                circles.put(number, channel, np.fft.rfft(values.astype(np.float64)))
        return self.power(circles)

    def circles(self) -> Circles:
        """Where the Fourier coefficients of a sample's two fields are put."""
        return Circles(self.scalars, self.winds, self.largest, self.grid.latitudes)

    def power(self, circles: Circles) -> dict[str, np.ndarray]:
        """What `statistics` returns, of analysis (field 0) and reference (field 1)."""
        power = np.zeros((3, len(self.channels), self.largest + 1))
        u, v = self.winds
        for m, scale in enumerate(self._scale):
            power[:, self.scalars, m:] += scale * _powers(
                circles.scalar[..., m, :], self._scalar_fits[m]
            )
            wind = scale * _powers(circles.wind[..., m, :], self._wind_fits[m])
            power[:, u, m:] += wind[..., : self.largest + 1 - m]
            power[:, v, m:] += wind[..., self.largest + 1 - m :]
        return dict(zip(("analysis", "reference", "cross"), power, strict=True))

    def compute(self) -> dict[str, dict[str, list[float | None]]]:
        """Spectra so far.

        Returns:
            `power_ratio` ≥ 0 and `coherence` between −1 and 1, each by name (see `names`), for the
            degrees 1 … N. None where the reference has no power (for coherence, either of both):
            all of its power there is rounding.

        Raises:
            ScoreError: When nothing was added.
        """
        power, of_reference = self._significant("analysis"), self._significant("reference")
        cross = self.mean("cross")
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(of_reference > 0, power / of_reference, np.nan)
            coherence = cross / np.sqrt(power * of_reference)
        coherence = np.where(power * of_reference > 0, np.clip(coherence, -1, 1), np.nan)
        return {"power_ratio": self._by_name(ratio), "coherence": self._by_name(coherence)}

    def _significant(self, name: str) -> np.ndarray:
        power = self.mean(name)
        return np.where(power <= ROUNDING * power.sum(axis=-1, keepdims=True), 0.0, power)

    def _by_name(self, values: np.ndarray) -> dict[str, list[float | None]]:
        rows = [[None if np.isnan(x) else x for x in row] for row in values[:, 1:].tolist()]
        return dict(zip(self.names, rows, strict=True))


def _powers(circles: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Power of two fields and their cross power, (3, channels, L).

    Args:
        circles: Of one wavenumber, fields, channels, real and imaginary parts: (2, channels, 2, Y).
        fit: To L degrees, (L, Y).
    """
    fields, channels, parts, Y = circles.shape
    a_hat, a = (circles.reshape(-1, Y) @ fit.T).reshape(fields, channels, parts, len(fit))
    return np.stack([(a_hat**2).sum(axis=1), (a**2).sum(axis=1), (a_hat * a).sum(axis=1)])
