"""The header of a prediction file: it travels without loss, and nothing else passes for one."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.errors import PredictionError
from dambench_hub.predictions.header import (
    ATTRIBUTES,
    MAX_JSON,
    MAX_TIME_BYTES,
    Header,
    StoredField,
    list_of,
)

numbers = st.lists(st.floats(width=64), max_size=9)
layout = {
    "shape": st.lists(st.integers(1, 99), max_size=5).map(tuple),
    "dtype": st.sampled_from(["<f4", "|V4", "F64"]),
    "axes": st.lists(st.text(max_size=9), max_size=5).map(tuple),
}
headers = st.builds(
    Header,
    **layout,
    time=st.lists(st.integers(-(1 << 53), 1 << 53), max_size=9).map(
        lambda values: np.array(values, "datetime64[ms]")
    ),
    channels=st.lists(st.text(max_size=9), max_size=9).map(tuple),
    latitude=numbers.map(np.array),
    longitude=numbers.map(np.array),
    attributes=st.dictionaries(st.sampled_from(ATTRIBUTES), st.text(max_size=99)),
    std=st.none() | st.builds(StoredField, **layout),
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
    "std": None,
}
STD = {"shape": [1, 1, 2, 1], "dtype": "<f4", "axes": []}


@given(headers)
def test_a_header_travels_without_loss(header):
    text = json.dumps(header.to_dict())
    again = Header.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    assert (again.shape, again.axes, again.std) == (header.shape, header.axes, header.std)
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


def test_the_size_of_std_counts():
    half = [1, 1, 1, MAX_TIME_BYTES // 8]
    for shape, few in (half, True), ([1, 1, 1, half[-1] + 1], False):
        content = GOOD | {"shape": half, "std": STD | {"shape": shape}}
        if few:
            Header.from_dict(content)
        else:
            with pytest.raises(PredictionError, match="analysis and std have .* bytes"):
                Header.from_dict(content)


@pytest.mark.parametrize(
    "std",
    [
        *({}, [], "std", 5, STD | {"shape": [1, 0, 2, 1]}, STD | {"shape": [1, -1, 2, 1]}),
        *(STD | {"shape": [1.0]}, STD | {"dtype": 4}, STD | {"axes": [None]}),
    ],
)
def test_nothing_else_passes_for_std(std):
    Header.from_dict(GOOD | {"std": STD})
    with pytest.raises(ValueError, match="no header|list of"):
        Header.from_dict(GOOD | {"std": std})


@pytest.mark.parametrize(
    ("changes", "std", "has"),
    [
        ({}, None, True),
        ({}, STD, True),
        ({"dtype": "<f8"}, STD, False),
        ({}, STD | {"dtype": "<f8"}, False),
        ({"dtype": "<f8"}, STD | {"dtype": "<f8"}, False),
        ({}, STD | {"shape": [1, 2, 1, 1]}, False),
        ({"shape": [1, 3, 1, 2, 1]}, STD, False),
    ],
)
def test_values_can_be_read_with_one_std_for_each(changes, std, has):
    assert Header.from_dict(GOOD | changes | {"std": std}).has_values == has


@pytest.mark.parametrize("values", [[1.0], [True], (1,), "1", {1: 1}, None, [1, "1"]])
def test_a_list_is_of_one_type(values):
    assert list_of([1, 2], int) == [1, 2]
    with pytest.raises(ValueError, match="wanted a list of int"):
        list_of(values, int)
