"""The task `stations`: a table and its means on the grid, each with an error that is its own."""

import dataclasses

import numpy as np
import pytest

from dambench_hub.data.off_grid_observations import OffGridObservations
from dambench_hub.errors import TaskError
from dambench_hub.observations import draw_observations
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.superobservations import superobservations
from dambench_hub.tasks.task import load_task

TASK = load_task("stations")
DENSE = dataclasses.replace(TASK, observations={**TASK.observations, "density": 0.4})


@pytest.fixture(scope="module")
def batch(tiny_data):
    return next(tiny_data.batches(DENSE, batch_size=5))


def operator(table, tiny_data):
    return PointInterpolation(tiny_data.channels, tiny_data.grid, table)


def test_each_sample_has_a_table_of_the_same_stations(tiny_data, batch):
    stations = round(0.4 * tiny_data.grid.size)
    assert [len(table) for table in batch.reports] == 5 * [stations * len(tiny_data.channels)]
    for time, table in zip(batch.time, batch.reports, strict=True):
        assert np.all(table.time == time)
        np.testing.assert_array_equal(table.latitude, batch.reports[0].latitude)
        assert operator(table, tiny_data).seen.all()


def test_the_grid_has_the_means_of_the_table(tiny_data, batch):
    cells = DENSE.observation_settings(tiny_data.manifest).points(tiny_data.grid)
    assert batch.observation_values.shape == (5, len(tiny_data.channels), cells)
    for n, table in enumerate(batch.reports):
        found = superobservations(operator(table, tiny_data), batch.background[n])
        np.testing.assert_array_equal(batch.observed[n], found.observed)
        seen = found.observed
        np.testing.assert_array_equal(batch.observations[n][seen], found.values[seen])


@pytest.mark.parametrize("error_scale", [0.0, 0.25, 2.0])
def test_r_is_what_both_forms_err_by(tiny_data, error_scale):
    """On test days, of which it knows nothing."""
    observations = {**DENSE.observations, "error_scale": error_scale}
    task = dataclasses.replace(DENSE, observations=observations)
    batch = next(tiny_data.batches(task, batch_size=5))
    rows = [
        (table.value - operator(table, tiny_data)(x)) / table.error_std
        for table, x in zip(batch.reports, batch.reference, strict=True)
    ]
    std = batch.observation_error_std[:, None, None]
    error = ((batch.observations - batch.reference) / std)[batch.observed]
    assert np.mean(np.square(rows)) == pytest.approx(1, abs=0.3)
    assert np.mean(np.square(error)) == pytest.approx(1, abs=0.3)
    wanted = tiny_data.observation_error_std(task.observation_settings(tiny_data.manifest))
    np.testing.assert_array_equal(batch.observation_error_std, wanted)


def test_r_holds_the_instruments_and_what_interpolation_misses(tiny_data):
    def measured(error_scale):
        settings = DENSE.observation_settings(tiny_data.manifest)
        settings = dataclasses.replace(settings, error_scale=error_scale)
        parts = tiny_data.manifest, tiny_data.statistics, tiny_data._examples
        return OffGridObservations(*parts, settings).error_std

    scale = tiny_data.statistics.background_error_std
    missed = measured(0.0)
    assert np.all(missed > 0.01 * scale)
    np.testing.assert_allclose(measured(0.5), np.hypot(missed, 0.5 * scale), rtol=0.1)


def test_r_is_measured_once(tiny_data, batch, monkeypatch):
    def never(split, *args):
        raise AssertionError(split)

    monkeypatch.setattr(tiny_data._examples, "read", never)
    again = next(tiny_data.batches(DENSE))
    np.testing.assert_array_equal(again.observation_error_std, batch.observation_error_std)


def test_the_draw_is_keyed(tiny_data, batch):
    again, other = (next(tiny_data.batches(DENSE, batch_size=5, redraw=r)) for r in (None, 3))
    np.testing.assert_array_equal(again.reports[2].value, batch.reports[2].value)
    np.testing.assert_array_equal(again.observation_values, batch.observation_values)
    assert not np.array_equal(other.reports[2].value, batch.reports[2].value)
    np.testing.assert_array_equal(other.observation_index, batch.observation_index)


def test_the_ground_is_not_theirs(tiny_data, monkeypatch):
    """So that results are the same whether a data set has geography or not."""
    monkeypatch.setitem(vars(tiny_data), "elevation", np.full(tiny_data.grid.shape, 2_000.0))
    assert next(tiny_data.batches(DENSE)).elevation is None


def test_other_tasks_have_no_tables(tiny_data):
    assert next(tiny_data.batches("unimodal")).reports is None


def test_what_is_off_the_grid_is_not_drawn_at_grid_points(tiny_data):
    settings = TASK.observation_settings(tiny_data.manifest)
    std = np.ones(len(tiny_data.channels))
    reference, time = tiny_data.reference("test", 0), tiny_data.times("test")[0]
    with pytest.raises(TaskError, match="tables of observations"):
        draw_observations(settings, tiny_data.grid, reference, std, time)
    with pytest.raises(TaskError, match="depends on the data"):
        settings.observation_error_std(std, tiny_data.channels, tiny_data.grid)
