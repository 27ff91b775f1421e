"""The pruned transform against the whole one, and the rules for fields without small scales."""

import numpy as np
import pytest

from dambench_hub.metrics import Scorer
from dambench_hub.metrics.spectra import (
    WORST_DIVERGENCE,
    high_spectrum,
    radial_bins,
    spectral_statistics,
)

GRIDS = [(3, 4), (9, 9), (17, 12), (33, 64), (32, 63), (61, 120), (64, 33), (121, 240)]


def plain_spectrum(field):
    """Contract section 4 with the full float64 transform; NaN in a bin without modes."""
    rows, columns = field.shape
    k_y, k_x = np.fft.fftfreq(rows) * rows, np.fft.fftfreq(columns) * columns
    k = np.sqrt(k_y[:, None] ** 2 + k_x**2).ravel()
    bins = len(np.arange(0.5, k.max(), 1))
    edges = np.linspace(0.5, k.max(), bins + 1)
    power = np.abs(np.fft.fft2(field.astype("float64"))).ravel() ** 2
    # Not np.histogram: it subtracts cumulative sums, in which small scales vanish.
    index = np.digitize(k, edges)
    index[k == k.max()] = bins
    count, total = np.bincount(index, minlength=bins + 1), np.bincount(index, power, bins + 1)
    with np.errstate(invalid="ignore"):
        return (total / count)[1:][int(bins * 0.9) :]


def plain_scores(analysis, reference):
    """SpecDiv and SpecRes as ChaosBench computes them in validation mode."""
    S_analysis, S = plain_spectrum(analysis), plain_spectrum(reference)
    S_analysis, S = S_analysis / np.nansum(S_analysis), S / np.nansum(S)
    divergence = np.nansum(S * np.log(np.clip(S / S_analysis, 1e-9, None)))
    return divergence, np.sqrt(np.nanmean((S_analysis - S) ** 2))


def red_field(rng, grid, mean=0.0):
    """A field with amplitude k^-2, so that the scored scales are a million times weaker."""
    k = np.hypot(np.fft.fftfreq(grid[0])[:, None] * grid[0], np.fft.fftfreq(grid[1]) * grid[1])
    modes = np.fft.fft2(rng.normal(size=grid)) / np.maximum(k, 1) ** 2
    return mean + np.fft.ifft2(modes).real * 100


@pytest.mark.parametrize("grid", GRIDS)
def test_spectrum_equals_the_whole_transform(rng, grid):
    field = red_field(rng, grid)
    expected = plain_spectrum(field)
    np.testing.assert_allclose(high_spectrum(field), expected[~np.isnan(expected)], rtol=1e-9)


@pytest.mark.parametrize("mean", [0.0, 5e5], ids=["no mean", "geopotential"])
@pytest.mark.parametrize("grid", GRIDS)
def test_scores_equal_the_whole_transform(rng, grid, mean):
    reference = red_field(rng, grid, mean).astype("float32")
    analysis = (reference + 0.01 * rng.normal(size=grid)).astype("float32")
    scorer = Scorer()
    scorer.update(analysis[None, None], reference[None, None])
    scores = scorer.compute()
    divergence, residual = plain_scores(analysis, reference)
    assert scores["specdiv"] == pytest.approx(divergence, rel=1e-6, abs=1e-9)
    assert scores["specres"] == pytest.approx(residual, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("grid", GRIDS)
def test_no_wavenumber_lies_on_an_edge(grid):
    """Else rounding would decide its bin, and machines could differ."""
    rows, columns = grid
    k = np.hypot(np.arange(rows // 2 + 1)[:, None], np.arange(columns // 2 + 1)).ravel()
    bins = len(np.arange(0.5, k.max(), 1))
    inner = np.linspace(0.5, k.max(), bins + 1)[1:-1]
    assert inner.size == 0 or np.abs(k[:, None] - inner).min() > 1e-6


def test_only_a_few_wavenumbers_are_needed():
    zonal = radial_bins((121, 240)).zonal
    assert len(range(121)[zonal]) == 16
    assert radial_bins((121, 240)).count == 14


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_changes_nothing(rng, axis):
    field = rng.normal(size=(33, 64))
    shifted = np.roll(field, 5, axis)
    np.testing.assert_allclose(high_spectrum(shifted), high_spectrum(field), rtol=1e-10)


def test_a_mean_and_large_scales_change_nothing(rng):
    field = rng.normal(size=(33, 64))
    wave = np.cos(3 * 2 * np.pi * np.arange(64) / 64)
    np.testing.assert_allclose(
        high_spectrum(field + 1000 + 10 * wave), high_spectrum(field), rtol=1e-9
    )


def test_a_factor_is_squared(rng):
    field = rng.normal(size=(33, 64))
    np.testing.assert_allclose(high_spectrum(-3 * field), 9 * high_spectrum(field), rtol=1e-12)


def test_white_noise_has_the_power_of_parseval(rng):
    """Mean power of any mode is Y · X · variance."""
    spectra = [high_spectrum(rng.normal(size=(33, 64))) for _ in range(100)]
    assert np.mean(spectra) == pytest.approx(33 * 64, rel=0.02)


def test_scores_of_a_whole_sample_are_means_over_channels_and_samples(rng):
    reference, analysis = rng.normal(size=(2, 3, 2, 33, 64))
    scorer = Scorer()
    scorer.update(analysis, reference)
    expected = [[plain_scores(analysis[n, c], reference[n, c]) for c in range(2)] for n in range(3)]
    scores = scorer.compute()
    np.testing.assert_allclose(
        list(scores["specdiv_by_channel"].values()), np.mean(expected, axis=0)[:, 0], rtol=1e-9
    )
    assert scores["specres"] == pytest.approx(np.mean(expected, axis=(0, 1))[1], rel=1e-9)


def wave(rows, columns, k_x):
    return np.tile(np.cos(2 * np.pi * k_x * np.arange(columns) / columns), (rows, 1))


class TestFieldsWithoutSmallScales:
    noise = np.random.default_rng(1).normal(size=(33, 64))
    smooth = {
        "constant": np.full((33, 64), 273.15),
        "zero": np.zeros((33, 64)),
        "zonal": np.tile(np.random.default_rng(2).normal(size=(33, 1)), 64),
        "wave": wave(33, 64, 3),
    }

    @pytest.mark.parametrize("name", smooth)
    def test_rounding_is_not_power(self, name):
        assert not high_spectrum(self.smooth[name]).any()

    @pytest.mark.parametrize("name", smooth)
    def test_against_noise_they_are_worst(self, name):
        smooth, noise = high_spectrum(self.smooth[name]), high_spectrum(self.noise)
        for pair in (smooth, noise), (noise, smooth):
            scores = spectral_statistics(*pair)
            assert scores["specdiv"] == WORST_DIVERGENCE == pytest.approx(69.31, abs=0.01)
            assert scores["specres"] == np.sqrt(2 / len(noise))

    @pytest.mark.parametrize("name", smooth)
    def test_two_of_them_agree(self, name):
        for other in self.smooth.values():
            scores = spectral_statistics(high_spectrum(self.smooth[name]), high_spectrum(other))
            assert scores["specdiv"] == scores["specres"] == 0

    def test_one_cell_off_by_one_ulp_is_power(self):
        """The finest structure float32 can hold is not mistaken for rounding."""
        field = np.full((121, 240), 5e5, "float32")
        field[60, 120] = np.nextafter(field[60, 120], np.float32(np.inf))
        assert (high_spectrum(field.astype("float64")) > 0).all()


def test_nothing_is_worse_than_the_worst(rng):
    """Disjoint spectra reach the bounds and do not pass them."""
    for bins in 1, 2, 14:
        spectra = rng.uniform(size=(200, 2, bins)) ** rng.uniform(0, 300, size=(200, 1, 1))
        spectra[rng.uniform(size=spectra.shape) < 0.5] = 0
        scores = spectral_statistics(spectra[:, 0], spectra[:, 1])
        assert np.all((scores["specdiv"] >= 0) & (scores["specdiv"] <= WORST_DIVERGENCE + 1e-9))
        assert np.all((scores["specres"] >= 0) & (scores["specres"] <= np.sqrt(2 / bins) + 1e-9))
    disjoint = spectral_statistics(np.array([0.0, 3.0]), np.array([5.0, 0.0]))
    assert disjoint["specdiv"] == pytest.approx(WORST_DIVERGENCE)
    assert disjoint["specres"] == pytest.approx(1.0)


def test_waves_that_a_model_holds_are_not_seen(rng):
    """On 33×64 the scored bins begin at zonal wavenumber 28, so waves 6 to 21 may go unseen."""
    modes = np.fft.rfft(rng.normal(size=(33, 64)))
    few = modes.copy()
    few[:, 6:22] = 0
    fields = [np.fft.irfft(one, 64) for one in (few, modes)]
    spectra = [high_spectrum(field) for field in fields]
    assert spectral_statistics(*spectra)["specdiv"] < 1e-9
    few = modes.copy()
    few[:, 22:] = 0
    spectra = [high_spectrum(field) for field in (np.fft.irfft(few, 64), fields[1])]
    assert spectral_statistics(*spectra)["specdiv"] == pytest.approx(WORST_DIVERGENCE)
    assert radial_bins((33, 64)).zonal.start == 28
    assert radial_bins((121, 240)).zonal.start == 105
