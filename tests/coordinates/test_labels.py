"""Labels are believed where they are there, and nothing else changes."""

import numpy as np
import pytest
import xarray as xr

from dambench_hub.coordinates.labels import label_problem, labels

WANTED = {"time": np.array(["2024-01-01"], "M8[h]"), "latitude": [90.0, 0.0, -90.0]}


def array(dims=("time", "latitude"), **coordinates):
    shape = tuple({"t": 1, "v": 1, "l": 3}[name[0]] for name in dims)
    return xr.DataArray(np.zeros(shape), coordinates, dims)


@pytest.mark.parametrize(
    "fine",
    [
        np.zeros((1, 3)),
        array(),
        array(latitude=[90, 0, -90]),
        array(latitude=np.array([90, 0, -90], "f4") + 1e-5),
        array(time=np.array(["2024-01-01"], "M8[ns]")),
        array(time=[0]),
        array(("time", "lat"), lat=[90.0, 0.0, -90.0]),
        array(("t", "lines"), lines=[90.0, 0.0, -90.0]),
        array(latitude=[0, 1, 2]),
        array().isel(time=0),
    ],
)
def test_what_fits_has_no_problem(fine):
    assert label_problem(fine, WANTED) is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (array(latitude=[-90.0, 0.0, 90.0]), "latitude -90.0, 0.0, 90.0, wanted 90.0"),
        (array(latitude=[-90.0, 0.0, 90.0]), "bring it into this order"),
        (array(latitude=[90.0, 0.0, -89.0]), "latitude"),
        (array(latitude=["n", "e", "s"]), "latitude n, e, s"),
        (array(("t", "lines"), lines=[0.0, 1.0, 2.0]), "the lines 0.0"),
        (array(time=np.array(["2024-01-02"], "M8[ns]")), "time 2024-01-02"),
        (array(("latitude", "time")), r"dimensions \(latitude, time\).*transpose"),
        (array(("lat", "valid_time")), "transpose"),
    ],
)
def test_what_does_not_fit_is_told(wrong, words):
    assert words.replace("\\", "").split(".*")[0] in label_problem(wrong, WANTED)


def test_longitudes_west_of_greenwich_are_the_same_places():
    eastward = {"longitude": np.arange(4) * 90.0}
    array = xr.DataArray(np.zeros(4), {"lon": [0.0, 90.0, -180.0, -90.0]}, ["lon"])
    assert label_problem(array, eastward) is None
    assert "order" in label_problem(array.roll(lon=1, roll_coords=True), eastward)


def test_other_names_of_channels_are_no_other_order():
    names = ["temperature_850", "geopotential_500"]
    array = xr.DataArray(np.zeros(2), {"variable": names}, ["variable"])
    problem = label_problem(array, {"channel": ["t850", "z500"]})
    assert problem.endswith("name and order them like this.")
    counted = xr.DataArray(np.zeros(2), {"channel": [0, 1]}, ["channel"])
    assert label_problem(counted, {"channel": ["t850", "z500"]}) is None


def test_labels_are_known_by_axis():
    found = labels(array(("time", "lat"), lat=[1.0, 2.0, 3.0]))
    assert list(found) == ["latitude"] and found["latitude"].tolist() == [1.0, 2.0, 3.0]
    assert labels(np.zeros(3)) == {}
