"""The xarray view: lazy, equal to the examples under any indexing, and CF."""

import pickle
import shutil

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dambench_hub.coordinates.variables import EQUIVALENTS, MODALITIES, parse_channel
from dambench_hub.data.dataset import Data, load_data
from dambench_hub.errors import DataError, TaskError
from dambench_hub.testing import write_tiny_dataset


@pytest.fixture(scope="module")
def dataset(tiny_data):
    return tiny_data.to_xarray("train")


@pytest.fixture(scope="module")
def loaded(tiny_data):
    """All columns in memory, read example by example."""
    examples = [tiny_data.example("train", i) for i in range(tiny_data.size("train"))]
    return {name: np.stack([e[name] for e in examples]) for name in tiny_data.shapes}


def test_it_holds_the_examples(dataset, loaded):
    assert set(dataset.data_vars) == set(loaded) - {"time"}
    for name, values in loaded.items():
        np.testing.assert_array_equal(dataset[name].values, values)
        if name != "time":
            assert dataset[name].dtype == values.dtype


def test_members_are_there_when_asked_for(tmp_path):
    options = {"ensemble_size": 3, "ensemble_splits": ("test",), "channels": ("t2m", "z500")}
    write_tiny_dataset(tmp_path, **options)
    data = load_data(tmp_path)
    assert "background_members" not in data.to_xarray("test")
    assert "background_members" not in data.to_xarray("train", ensemble=True)
    view = data.to_xarray("test", ensemble=True)
    members, olr = view.background_members, view.background_members_olr
    assert members.dims == ("time", "member", "channel", "latitude", "longitude")
    assert olr.dims == ("time", "member", "latitude", "longitude")
    assert olr.units == "W m-2" and members.lead_hours == 24
    wanted = data.members("test", 2)
    some = members.isel(time=2, member=[0, 2], channel=1)
    np.testing.assert_array_equal(some, wanted["background_members"][[0, 2], 1])
    np.testing.assert_array_equal(olr[2], wanted["background_members_olr"])
    np.testing.assert_array_equal(view.background[2], data.background("test", 2))
    assert view.attrs["dataset_revision"] == data.revision


def test_opening_reads_nothing(tiny_data, monkeypatch):
    def never(*args):
        raise AssertionError("an example was read")

    monkeypatch.setattr(Data, "example", never)
    view = tiny_data.to_xarray("train")
    assert view.reference.isel(time=3, channel=[0, 2]).sizes["channel"] == 2
    assert "reference" in repr(view)


def test_only_what_is_used_is_read(tiny_data, monkeypatch):
    read = []
    example = Data.example
    monkeypatch.setattr(
        Data,
        "example",
        lambda self, split, index, columns: (
            read.append((index, *columns)) or example(self, split, index, columns)
        ),
    )
    tiny_data.to_xarray("train").olr.isel(time=[5, 2]).values  # noqa: B018
    assert sorted(read) == [(2, "olr"), (5, "olr")]


def index_of(size):
    """One way to index an axis: an integer, a slice, a list, or booleans."""
    ends = st.none() | st.integers(-size, size - 1)
    return st.one_of(
        st.integers(-size, size - 1),
        st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, 3])),
        # Without ends: with them xarray itself goes wrong, for NetCDF files too.
        st.sampled_from([slice(None, None, -1), slice(None, None, -2)]),
        st.lists(st.integers(-size, size - 1), max_size=4).map(lambda x: np.array(x, int)),
        st.lists(st.booleans(), min_size=size, max_size=size).map(np.array),
    )


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(draw=st.data())
def test_any_indexing_gives_what_numpy_gives(draw, tiny_data):
    dataset = tiny_data.to_xarray("train")
    loaded = dataset.compute()
    name = draw.draw(st.sampled_from(["reference", "olr", "observations", "observation_index"]))
    variable = dataset[name]
    axes = draw.draw(st.sets(st.sampled_from(variable.dims), min_size=1))
    key = {dim: draw.draw(index_of(variable.sizes[dim])) for dim in axes}
    wanted = loaded[name].isel(key)
    found = variable.isel(key)
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found.values, wanted.values)
    again = draw.draw(st.sampled_from(wanted.dims)) if wanted.dims else None
    if again:  # indexing what was indexed already
        key = {again: slice(None, None, -1)}
        np.testing.assert_array_equal(found.isel(key).values, wanted.isel(key).values)


def test_labels(dataset, loaded):
    found = dataset.reference.sel(channel="z500", latitude=45, longitude=90)
    np.testing.assert_array_equal(found.values, loaded["reference"][:, 2, 2, 4])
    day = dataset.background.sel(time=np.datetime64("2001-03-03"), channel=["t850", "t2m"])
    np.testing.assert_array_equal(day.values, loaded["background"][2][[4, 0]])
    pointwise = dataset.reference.isel(
        time=xr.DataArray([1, 4], dims="p"), latitude=xr.DataArray([0, 3], dims="p")
    )
    np.testing.assert_array_equal(
        pointwise.transpose("p", ...).values, loaded["reference"][[1, 4], :, [0, 3]]
    )


def test_arithmetic_selects_by_name(dataset, tiny_data):
    error = (dataset.background - dataset.reference).astype("f8")
    std = error.std(["time", "latitude", "longitude"])
    np.testing.assert_allclose(std, tiny_data.statistics.background_error_std, rtol=1e-5)


def test_names_units_and_coordinates(dataset, tiny_data):
    assert dataset.attrs["Conventions"].startswith("CF-")
    assert dataset.attrs["dataset_revision"] == tiny_data.revision
    assert dataset.attrs["licence"] == "cc0-1.0" and dataset.attrs["attribution"]
    for name, units in (("latitude", "degrees_north"), ("longitude", "degrees_east")):
        np.testing.assert_array_equal(dataset[name], getattr(tiny_data.grid, name))
        assert dataset[name].attrs["units"] == units
        assert dataset[name].attrs["standard_name"] == name
    np.testing.assert_array_equal(dataset.time, tiny_data.times("train").astype("M8[ns]"))
    assert list(dataset.channel.values) == list(tiny_data.channels)
    assert list(dataset.channel_units.values) == [
        parse_channel(name).units for name in tiny_data.channels
    ]
    for name, variable in {**MODALITIES, **EQUIVALENTS}.items():
        assert dataset[name].attrs["units"] == variable.units
    for name in ("background", "reference", "observations", "observation_index"):
        assert dataset[name].attrs["long_name"]
    assert dataset.background.attrs["lead_hours"] == 24


def test_to_netcdf_and_back(dataset, loaded, tmp_path):
    path = tmp_path / "train.nc"
    dataset.isel(time=slice(2, 5)).to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, engine="h5netcdf") as read:
        xr.testing.assert_identical(read.load(), dataset.isel(time=slice(2, 5)).load())
        np.testing.assert_array_equal(read.olr.values, loaded["olr"][2:5])


def test_it_can_be_sent_to_another_process(dataset, loaded):
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.reference[3].values, loaded["reference"][3])


def test_errors_name_split_and_shard(tiny_data, tiny_folder, tmp_path):
    with pytest.raises(TaskError, match="Did you mean 'test'"):
        tiny_data.to_xarray("tset")
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    data = load_data(folder)
    path = folder / data.manifest.splits["train"][6].path
    path.write_bytes(b"x" * path.stat().st_size)
    view = data.to_xarray("train")
    np.testing.assert_array_equal(view.time, tiny_data.to_xarray("train").time)
    with pytest.raises(DataError, match=path.name):
        view.reference.isel(time=6).load()
