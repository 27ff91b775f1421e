"""The header of a prediction file: it travels without loss, and nothing else passes for one."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.errors import PredictionError
from dambench_hub.predictions.header import ATTRIBUTES, MAX_JSON, Header, list_of

numbers = st.lists(st.floats(width=64), max_size=9)
headers = st.builds(
    Header,
    shape=st.lists(st.integers(1, 99), max_size=5).map(tuple),
    dtype=st.sampled_from(["<f4", "|V4", "F64"]),
    time=st.lists(st.integers(-(1 << 53), 1 << 53), max_size=9).map(
        lambda values: np.array(values, "datetime64[ms]")
    ),
    channels=st.lists(st.text(max_size=9), max_size=9).map(tuple),
    latitude=numbers.map(np.array),
    longitude=numbers.map(np.array),
    attributes=st.dictionaries(st.sampled_from(ATTRIBUTES), st.text(max_size=99)),
    axes=st.lists(st.text(max_size=9), max_size=5).map(tuple),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
GOOD = {
    "shape": [1, 1, 2, 1],
    "dtype": "<f4",
    "time": [0],
    "channels": ["t2m"],
    "latitude": [90, -90.0],
    "longitude": [0],
    "attributes": {"task": "unimodal"},
    "axes": ["time", "", "", "latitude"],
}


@given(headers)
def test_a_header_travels_without_loss(header):
    text = json.dumps(header.to_dict())
    again = Header.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    assert (again.shape, again.axes) == (header.shape, header.axes)
    assert np.array_equal(again.time, header.time)
    assert np.array_equal(again.latitude, header.latitude, equal_nan=True)


@given(anything)
def test_nothing_else_passes_for_a_header(content):
    with pytest.raises(ValueError):
        Header.from_dict(content)


@given(st.sampled_from(sorted(GOOD)), anything)
def test_every_part_is_looked_at(name, part):
    try:
        header = Header.from_dict(GOOD | {name: part})
    except (ValueError, PredictionError):
        return
    assert json.dumps(header.to_dict()[name]) == json.dumps(part) or name in (
        "latitude",
        "longitude",
    )


def test_a_header_is_bounded():
    Header.from_dict(GOOD).require_bounded()
    for part in (
        {"shape": [1, 1, 1 << 20, 1 << 20]},
        {"attributes": {"authors": "x" * MAX_JSON}},
        {"longitude": [0.5] * MAX_JSON},
    ):
        with pytest.raises(PredictionError, match="at most"):
            Header.from_dict(GOOD | part)


@pytest.mark.parametrize("values", [[1.0], [True], (1,), "1", {1: 1}, None, [1, "1"]])
def test_a_list_is_of_one_type(values):
    assert list_of([1, 2], int) == [1, 2]
    with pytest.raises(ValueError, match="wanted a list of int"):
        list_of(values, int)
