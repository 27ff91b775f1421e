"""Validation: every way to be wrong is named, with what came and what to do, all at once."""

import re

import numpy as np
import pytest
import xarray as xr

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import TaskError
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.sandbox.parent import open_sandboxed
from dambench_hub.predictions.validation import (
    MAX_LENGTH,
    MAX_PROBLEMS,
    header_problems,
    time_problems,
    validate,
)
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.tasks.task import load_task


@pytest.fixture(scope="module")
def predicted(tiny_data, tmp_path_factory):
    """The background as a prediction, as an xarray data set to spoil."""
    path = tmp_path_factory.mktemp("predicted") / "x.nc"
    analyses = (Analysis(batch.background) for batch in tiny_data.batches("multimodal"))
    write_predictions(path, analyses, task="multimodal", data=tiny_data, model_name="background")
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        return dataset.load().drop_encoding()


@pytest.fixture
def problems(predicted, tiny_data, tmp_path):
    """The problems of the prediction after a change."""

    def find(change, task="multimodal"):
        path = tmp_path / "x.nc"
        change(predicted.copy(deep=True)).to_netcdf(path, engine="h5netcdf")
        return validate(path, tiny_data, task)

    return find


def flipped(d):
    return d.isel(latitude=slice(None, None, -1))


def from_minus_180(d):
    return d.assign_coords(longitude=(d.longitude + 180) % 360 - 180).sortby("longitude")


def with_attributes(**attributes):
    return lambda d: d.assign_attrs(attributes)


def scaled(channel, factor, offset=0.0):
    def change(d):
        d.analysis.loc[{"channel": channel}] *= np.float32(factor)
        d.analysis.loc[{"channel": channel}] += np.float32(offset)
        return d

    return change


def with_value(value, time, channel):
    def change(d):
        d.analysis[time, channel, 3, 5] = value
        return d

    return change


def renamed(old, new):
    return lambda d: d.assign_coords(
        channel=[new if name == old else name for name in d.channel.values]
    )


def normalised(d):
    mean, std = (d.analysis.reduce(f, ("time", "latitude", "longitude")) for f in (np.mean, np.std))
    return d.assign(analysis=((d.analysis - mean) / std).astype("f4"))


def twice(d):
    return xr.concat([d, d.isel(time=[2])], "time").sortby("time")


def later(d):
    return xr.concat([d, d.isel(time=[-1]).assign_coords(time=d.time[-1:] + 10**9 * 86400)], "time")


WRONG = {
    "ascending latitude": (flipped, "latitude is -90, -67.5 … 90.*flip the field"),
    "longitude from -180": (from_minus_180, "longitude is -180.*roll the field"),
    "a dropped pole": (lambda d: d.isel(latitude=slice(1, None)), "latitude has 8 values.*pole"),
    "half a cell off": (
        lambda d: d.assign_coords(longitude=d.longitude + 11.25),
        "must be 0, 22.5",
    ),
    "another channel": (renamed("z500", "z550"), "Unknown channel 'z550'. Did you mean 'z500'"),
    "a missing channel": (
        lambda d: d.isel(channel=slice(1, None)),
        "1 of 5 channels are missing: t2m",
    ),
    "channels in another order": (
        lambda d: d.isel(channel=[1, 0, 2, 3, 4]),
        "number 0 is 'msl', wanted",
    ),
    "a channel twice": (renamed("z500", "msl"), "twice: 'msl'"),
    "missing times": (
        lambda d: d.isel(time=[0, 3]),
        "3 of the task's 5 times are missing: 2024-02-28T00",
    ),
    "unsorted times": (lambda d: d.isel(time=[0, 2, 1, 3, 4]), "not ascending"),
    "a time twice": (twice, "twice: 2024-02-29T00"),
    "an extra time": (later, "1 times are not in the task: 2024-03-03T00"),
    "times off by 12 hours": (
        lambda d: d.assign_coords(time=d.time + np.timedelta64(12, "h")),
        "5 of the task's 5 times are missing",
    ),
    "NaN": (
        with_value(np.nan, 1, 2),
        "1 values are NaN or infinite at 2024-02-28T00, channel 'z500'",
    ),
    "infinity": (with_value(-np.inf, 4, 0), "1 values .* 2024-03-02T00, channel 't2m'"),
    "a fill value": (
        with_value(9.96921e36, 1, 2),
        r"1 values are fill values \(beyond 1e\+20\) at 2024-02-28T00, channel 'z500'",
    ),
    "a negative fill value": (with_value(-1e34, 1, 2), "1 values are fill values"),
    "a time never written": (
        lambda d: d.assign(analysis=d.analysis.where(d.time != d.time[2], 0)),
        "All values are 0 at 2024-02-29T00: they were never written",
    ),
    "float64": (lambda d: d.astype("f8"), "stored as '<f8', wanted float32"),
    "float16": (lambda d: d.astype("f2"), "stored as '<f2', wanted float32"),
    "integers": (lambda d: d.astype("i4"), "stored as '<i4', wanted float32"),
    "another revision": (
        with_attributes(dataset_revision="0123456789abcdef"),
        "made for revision '0123456789abcdef'.* run predict again",
    ),
    "another task": (
        with_attributes(task="unimodal"),
        "for the task 'unimodal', not for 'multimodal'",
    ),
    "another format": (with_attributes(dambench_format="2"), "dambench_format is '2'"),
    "no name": (with_attributes(model_name=" "), "model_name must have 1 to 80"),
    "a book for a list of authors": (
        with_attributes(authors="x" * 2001),
        "authors has 2001 characters, at most 2000",
    ),
    "a script for a link": (
        with_attributes(model_url="javascript:alert(1)"),
        "model_url is 'javascript:alert.1.'; wanted",
    ),
    "no attributes": (
        lambda d: d.drop_attrs(deep=False),
        "dambench_format, task, dataset_revision, model_name is missing",
    ),
    "transposed": (
        lambda d: d.transpose("time", "latitude", "longitude", "channel"),
        r"shape \(5, 9, 16, 5\), its coordinates have time 5, channel 5.* transpose",
    ),
    "dimensions of other names": (
        lambda d: d.assign(analysis=(("time", "channel", "y", "x"), d.analysis.data)),
        r"axes \(time, channel, another, another\), wanted .* the same dimension",
    ),
    "height for geopotential": (
        scaled("z500", 1 / 9.80665),
        "z500 has the mean.*geopotential height",
    ),
    "degrees Celsius": (scaled("t2m", 1, -273.15), "t2m .*degrees Celsius: add 273.15"),
    "hectopascals": (scaled("msl", 0.01), "msl .*hPa: multiply by 100"),
    "g/kg": (scaled("q700", 1000), "q700 .*g kg-1: divide by 1000"),
    "normalised values": (normalised, "look like normalised values"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(problems, change, words):
    found = problems(change)
    assert any(re.search(words, text) for text in found), found
    assert all(text.isprintable() and len(text) <= MAX_LENGTH for text in found)


def test_nothing_is_wrong_with_a_right_file(problems):
    assert problems(lambda d: d) == []
    assert problems(lambda d: d, task=None) == []


ORDERS = {
    "channel before member": ("time", "channel", "member", "latitude", "longitude"),
    "channel first": ("channel", "time", "latitude", "longitude"),
    "channel and time, members": ("channel", "member", "time", "latitude", "longitude"),
}


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize("dimensions", ORDERS.values(), ids=ORDERS)
def test_axes_of_like_sizes_are_told_by_their_dimensions(
    predicted, tiny_data, tmp_path, dimensions, engine
):
    """As many times and members as channels: the shape is right, whatever the order."""
    right = predicted.analysis
    if "member" in dimensions:
        right = (
            right.expand_dims(member=5, axis=1)
            * np.linspace(0.9, 1.1, 5, dtype="f4")[None, :, None, None, None]
        )
    for changed, wrong in ((right, False), (right.transpose(*dimensions), True)):
        predicted.assign(analysis=changed).to_netcdf(tmp_path / "x.nc", engine=engine)
        for opener in open_prediction, open_sandboxed:
            problems = validate(tmp_path / "x.nc", tiny_data, "multimodal", opener)
            assert len(problems) == wrong
            assert not wrong or "transpose" in problems[0]


def test_dimensions_of_any_name_are_known_by_their_coordinates(predicted, tiny_data, tmp_path):
    names = {"time": "t", "channel": "variable", "latitude": "lat", "longitude": "lon"}
    renamed = predicted.reset_index(list(names)).rename_dims(names)
    for changed, wrong in ((renamed, 0), (swapped := renamed.transpose("variable", "t", ...), 1)):
        changed.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
        assert len(validate(tmp_path / "x.nc", tiny_data, "multimodal")) == wrong
    assert swapped.analysis.shape == renamed.analysis.shape


def test_a_bad_analysis_is_no_wrong_file(problems):
    """A method may diverge; only values that a usual conversion explains are refused."""
    assert problems(scaled("z500", 2.0)) == []
    assert problems(scaled("t2m", 1.0, 500.0)) == []


def test_all_problems_come_at_once(problems):
    def change(d):
        d = with_value(np.nan, 0, 1)(flipped(d)).isel(time=[0, 2, 1, 3])
        return d.assign_attrs(dataset_revision="old", task="density-01")

    found = problems(change)
    assert len(found) == 6  # revision, task, missing, order, latitude, NaN


def test_the_list_is_short(problems):
    def change(d):
        return d.assign_coords(channel=[f"\x1b[31mq{'9' * 5000}{i}" for i in range(5)])

    found = problems(change)
    assert len(found) <= MAX_PROBLEMS
    assert all(text.isprintable() and len(text) <= MAX_LENGTH for text in found)


def test_many_bad_times_are_summed_up(problems):
    found = problems(lambda d: d.assign(analysis=d.analysis * np.float32(np.nan)))
    assert len(found) == 4
    assert found[-1] == "Values are missing at 2 more times."


@pytest.mark.parametrize("opener", [open_prediction, open_sandboxed])
def test_a_header_is_judged_without_its_values(predicted, tiny_data, tmp_path, opener):
    path = tmp_path / "x.nc"
    wrong = flipped(with_value(np.nan, 0, 1)(predicted.copy(deep=True)))
    wrong.to_netcdf(path, engine="h5netcdf")
    with opener(path) as prediction:
        problems = header_problems(prediction.header, tiny_data, load_task("multimodal"))
    assert len(problems) == 1 and "latitude is -90" in problems[0]


def test_a_file_that_is_none_is_one_problem(tiny_data, tmp_path):
    assert validate(tmp_path / "none.nc", tiny_data, "unimodal") == [
        f"There is no file {tmp_path / 'none.nc'}."
    ]
    (tmp_path / "x.nc").write_text("hello, this is no prediction")
    [problem] = validate(tmp_path / "x.nc", tiny_data, "unimodal")
    assert problem.startswith("the name says NetCDF-4, the content is something else")


def test_an_unknown_task_is_an_error(problems):
    with pytest.raises(TaskError, match="Did you mean 'multimodal'"):
        problems(lambda d: d, task="multimodl")
    with pytest.raises(TaskError, match="Did you mean 'unimodal'"):
        problems(with_attributes(task="unimodel"), task=None)


def test_a_stride_asks_for_fewer_times(tiny_data):
    times = load_task("unimodal").times(tiny_data.manifest)
    assert time_problems(times[::2], times[::2]) == []
    assert len(time_problems(times, times[::2])) == 1
