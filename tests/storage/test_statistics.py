"""Moments add like the samples they came from; the statistics file holds what was written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from dambench_hub.errors import DambenchError, DataError
from dambench_hub.storage.statistics import Moments, Statistics


@given(st.integers(1, 6), st.integers(0, 5), st.floats(-1e6, 1e6))
def test_moments_of_parts_are_moments_of_the_whole(parts, split, offset):
    rng = np.random.default_rng(parts)
    fields = rng.normal(offset, [[[1.0]], [[100.0]]], (parts, 2, 4, 5)).astype("f4")
    moments = [Moments.of(field) for field in fields]
    cut = min(split, parts - 1)
    total = None
    for moment in moments[cut:] + moments[:cut]:  # in any order
        total = moment if total is None else total + moment
    whole = fields.astype("f8").transpose(1, 0, 2, 3).reshape(2, -1)
    assert total.count == whole.shape[1]
    np.testing.assert_allclose(total.mean, whole.mean(1), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(total.std, whole.std(1), rtol=1e-9)


def test_geopotential_keeps_its_small_variance():
    field = 500_000 + np.array([[[0.0, 0.125], [0.0, 0.125]]], "f4")
    both = Moments.of(field) + Moments.of(field)
    np.testing.assert_allclose(both.std, 0.0625, rtol=1e-12)


@pytest.fixture
def statistics(rng):
    return Statistics(rng.normal(size=3), rng.random(3), rng.random(3))


def test_round_trip(tmp_path, statistics):
    path = tmp_path / "statistics.safetensors"
    statistics.write(path)
    read = Statistics.read(path, 3)
    for name, values in vars(statistics).items():
        assert getattr(read, name).dtype == np.float64
        np.testing.assert_array_equal(getattr(read, name), values)
    once = path.read_bytes()
    statistics.write(path)
    assert path.read_bytes() == once


def test_columns_of_a_table_are_written_as_they_are(tmp_path, rng):
    mean, std, error = rng.random((4, 3)).T
    Statistics(mean, std, error).write(tmp_path / "statistics.safetensors")
    read = Statistics.read(tmp_path / "statistics.safetensors", 4)
    np.testing.assert_array_equal(
        [read.mean, read.std, read.background_error_std], [mean, std, error]
    )


def test_a_full_disk_is_a_message(tmp_path, statistics):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DambenchError, match="Could not write"):
        statistics.write(tmp_path / "file" / "statistics.safetensors")


@pytest.mark.parametrize("damage", ["channels", "nan", "whole", "names", "cut", "empty", "absent"])
def test_another_file_is_refused(tmp_path, statistics, damage):
    path = tmp_path / "statistics.safetensors"
    values = dict(vars(statistics))
    if damage == "nan":
        values["std"] = np.array([1.0, np.nan, 1.0])
    if damage == "whole":
        values["std"] = np.array([1, 2, 3], "i1")
    if damage == "names":
        values["variance"] = values.pop("std")
    save_file(values, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    if damage == "empty":
        path.write_bytes(b"")
    if damage == "absent":
        path.unlink()
    with pytest.raises(DataError, match="statistics.safetensors"):
        Statistics.read(path, 4 if damage == "channels" else 3)
