"""Scores at withheld reports, from a data set and a prediction file."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.building.builder import build_dataset
from dambench_hub.coordinates.grids import Grid
from dambench_hub.data import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.station_scores import thinning_weights
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.window import Window
from dambench_hub.predictions import write_predictions
from dambench_hub.scoring.evaluation import score
from dambench_hub.testing import TinyAtmosphere, tiny_plan, tiny_reports

DAYS = np.datetime64("2024-01-01", "h") + 24 * np.arange(3)
HEIGHTS = np.linspace(0, 800, 17 * 32, dtype=np.float32).reshape(17, 32)


def build(folder, channels=("t2m",), table=None):
    plan = tiny_plan(
        channels=channels,
        grid=Grid(17, 32),
        times={"test": DAYS},
        modalities=(),
        observations=ObservationSettings(),
        reports_window=Window(-6, 6),
        reference_is_reports=True,
        geography=True,
    )
    reports = tiny_reports(DAYS) if table is None else table
    source = replace(
        TinyAtmosphere(plan).source(), orography=HEIGHTS, read_reports=lambda split: reports
    )
    build_dataset(folder, plan, lambda work: source)
    return load_data(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build(tmp_path_factory.mktemp("stations") / "synop")


def scored(data, path, change=lambda background: background, members=None):
    def analyses():
        for batch in data.batches("synop"):
            mean = change(batch.background)
            yield Analysis(mean=mean, members=members and members(mean), time=batch.time)

    write_predictions(path, analyses(), task="synop", data=data, model_name="mine")
    return score(path, data, "synop")


def expected(data, fields):
    """Errors H(x) − y of all times, and their weights, by the operator's own words."""
    errors, weights = [], []
    for index, field in enumerate(fields):
        table = data.reports("test", index, withheld=True)
        H = PointInterpolation(data.channels, data.grid, table, HEIGHTS)
        errors.append(H(field.astype(float)) + H.offset - table.value)
        weights.append(thinning_weights(table.latitude, table.longitude))
    return np.concatenate(errors), np.concatenate(weights)


def test_an_analysis_is_compared_with_what_was_withheld(data, tmp_path):
    result = scored(data, tmp_path / "mine.nc", lambda background: background + 2)
    backgrounds = [data.background("test", n) for n in range(3)]
    error, weight = expected(data, [field + 2 for field in backgrounds])
    rmse = np.sqrt(np.average(error**2, weights=weight))
    assert result.main_score == result.scores["station_rmse"] == pytest.approx(rmse)
    assert not result.larger_is_better
    assert result.scores["bias"]["t2m"] == pytest.approx(np.average(error, weights=weight))
    assert result.scores["station_mae"]["t2m"] == pytest.approx(
        np.average(np.abs(error), weights=weight)
    )
    assert result.scores["rmse_low"]["t2m"] < rmse < result.scores["rmse_high"]["t2m"]
    assert result.scores["stations"]["t2m"] == 4  # of 20, every fifth
    found = result.station_errors
    np.testing.assert_allclose(found.analysis, error)
    np.testing.assert_allclose(found.analysis - found.background, 2, atol=1e-4)
    np.testing.assert_array_equal(np.unique(found.time), [0, 1, 2])
    assert result.hours == tuple(DAYS.astype(int).tolist()) and result.sample_mse == ()


def test_the_background_has_no_skill_and_a_perfect_one_has_all(data, tmp_path):
    assert scored(data, tmp_path / "background.nc").scores["skill"] == pytest.approx(0)
    error, weight = expected(data, [data.background("test", n) for n in range(3)])
    bias = np.average(error, weights=weight)
    better = scored(data, tmp_path / "better.nc", lambda field: field - np.float32(bias))
    left = np.average((error - bias) ** 2, weights=weight) / np.average(error**2, weights=weight)
    assert better.scores["skill"] == pytest.approx(100 * (1 - np.sqrt(left)), abs=1e-3)


def test_of_an_ensemble_the_mean_counts(data, tmp_path):
    alone = scored(data, tmp_path / "alone.nc", lambda field: field + 1)

    def around(mean):
        return np.stack([mean - 3, mean + 5], axis=1) - 1

    ensemble = scored(data, tmp_path / "members.nc", lambda field: field + 1, around)
    assert ensemble.main_score == pytest.approx(alone.main_score, rel=1e-6)


def test_no_method_is_given_what_it_is_scored_by(data):
    for batch in data.batches("synop"):
        assert batch.reference is None and not batch.reports[0].withheld.any()
    assert data.reports("test", 0, withheld=True).withheld.all()


def test_a_channel_of_which_nothing_is_withheld_is_named(tmp_path):
    data = build(tmp_path / "both", channels=("t2m", "msl"))
    with pytest.raises(ScoreError, match="withholds no reports of msl"):
        scored(data, tmp_path / "both.nc")
