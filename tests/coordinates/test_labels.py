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
        array().isel(time=0),
    ],
)
def test_what_fits_has_no_problem(fine):
    assert label_problem(fine, WANTED) is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (array(latitude=[-90.0, 0.0, 90.0]), "latitude -90.0, 0.0, 90.0, wanted 90.0"),
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


def test_labels_are_known_by_axis():
    found = labels(array(("time", "lat"), lat=[1.0, 2.0, 3.0]))
    assert list(found) == ["latitude"] and found["latitude"].tolist() == [1.0, 2.0, 3.0]
    assert labels(np.zeros(3)) == {}
