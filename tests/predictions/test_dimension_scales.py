"""Axes are known by their scales, and by nothing that a file does not say."""

import h5py
import numpy as np
import pytest

from dambench_hub.predictions.dimension_scales import OTHER, axis_names


@pytest.fixture
def root(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name, size in (("time", 2), ("channel", 3), ("member", 3)):
            file[name] = np.arange(size)
        file["analysis"] = np.zeros((2, 3, 3))
        yield file


def names(root):
    return axis_names(root["analysis"], {name: root[name] for name in ("time", "channel")})


def attach(root, axis, name):
    root[name].make_scale()
    root["analysis"].dims[axis].attach_scale(root[name])


def test_without_scales_nothing_is_known(root):
    assert names(root) == ("", "", "")


def test_scales_name_axes(root):
    for axis, name in enumerate(("time", "channel", "member")):
        attach(root, axis, name)
    assert names(root) == ("time", "channel", OTHER)


def test_a_scale_may_be_that_of_a_coordinate_that_is_not_attached(root):
    attach(root, 0, "time")
    attach(root, 1, "member")
    assert names(root) == ("time", "", "")


def test_a_coordinate_may_lie_along_a_scale(root):
    attach(root, 0, "time")
    attach(root, 2, "member")
    root["channel"].dims[0].attach_scale(root["member"])
    assert names(root) == ("time", "", "channel")


def test_a_scale_that_is_gone_says_nothing(root):
    attach(root, 1, "channel")
    del root["channel"]
    root["channel"] = np.arange(3)
    assert names(root) == ("", "", "")


@pytest.mark.parametrize(
    "value",
    [5, "time", np.zeros(3), h5py.Empty("f4"), np.array(["a", "b", "c"], h5py.string_dtype())],
)
def test_an_attribute_of_another_kind_says_nothing(root, value):
    root["analysis"].attrs["DIMENSION_LIST"] = value
    assert names(root) == ("", "", "")


def test_a_list_of_another_length_says_nothing(root):
    attach(root, 0, "time")
    kind = h5py.vlen_dtype(h5py.ref_dtype)
    two = root["analysis"].attrs["DIMENSION_LIST"][:2]
    root["analysis"].attrs.create("DIMENSION_LIST", two, (2,), kind)
    assert names(root) == ("", "", "")
