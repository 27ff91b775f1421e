"""Scoring a file: the same values give the same score and hash, whatever file they came in."""

import json

import numpy as np
import pytest
import xarray as xr

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import PredictionError, TaskError
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score
from dambench_hub.tasks.task import load_task


def write(path, data, analyses, task="multimodal"):
    write_predictions(path, analyses, task=task, data=data, model_name="m", authors="A, B")
    return path


def blended(data, share, batch_size=2):
    """Analyses with this share of the background's error left."""
    for batch in data.batches("multimodal", batch_size=batch_size):
        yield Analysis(batch.reference + np.float32(share) * (batch.background - batch.reference))


@pytest.fixture(scope="module")
def background(tiny_data, tmp_path_factory):
    analyses = (Analysis(batch.background) for batch in tiny_data.batches("multimodal"))
    return write(tmp_path_factory.mktemp("scoring") / "x.nc", tiny_data, analyses)


def test_the_result_is_that_of_the_scorer(tiny_data, background):
    result = score(background, tiny_data, "multimodal")
    scorer = Scorer(tiny_data.channels, tiny_data.grid.latitude, tiny_data.statistics.std)
    for batch in tiny_data.batches("multimodal", batch_size=3):
        scorer.update(batch.background, batch.reference, batch.background, batch.observed)
    assert result.scores == scorer.compute()
    assert result.sample_mse == tuple(scorer.per_sample_mse)
    assert result.main_score == result.scores["skill"] == 0
    assert np.mean(result.sample_mse) == pytest.approx(result.scores["mse"], rel=1e-12)
    assert np.array_equal(result.square_errors, scorer.square_errors)
    assert np.array_equal(result.square_errors, result.background_square_errors)
    assert result.square_errors.shape == (5, len(tiny_data.channels))
    assert result.skill_by_day == (0,) * 5
    hours = np.array(result.hours, "datetime64[h]")
    assert np.array_equal(hours, load_task("multimodal").times(tiny_data.manifest))


def test_the_result_names_what_it_depends_on(tiny_data, background):
    result = score(background, tiny_data)
    assert result.attributes == {"model_name": "m", "authors": "A, B"}
    shown = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert list(shown) == [
        "task", "dataset_revision", "model_name", "scorer_version", "value_hash", "scores",
    ]  # fmt: skip
    assert shown["dataset_revision"] == tiny_data.revision
    assert shown["scorer_version"] == SCORER_VERSION


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize(
    "encoding",
    [
        {"analysis": {}},
        {"analysis": {"zlib": True, "complevel": 7, "shuffle": True}},
        {"analysis": {"chunksizes": (2, 3, 9, 5)}},
        {"time": {"units": "minutes since 2001-03-04 05:06:00", "dtype": "f8"}},
        {"latitude": {"dtype": "f4"}, "longitude": {"dtype": "f4"}},
    ],
    ids=["plain", "gzip", "chunks", "time unit", "float32 axes"],
)
def test_same_values_same_score(tiny_data, background, tmp_path, engine, encoding):
    with xr.open_dataset(background, engine="h5netcdf") as dataset:
        copy = dataset.load().drop_encoding()
    copy.to_netcdf(tmp_path / "y.nc", engine=engine, encoding=encoding)
    ours, theirs = score(background, tiny_data), score(tmp_path / "y.nc", tiny_data)
    assert theirs.value_hash == ours.value_hash
    assert theirs.scores == ours.scores


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_same_values_from_our_writers(tiny_data, background, tmp_path, suffix, batch_size):
    batches = tiny_data.batches("multimodal", batch_size=batch_size)
    path = write(tmp_path / f"x{suffix}", tiny_data, (Analysis(b.background) for b in batches))
    ours, theirs = score(background, tiny_data), score(path, tiny_data)
    assert (theirs.value_hash, theirs.scores) == (ours.value_hash, ours.scores)


def test_one_changed_bit_changes_the_hash(tiny_data, background, tmp_path):
    analyses = [Analysis(batch.background) for batch in tiny_data.batches("multimodal")]
    value = analyses[-1].mean[-1, -1, -1, -1]
    analyses[-1].mean[-1, -1, -1, -1] = np.nextafter(value, np.float32(np.inf))
    path = write(tmp_path / "x.nc", tiny_data, analyses)
    assert score(path, tiny_data).value_hash != score(background, tiny_data).value_hash


def test_the_reference_has_all_skill_and_less_error_has_more(tiny_data, tmp_path):
    results = [
        score(write(tmp_path / f"{share}.nc", tiny_data, blended(tiny_data, share)), tiny_data)
        for share in (0.0, 0.25, 0.5, 1.0)
    ]
    scores = [result.main_score for result in results]
    assert scores == pytest.approx([100, 75, 50, 0], abs=1e-3)
    assert all(result.larger_is_better for result in results)
    for result in results:
        assert np.mean(result.skill_by_day) == pytest.approx(result.main_score, abs=1e-9)
    for result in results[1:]:  # a share of the error is the same share on each day
        assert result.skill_by_day == pytest.approx([result.main_score] * 5, abs=1e-2)


def test_members_are_scored_by_their_mean_and_as_an_ensemble(tiny_data, tmp_path):
    offsets = np.array([-0.5, 0, 0.5], "f4").reshape(-1, 1, 1, 1)
    std = tiny_data.statistics.std.astype("f4")[:, None, None]
    analyses = (
        Analysis(b.background, members=b.background[:, None] + offsets * std)
        for b in tiny_data.batches("multimodal")
    )
    result = score(write(tmp_path / "x.nc", tiny_data, analyses), tiny_data)
    analyses = (Analysis(b.background) for b in tiny_data.batches("multimodal"))
    mean = score(write(tmp_path / "y.nc", tiny_data, analyses), tiny_data)
    assert result.main_score == pytest.approx(mean.main_score, abs=1e-3)
    assert result.value_hash != mean.value_hash
    assert set(result.scores) - set(mean.scores) == {
        *("crps", "spread_skill", "rank_histogram", "skill_infinite_ensemble"),
        *("mse_infinite_ensemble", "mse_infinite_ensemble_by_channel"),
    }


def test_a_stride_is_scored_at_its_own_times(tiny_data, tmp_path):
    from dataclasses import replace

    from dambench_hub.tasks.task import load_task

    task = replace(load_task("multimodal"), stride=2)
    analyses = (Analysis(batch.reference) for batch in tiny_data.batches(task))
    path = write(tmp_path / "x.nc", tiny_data, analyses, task)
    result = score(path, tiny_data, task)
    assert len(result.sample_mse) == 3
    assert result.main_score == 100


def test_results_of_version_1_rank_by_mse(make_result):
    assert not make_result(scorer_version="1").larger_is_better
    assert make_result().larger_is_better
    assert make_result(task="gone").larger_is_better, "a task that is no longer there"


def test_problems_are_listed_before_and_after_the_values(tiny_data, background, tmp_path):
    with xr.open_dataset(background, engine="h5netcdf") as dataset:
        copy = dataset.load()
    path = tmp_path / "y.nc"
    copy.assign_attrs(dataset_revision="old").isel(time=[0]).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(
        PredictionError, match="y.nc cannot be scored:\n- .*revision 'old'.*\n- 4 of"
    ):
        score(path, tiny_data)
    copy.analysis[3, 1, 2, 2] = np.nan
    copy.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(PredictionError, match="NaN or infinite at 2024-03-01T00, channel 'msl'"):
        score(path, tiny_data)
    with pytest.raises(TaskError, match="Did you mean 'unimodal'"):
        score(background, tiny_data, "unimodle")
