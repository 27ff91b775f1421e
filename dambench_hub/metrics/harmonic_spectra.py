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
from dambench_hub.coordinates.parity import parity_matrices
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
        root = np.sqrt(analysis.power_scale())
        self._scalar_fits = [
            r * _scalar_fit(m, fit)
            for m, (r, fit) in enumerate(zip(root, analysis.scalar_fits(), strict=True))
        ]
        self._wind_fits = [
            r * _wind_fit(m, fit)
            for m, (r, fit) in enumerate(zip(root, analysis.wind_fits(), strict=True))
        ]

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
        L = self.largest + 1
        power = np.empty((3, len(self.channels), L))
        scalar = _powers(circles.scalar, self._scalar_fits)
        power[:, self.scalars] = _by_degree(scalar[..., 0, :])[..., :L]
        wind = _powers(circles.wind, self._wind_fits)
        power[:, self.winds[0]] = _by_degree(wind[:, ::-1, :, 0])[..., :L]
        power[:, self.winds[1]] = _by_degree(wind[..., 1, :])[..., :L]
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


def _scalar_fit(m: int, fit: np.ndarray) -> np.ndarray:
    """A fit for values even and odd about the equator: P_lm is even where l − m is.

    Args:
        m: The wavenumber.
        fit: To the degrees m … N, (N + 1 − m, Y).

    Returns:
        (2, H, pairs): to the pairs of degrees (2p, 2p + 1) from p = m // 2 on; of each, the one
        whose function has that parity.
    """
    parts = parity_matrices(fit)
    return np.stack([_of_parity(m, parity, parts[parity]).T for parity in (0, 1)])


def _wind_fit(m: int, fit: np.ndarray) -> np.ndarray:
    """The same for a wind, (2, 2H, 2 · pairs): an even u goes with odd v and ζ, and an even D.

    Args:
        m: The wavenumber.
        fit: From (û, i v̂) to (ζ̂, i D̂) of degrees m … N, (2 (N + 1 − m), 2Y).
    """
    L = len(fit) // 2
    u, v = np.split(fit, 2, axis=1)
    both = []
    for parity in 0, 1:
        parts = parity_matrices(u)[parity], parity_matrices(v)[1 - parity]
        rows = np.concatenate(parts, axis=1)
        vorticity, divergence = _of_parity(m, 1 - parity, rows[:L]), _of_parity(m, parity, rows[L:])
        both.append(np.concatenate([vorticity, divergence]).T)
    return np.stack(both)


def _of_parity(m: int, parity: int, fit: np.ndarray) -> np.ndarray:
    """The rows of a fit whose l − m has this parity, one for each pair of degrees, or zeros."""
    largest = m + len(fit) - 1
    rows = np.zeros((largest // 2 + 1 - m // 2, fit.shape[1]))
    degrees = np.arange(m + parity, largest + 1, 2)
    rows[degrees // 2 - m // 2] = fit[degrees - m]
    return rows


def _powers(circles: np.ndarray, fits: list[np.ndarray]) -> np.ndarray:
    """Power of two fields and their cross power, by pairs of degrees.

    Args:
        circles: Wavenumbers, parities, fields, parts, channels, rows, see `Circles`.
        fits: For each wavenumber, (2, rows, kinds · pairs).

    Returns:
        (3, 2, channels, kinds, pairs); the second axis is the parity of the degree, which of
        vorticity is the other one.
    """
    parities, fields, parts, channels, rows = circles.shape[1:]
    pairs = len(fits) // 2 + len(fits) % 2
    kinds = fits[0].shape[-1] // pairs
    power = np.zeros((parities, fields, parts, channels, kinds, pairs))
    cross = np.zeros((parities, parts, channels, kinds, pairs))
    for m, fit in enumerate(fits):
        values = circles[m].reshape(parities, -1, rows) @ fit
        values = values.reshape(*power.shape[:-1], pairs - m // 2)[:: -1 if m % 2 else 1]
        cross[..., m // 2 :] += values[:, 0] * values[:, 1]
        power[..., m // 2 :] += np.square(values, out=values)
    both = np.concatenate([power, cross[:, None]], axis=1)
    return np.moveaxis(both.sum(axis=2), 1, 0)


def _by_degree(pairs: np.ndarray) -> np.ndarray:
    """From pairs of degrees, (3, 2, channels, pairs), to degrees, (3, channels, 2 · pairs)."""
    return np.moveaxis(pairs, 1, -1).reshape(*pairs[:, 0, :, 0].shape, 2 * pairs.shape[-1])
