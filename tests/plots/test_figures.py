"""Pictures: the numbers behind them obey their laws, and the files are there whole."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.units import pretty, squared
from dambench_hub.data.batch import Analysis
from dambench_hub.errors import ChannelError, DambenchError, PredictionError
from dambench_hub.metrics.spectra import zonal_power
from dambench_hub.plots.comparison import compare
from dambench_hub.plots.figures import draw_spectra, plot_prediction
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score


def write(path, data, beside=None):
    def analyses():
        for b in data.batches("density-10"):
            mean = b.reference + np.float32(0.5) * (b.background - b.reference)
            known = {"members": np.stack([mean, mean], axis=1), "std": np.ones_like(mean)}
            yield Analysis(mean, **({beside: known[beside]} if beside else {}))

    write_predictions(path, analyses(), task="density-10", data=data, model_name="half")
    return path


@pytest.fixture(scope="module")
def half(tiny_data, tmp_path_factory):
    """A prediction with half the background's error."""
    return write(tmp_path_factory.mktemp("plots") / "half.nc", tiny_data)


@pytest.mark.parametrize("shape", [(9, 16), (10, 15)])
def test_power_sums_to_the_variance(rng, shape):
    field, weights = rng.normal(3, 2, shape), Grid(*shape).weights
    variance = (weights[:, None] * (field - field.mean(axis=1, keepdims=True)) ** 2).mean()
    assert zonal_power(field, weights).sum() == pytest.approx(variance)


def test_a_wave_has_power_at_its_wavenumber(rng):
    grid = Grid(9, 32)
    wave = np.broadcast_to(3 * np.cos(np.deg2rad(5 * grid.longitude) + 1), grid.shape)
    power = zonal_power(wave + 7, grid.weights)
    np.testing.assert_allclose(power, np.where(np.arange(1, 17) == 5, 4.5, 0), atol=1e-12)


@pytest.mark.parametrize("beside", [None, "members", "std"])
def test_the_comparison_agrees_with_the_score(tiny_data, tmp_path, beside):
    path = write(tmp_path / "x.nc", tiny_data, beside)
    seen, scores = compare(path, tiny_data), score(path, tiny_data).scores
    expected = list(scores["rmse_pooled"].values())
    np.testing.assert_allclose(seen.rmse["analysis"], expected, rtol=1e-6)
    np.testing.assert_allclose(2 * seen.rmse["analysis"], seen.rmse["background"], rtol=1e-3)
    weighted = np.mean(seen.grid.weights[:, None] * seen.rms["analysis"] ** 2) ** 0.5
    assert weighted == pytest.approx(scores["rmse_pooled"]["z500"], rel=1e-6)
    ratio = seen.spectra["background error"] / seen.spectra["analysis error"]
    np.testing.assert_allclose(ratio, 4, rtol=1e-2)


def test_the_comparison_says_what_it_shows(tiny_data, half):
    seen = compare(half, tiny_data, channel="t2m")
    assert seen.caption == f"half  ·  task density-10  ·  tiny, revision {tiny_data.revision}"
    assert seen.time == tiny_data.times("test")[2]
    assert len(seen.observed) == 14
    error = tiny_data.background("test", 2)[0].astype("f8") - tiny_data.reference("test", 2)[0]
    np.testing.assert_array_equal(seen.errors["background"], error)


@pytest.mark.parametrize("channel", [None, "q700"])
def test_three_pictures_are_written(tiny_data, half, tmp_path, channel):
    paths = plot_prediction(half, tiny_data, channel=channel, folder=tmp_path / "new")
    shown = channel or "z500"
    names = [f"half_maps_{shown}.png", "half_channels.png", f"half_spectra_{shown}.png"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


@pytest.mark.parametrize("name", ["$\\frac{1}{", "a$$b", "$x^2$"])
def test_a_dollar_in_a_name_begins_no_formula(tiny_data, half, name):
    figure = draw_spectra(replace(compare(half, tiny_data), caption=name))
    figure.savefig(picture := BytesIO())
    assert picture.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("channels", [("t2m", "msl"), ("z500", "z850", "t500", "t850"), ("u50",)])
def test_any_channel_list_can_be_drawn(tmp_path, channels):
    from dambench_hub.data.dataset import load_data
    from dambench_hub.testing import write_tiny_dataset

    write_tiny_dataset(tmp_path / "data", channels=channels)
    data = load_data(tmp_path / "data")
    assert len(plot_prediction(write(tmp_path / "x.nc", data), data, folder=tmp_path / "p")) == 3


def test_what_cannot_be_drawn_leaves_nothing(tiny_data, half, tmp_path, monkeypatch):
    with pytest.raises(ChannelError, match="no channel 'z50'. Did you mean 'z500'"):
        plot_prediction(half, tiny_data, channel="z50", folder=tmp_path / "new")
    with pytest.raises(PredictionError, match="half.nc cannot be plotted:\n- .*not for 'unimodal'"):
        plot_prediction(half, tiny_data, "unimodal", folder=tmp_path / "new")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fill_the_disk)
    with pytest.raises(DambenchError, match="disk is full"):
        plot_prediction(half, tiny_data, folder=tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def fill_the_disk(figure, path, **options):
    path.write_bytes(b"\x89PNG")
    raise OSError(28, "No space left on device")


def test_units_read_well():
    assert pretty(squared("m s-1")) == "m² s⁻²"
    assert pretty(squared("Pa")) == "Pa²"
