"""Errors at withheld reports: of a channel, joined, written and read."""

from dataclasses import fields

import numpy as np
import pytest

from dambench_hub.errors import DataError
from dambench_hub.scoring.station_errors import StationErrors, joined


def errors(count=4, time=0):
    rng = np.random.default_rng(time)
    return StationErrors(
        channels=("t2m", "msl"),
        station=np.array([f"0{n}" for n in range(count)]),
        time=np.full(count, time),
        channel=np.arange(count) % 2,
        **{name: rng.normal(size=count) for name in ("latitude", "longitude", "weight")},
        **{name: rng.normal(size=count) for name in ("analysis", "background")},
    )


def assert_same(one, other):
    for field in fields(StationErrors):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_those_of_a_channel():
    of = errors().of("msl")
    np.testing.assert_array_equal(of.station, ["01", "03"])
    np.testing.assert_array_equal(of.analysis, errors().analysis[[1, 3]])
    assert of.channels == ("t2m", "msl")


def test_the_largest_error_is_that_of_all_reports_of_a_station_weighted():
    of = StationErrors(
        channels=("t2m", "msl"),
        station=np.array(["a", "b", "a", "c", "c"]),
        channel=np.array([0, 0, 0, 0, 1]),
        analysis=np.array([2.0, -3.0, 2.0, 1.0, 99.0]),
        weight=np.array([1.0, 0.5, 1.0, 3.5, 1.0]),
        **dict.fromkeys(("time", "latitude", "longitude", "background"), np.zeros(5)),
    )
    assert of.largest("t2m") == ("a", 0.5)
    assert of.largest("msl") == ("c", 1.0)


def test_parts_are_joined_in_order():
    parts = [errors(3, 0), errors(0, 1), errors(2, 2)]
    np.testing.assert_array_equal(joined(parts).time, [0, 0, 0, 2, 2])
    assert_same(joined(parts[:1]), parts[0])


@pytest.mark.parametrize("count", [0, 5])
def test_the_file_holds_all_of_it(tmp_path, count):
    errors(count).write(tmp_path / "errors.safetensors")
    assert_same(StationErrors.read(tmp_path / "errors.safetensors"), errors(count))


def test_a_damaged_or_absent_file_is_named(tmp_path):
    (tmp_path / "other.safetensors").write_bytes(b"none of it")
    for name in "other", "absent":
        with pytest.raises(DataError, match=f"{name}.safetensors holds no errors at stations"):
            StationErrors.read(tmp_path / f"{name}.safetensors")
