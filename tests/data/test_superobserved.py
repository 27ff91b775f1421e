"""Reports become observations at grid points."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.data.superobserved import superobserved
from dambench_hub.errors import DataError
from dambench_hub.observations.table import ObservationTable

GRID = Grid(9, 16)  # 22.5 degrees


def table(latitude, longitude, value, error_std=1.0):
    return ObservationTable.from_columns(
        time=np.datetime64("2024-01-01T00:00"),
        latitude=np.array(latitude, float),
        longitude=longitude,
        variable="t2m",
        value=value,
        error_std=error_std,
        station="S",
        report="synop",
    )


@pytest.fixture
def batch():
    """Two samples; the first sees two stations in a cell and one in another, the second one."""
    first = table([45.0, 45.0, 0.0], [90.0, 90.0, 180.0], [284.0, 286.0, 270.0], [1.0, 1.0, 2.0])
    return Batch(
        channels=("t2m", "msl"),
        grid=GRID,
        time=np.array(["2024-01-01", "2024-01-02"], "datetime64[h]"),
        background=np.full((2, 2, *GRID.shape), 280, np.float32),
        observation_index=np.zeros((2, 0), np.int32),
        observation_values=np.zeros((2, 2, 0), np.float32),
        observation_error_std=np.array([9.0, 7.0]),
        reports=(first, table([-45.0], [0.0], [290.0])),
    )


def test_each_sample_has_its_own(batch):
    found = superobserved(batch)
    where = found.observed
    assert where.sum(axis=(1, 2, 3)).tolist() == [2, 1] and not where[:, 1].any()
    np.testing.assert_allclose(found.observations[0, 0, 2, 4], 285.0)  # the mean of a cell
    np.testing.assert_allclose(found.observations[0, 0, 4, 8], 270.0)
    np.testing.assert_allclose(found.observations[1, 0, 6, 0], 290.0)
    assert found.reports == batch.reports


def test_a_channel_has_one_error(batch):
    std = superobserved(batch).observation_error_std
    assert std[0] == pytest.approx(np.sqrt((1 / 2 + 4 + 1) / 3))
    assert std[1] == 7.0  # nothing is observed


def test_of_empty_tables_nothing_is_observed(batch):
    empty = replace(batch, reports=(ObservationTable.empty(),) * 2)
    found = superobserved(empty)
    assert not found.observed.any()
    np.testing.assert_array_equal(found.observation_error_std, [9.0, 7.0])


def test_a_batch_without_reports_is_refused(batch):
    with pytest.raises(DataError, match="no reports"):
        superobserved(replace(batch, reports=None))
