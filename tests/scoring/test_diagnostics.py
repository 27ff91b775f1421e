"""Diagnostics: what the maps and spectra of a submission's page must obey."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.data.batch import Analysis
from dambench_hub.errors import DataError
from dambench_hub.metrics.spectra import zonal_power
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.diagnostics import (
    BackgroundDiagnostics,
    Diagnostics,
    Errors,
    Gatherer,
    shown_rows,
)
from dambench_hub.scoring.evaluation import score
from dambench_hub.tasks.task import load_task

TASK = load_task("multimodal")
OFFSETS = np.array([-0.5, 0.25, 0.25], "f4").reshape(-1, 1, 1, 1)


def half_way(batch):
    """An analysis half-way from background to reference."""
    return Analysis((batch.background + batch.reference) / 2)


def diagnose(path, data, method, task=TASK, *, maps=True):
    """Result and diagnostics of a method's predictions."""
    analyses = (method(batch) for batch in data.batches(task))
    write_predictions(path, analyses, task=task, data=data, model_name="m")
    gatherer = Gatherer(data, task, BackgroundDiagnostics.of(data, task, maps=maps), maps=maps)
    result = score(path, data, task, observer=gatherer)
    return result, gatherer.finish("1f" * 16, result)


@pytest.fixture(scope="module")
def scored(tiny_data, tmp_path_factory):
    return diagnose(tmp_path_factory.mktemp("diagnostics") / "x.nc", tiny_data, half_way)


def fields(data, task=TASK):
    """Background and reference at the task's times, in the shown channels, (N, B, Y, X)."""
    rows = shown_rows(data.channels)
    batches = list(data.batches(task))
    return (
        np.concatenate([batch.background[:, rows] for batch in batches]).astype(float),
        np.concatenate([batch.reference[:, rows] for batch in batches]).astype(float),
    )


def assert_equal(one: Errors, other: Errors):
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name), err_msg=name)


def test_the_diagnostics_say_whose_they_are(tiny_data, scored):
    result, diagnostics = scored
    assert diagnostics.submission == "1f" * 16
    assert diagnostics.value_hash == result.value_hash
    assert (diagnostics.task, diagnostics.dataset_revision) == ("multimodal", tiny_data.revision)
    assert diagnostics.channels == tiny_data.channels
    assert sorted(diagnostics.shown) == sorted(tiny_data.channels)
    assert diagnostics.has_maps


def test_maps_average_to_the_scores(tiny_data, scored):
    result, diagnostics = scored
    weights = tiny_data.grid.weights[:, None]
    for name, rms, bias in zip(
        diagnostics.shown, diagnostics.analysis.rms, diagnostics.analysis.bias, strict=True
    ):
        pooled = np.sqrt((weights * rms.astype(float) ** 2).mean())
        assert pooled == pytest.approx(result.scores["rmse_pooled"][name], rel=1e-5)
        scale = result.scores["rmse"][name]
        assert (weights * bias).mean() == pytest.approx(
            result.scores["bias"][name], abs=1e-5 * scale
        )
    by_name = dict(
        zip(diagnostics.shown, diagnostics.analysis.series.mean(axis=0, dtype=float), strict=True)
    )
    assert by_name == pytest.approx(result.scores["rmse"], rel=1e-5)
    assert diagnostics.analysis.rmse.tolist() == list(result.scores["rmse"].values())


def test_half_way_to_the_reference_is_half_the_error(scored):
    _, diagnostics = scored
    for name in ("rms", "bias", "example", "rmse"):
        background = getattr(diagnostics.background, name)
        analysis = getattr(diagnostics.analysis, name)
        scale = np.abs(background).reshape(len(background), -1).max(axis=1)
        difference = (analysis - background / 2).reshape(len(background), -1)
        np.testing.assert_allclose(difference / scale[:, None], 0, atol=1e-3)


def test_increments_are_analysis_minus_background(tiny_data, scored):
    _, diagnostics = scored
    background, reference = fields(tiny_data)
    increment = (reference - background) / 2
    scale = np.abs(increment).max(axis=(0, 2, 3))[:, None, None]
    number = list(tiny_data.times("test")).index(diagnostics.time)
    for found, wanted in (
        (diagnostics.increment_mean, increment.mean(axis=0)),
        (diagnostics.increment_rms, np.sqrt((increment**2).mean(axis=0))),
        (diagnostics.increment_example, increment[number]),
    ):
        np.testing.assert_allclose(found / scale, wanted / scale, atol=1e-4)


def test_spectra_are_means_over_times(tiny_data, scored):
    _, diagnostics = scored
    background, reference = fields(tiny_data)
    for found, field in (
        (diagnostics.background.spectra, background),
        (diagnostics.reference_spectra, reference),
    ):
        power = [[zonal_power(f, tiny_data.grid.weights) for f in sample] for sample in field]
        np.testing.assert_allclose(found, np.mean(power, axis=0), rtol=1e-10)


def test_the_background_has_its_own_errors_and_no_increment(tiny_data, tmp_path):
    def background(batch):
        return Analysis(batch.background)

    result, diagnostics = diagnose(tmp_path / "x.nc", tiny_data, background)
    assert_equal(diagnostics.analysis, diagnostics.background)
    assert not diagnostics.increment_rms.any()
    assert not diagnostics.increment_example.any()
    middle = np.argsort(result.sample_mse)[len(result.sample_mse) // 2]
    assert diagnostics.time == tiny_data.times("test")[middle]


def test_members_count_by_their_mean(tiny_data, scored, tmp_path):
    def ensemble(batch):
        mean = half_way(batch).mean
        spread = OFFSETS * tiny_data.statistics.std.astype("f4")[:, None, None]
        return Analysis(mean, members=mean[:, None] + spread)

    _, diagnostics = diagnose(tmp_path / "x.nc", tiny_data, ensemble)
    analysis = scored[1].analysis
    np.testing.assert_allclose(diagnostics.analysis.rms, analysis.rms, rtol=1e-3)
    np.testing.assert_allclose(diagnostics.analysis.spectra, analysis.spectra, rtol=1e-3)


def test_a_stride_uses_its_own_times(tiny_data, tmp_path):
    task = replace(TASK, stride=2)
    _, diagnostics = diagnose(tmp_path / "x.nc", tiny_data, half_way, task)
    background, reference = fields(tiny_data, task)
    rms = np.sqrt(((background - reference) ** 2).mean(axis=0))
    np.testing.assert_allclose(diagnostics.background.rms, rms, rtol=1e-5)
    assert diagnostics.time in tiny_data.times("test")[::2]


@pytest.mark.parametrize("settings", [{}, {"network": "iid", "density": 0.2}], ids=str)
def test_observed_points_are_those_of_the_example(tiny_data, tmp_path, settings):
    task = replace(TASK, observations=settings)
    _, diagnostics = diagnose(tmp_path / "x.nc", tiny_data, half_way, task)
    number = list(tiny_data.times("test")).index(diagnostics.time)
    index = next(tiny_data.batches(task, indices=[number])).observation_index[0]
    wanted = index[shown_rows(tiny_data.channels)] if settings else index
    np.testing.assert_array_equal(diagnostics.observed, wanted)


def test_points_that_do_not_see_a_channel_are_marked(tiny_data, tmp_path):
    task = replace(TASK, observations={"network": "network", "density": 0.2})
    _, diagnostics = diagnose(tmp_path / "x.nc", tiny_data, half_way, task)
    for channel, observed in zip(diagnostics.shown, diagnostics.observed, strict=True):
        assert (observed >= 0).sum() == (29 if channel in ("t2m", "msl") else 7)


def test_what_is_written_is_read(scored, tmp_path):
    _, diagnostics = scored
    path = tmp_path / "views" / "x.safetensors"
    diagnostics.write(path)
    read = Diagnostics.read(path)
    for name, value in vars(diagnostics).items():
        found = getattr(read, name)
        if isinstance(value, Errors):
            assert_equal(found, value)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(found, value, err_msg=name)
        else:
            assert found == value


def test_without_maps_nothing_of_the_reference_shows(tiny_data, scored, tmp_path):
    _, diagnostics = diagnose(tmp_path / "x.nc", tiny_data, half_way, maps=False)
    path = tmp_path / "x.safetensors"
    diagnostics.write(path)
    read = Diagnostics.read(path)
    assert not read.has_maps
    for errors in (read.analysis, read.background):
        assert errors.rms.size == errors.bias.size == errors.example.size == 0
        assert errors.series.size == errors.rmse.size == 0
    assert read.increment_rms.size == read.increment_mean.size == read.increment_example.size == 0
    np.testing.assert_array_equal(read.analysis.spectra, scored[1].analysis.spectra)
    assert path.stat().st_size < 12_000


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "other"])
def test_a_damaged_file_is_none(tiny_data, scored, tmp_path, damage):
    path = tmp_path / "x.safetensors"
    scored[1].write(path)
    if damage == "absent":
        path.unlink()
    elif damage == "other":
        path.write_bytes((tiny_data.folder / "statistics.safetensors").read_bytes())
    else:
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else -100])
    with pytest.raises(DataError, match="holds no diagnostics"):
        Diagnostics.read(path)


def test_the_background_is_gathered_once_and_again_when_damaged(tiny_data, tmp_path, monkeypatch):
    path = tmp_path / "background.safetensors"
    first = BackgroundDiagnostics.cached(path, tiny_data, TASK)
    with monkeypatch.context() as patch:
        patch.setattr(BackgroundDiagnostics, "of", None)
        again = BackgroundDiagnostics.cached(path, tiny_data, TASK)
    assert_equal(again.errors, first.errors)
    np.testing.assert_array_equal(again.reference_spectra, first.reference_spectra)
    assert again.example == first.example
    path.write_bytes(b"damaged")
    assert_equal(BackgroundDiagnostics.cached(path, tiny_data, TASK).errors, first.errors)


def test_channels_of_the_board_are_shown_else_the_first_few():
    assert [STANDARD_CHANNELS[row] for row in shown_rows(STANDARD_CHANNELS)][:2] == ["z500", "t850"]
    assert shown_rows(("z50", "z100", "q50", "u100", "v100")) == [0, 1, 2, 3]
