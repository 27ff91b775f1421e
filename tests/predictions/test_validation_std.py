"""Validation of predicted standard deviations: every way to be wrong is named, in one list."""

import re

import numpy as np
import pytest
import xarray as xr

from dambench_hub.data.batch import Analysis
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.sandbox.parent import open_sandboxed
from dambench_hub.predictions.validation import MAX_LENGTH, validate
from dambench_hub.predictions.writer import write_predictions


@pytest.fixture(scope="module")
def predicted(tiny_data, tmp_path_factory):
    """The background with a std of 2, as an xarray data set to spoil."""
    path = tmp_path_factory.mktemp("predicted") / "x.nc"
    analyses = (
        Analysis(batch.background, np.full_like(batch.background, 2))
        for batch in tiny_data.batches("multimodal")
    )
    write_predictions(path, analyses, task="multimodal", data=tiny_data, model_name="m")
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        return dataset.load().drop_encoding()


@pytest.fixture(params=[open_prediction, open_sandboxed])
def problems(request, predicted, tiny_data, tmp_path):
    """The problems of the prediction after a change."""

    def find(change):
        path = tmp_path / "x.nc"
        change(predicted.copy(deep=True)).to_netcdf(path, engine="h5netcdf")
        return validate(path, tiny_data, "multimodal", request.param)

    return find


def with_std(std):
    return lambda d: d.assign(std=std(d["std"]))


def with_value(value, *times):
    def change(d):
        d["std"][list(times), 2, 3, 5] = value
        return d

    return change


def with_members(d):
    return d.assign(analysis=d.analysis.expand_dims(member=3, axis=1))


WRONG = {
    "zero": (
        with_value(0, 1),
        "1 values of std are no finite numbers above 0 at 2024-02-28T00, channel 'z500'; the "
        "first is 0.0",
    ),
    "negative": (with_value(-2, 4), "at 2024-03-02T00, channel 'z500'; the first is -2.0"),
    "NaN": (with_value(np.nan, 0), "at 2024-02-27T00, channel 'z500'; the first is nan"),
    "infinite": (with_value(np.inf, 0), "channel 'z500'; the first is inf"),
    "a fill value": (with_value(9.96921e36, 2), "channel 'z500'; the first is 9.96"),
    "float64": (with_std(lambda std: std.astype("f8")), "std is stored as '<f8', wanted float32"),
    "one for all times": (
        with_std(lambda std: std[0].drop_vars("time")),
        r"std has shape \(5, 9, 16\), analysis \(5, 5, 9, 16\)",
    ),
    "one for each channel": (
        with_std(
            lambda std: std.isel(latitude=[0], longitude=[0]).rename(latitude="y", longitude="x")
        ),
        r"std has shape \(5, 5, 1, 1\), analysis",
    ),
    "transposed": (
        with_std(lambda std: std.transpose("channel", "time", "latitude", "longitude")),
        r"std has the axes \(channel, time, latitude, longitude\), wanted .* transpose it",
    ),
    "with members": (with_members, "The file has members and std.*leave std out"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(problems, change, words):
    found = problems(change)
    assert len(found) == 1
    assert re.search(words, found[0]), found
    assert found[0].isprintable() and len(found[0]) <= MAX_LENGTH


def test_nothing_is_wrong_with_a_right_file(problems):
    assert problems(lambda d: d) == []


def test_all_problems_come_at_once(problems):
    def change(d):
        d.analysis[0, 1, 2, 3] = np.nan
        return with_value(0, 0, 3)(d).assign_attrs(dataset_revision="old", task="unimodal")

    found = problems(change)
    assert len(found) == 5  # revision, task, NaN, and two times of std
    assert sum("of std are" in text for text in found) == 2


def test_what_is_wrong_at_many_times_is_summed_up(problems):
    found = problems(with_value(0, 0, 1, 2, 3, 4))
    assert len(found) == 4
    assert found[-1] == "std is wrong at 2 more times."
