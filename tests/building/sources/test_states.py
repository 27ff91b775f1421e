"""States are read by name, checked, and given for each time or not at all."""

import itertools
import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.building.sources.states import (
    MissingData,
    read_states,
    require_channels,
    require_times,
)
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import BuildError

TIMES = np.arange("2020-01-01", "2020-01-05", 12, dtype="M8[h]")
LEVELS = [50, 500, 850, 1000]
LAPSE = np.array([0.25, 0.4, 0.7, 1.0])
MEANS = {
    "z": 9.80665 * 7000 * np.log(1013 / np.array(LEVELS)),
    "q": 0.01 * LAPSE,
    "u": 10 * LAPSE,
    "v": -10 * LAPSE,
    "t": 210 + 75 * LAPSE,
    "u10": 3.0,
    "v10": -3.0,
    "t2m": 285.0,
    "msl": 101000.0,
}
DIMENSION_ORDERS = list(itertools.permutations(("time", "level", "latitude", "longitude")))
CHANNELS = ("u10", "t2m", "msl", "z50", "z500", "q850", "u500", "t50", "t1000")


def archive(**changes):
    """Values of their own at every time, level and point; `changes` maps names to functions."""
    rng = np.random.default_rng(1)
    variables = {}
    for name, mean in MEANS.items():
        dims = ("time", "level", "latitude", "longitude")
        dims = dims if np.ndim(mean) else (dims[0], *dims[2:])
        mean = np.reshape(mean, (-1, 1, 1)) if np.ndim(mean) else mean
        shape = (len(TIMES), 4, 5, 8) if len(dims) == 4 else (len(TIMES), 5, 8)
        values = mean * (1 + 1e-3 * rng.standard_normal(shape))
        variables[name] = (dims, changes.get(name, lambda values: values)(values).astype("f4"))
    coordinates = {
        "time": TIMES.astype("M8[ns]"),
        "level": LEVELS,
        "latitude": np.linspace(90, -90, 5),
        "longitude": 45.0 * np.arange(8),
    }
    return xr.Dataset(variables, coordinates)


def same(fields):
    return fields


def states(dataset, channels=CHANNELS, times=TIMES, regrid=same):
    return list(read_states(dataset, channels, times, regrid))


def spoil(at, value):
    """Changes the values at an index."""

    def change(values):
        values = values.copy()
        values[at] = value
        return values

    return change


def field(dataset, channel, time):
    name = channel.rstrip("0123456789") if channel not in MEANS else channel
    found = dataset[name].sel(time=time)
    return found if channel in MEANS else found.sel(level=int(channel.removeprefix(name)))


# Values


def test_states_are_the_values_by_name():
    dataset = archive()
    found = states(dataset)
    assert [time for time, _ in found] == list(TIMES)
    for time, state in found:
        assert state.dtype == np.float32 and state.shape == (len(CHANNELS), 5, 8)
        for channel, values in zip(CHANNELS, state, strict=True):
            np.testing.assert_array_equal(values, field(dataset, channel, time))


@given(st.permutations(CHANNELS))
def test_permuted_channels_give_the_permuted_state(channels):
    dataset, times = archive(), TIMES[:1]
    ((_, straight),) = states(dataset, CHANNELS, times)
    ((_, permuted),) = states(dataset, channels, times)
    np.testing.assert_array_equal(permuted, straight[[CHANNELS.index(c) for c in channels]])


@pytest.mark.parametrize("dims", DIMENSION_ORDERS)
def test_dimensions_in_any_order_give_the_same(dims):
    moved = archive().transpose(*dims)
    for (_, one), (_, two) in zip(states(archive()), states(moved), strict=True):
        np.testing.assert_array_equal(one, two)


def test_variables_and_levels_in_any_order_give_the_same():
    moved = archive()[list(MEANS)[::-1]].isel(level=[2, 0, 3, 1])
    for (_, one), (_, two) in zip(states(archive()), states(moved), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_chunks_change_nothing(chunk):
    dataset, times = archive(), TIMES[[0, 1, 3, 4, 5, 7]]
    for name in dataset.data_vars:
        dataset[name].encoding["preferred_chunks"] = {"time": chunk}
    found = states(dataset, times=times)
    assert [time for time, _ in found] == list(times)
    for time, state in found:
        np.testing.assert_array_equal(state[0], dataset.u10.sel(time=time))


def test_times_of_a_chunk_stay_in_their_order():
    """Four rows that span four rows need not be those rows in order."""
    dataset, times = archive(), TIMES[[0, 2, 1, 3]]
    for name in dataset.data_vars:
        dataset[name].encoding["preferred_chunks"] = {"time": 8}
    for time, state in states(dataset, times=times):
        np.testing.assert_array_equal(state[0], dataset.u10.sel(time=time))


def test_each_variable_is_regridded():
    for (_, fine), (_, coarse) in zip(
        states(archive()), states(archive(), regrid=lambda f: f[..., ::2, ::2]), strict=True
    ):
        np.testing.assert_array_equal(coarse, fine[:, ::2, ::2])


# What is missing


def test_absent_times_are_missing_in_their_place():
    times = np.sort(np.concatenate([TIMES[:3], TIMES[:3] + np.timedelta64(6, "h")]))
    found = states(archive(), times=times)
    assert [time for time, _ in found] == list(times)
    for n, (time, state) in enumerate(found):
        assert isinstance(state, MissingData) == bool(n % 2)
        assert isinstance(state, np.ndarray) or f"no time {time}" in str(state)


def test_nothing_but_absent_times():
    (found,) = states(archive(), times=np.array(["2021-01-01T00"], "M8[h]"))
    assert isinstance(found[1], MissingData)
    assert states(archive(), times=TIMES[:0]) == []


@pytest.mark.parametrize(
    ("name", "at", "message"),
    [
        ("u10", (2, 0, 0), f"u10 has 1 missing values at {TIMES[2]}"),
        ("t", (2, slice(None), 1, 1), f"t has 2 missing values on 50 hPa, 1000 hPa at {TIMES[2]}"),
        ("z", (2, 1), f"z has 40 missing values on 500 hPa at {TIMES[2]}"),
    ],
)
def test_nan_is_missing_data_at_that_time_only(name, at, message):
    found = states(archive(**{name: spoil(at, np.nan)}))
    assert str(found[2][1]) == message and isinstance(found[2][1], MissingData)
    assert all(isinstance(state, np.ndarray) for n, (_, state) in enumerate(found) if n != 2)


@pytest.mark.parametrize(
    ("name", "at", "fill", "levels"),
    [
        ("u", (2, 1, 2, 3), -32767.0, " on 500 hPa"),
        ("t", (2, 0), 9.96921e36, " on 50 hPa"),
        ("z", (2, 3, slice(0, 3), slice(0, 3)), -999.0, " on 1000 hPa"),
        ("u10", (2, slice(1, 4), slice(2, 5)), 0.0, ""),
    ],
)
def test_fill_values_that_nobody_declared_are_gaps_too(name, at, fill, levels):
    channels = (*CHANNELS, "z1000")
    found = states(archive(**{name: spoil(at, fill)}), channels)
    assert re.fullmatch(
        rf"{name} has \d+ values of exactly {re.escape(f'{np.float32(fill):.7g}')}, which stands "
        f"for missing ones{levels} at {TIMES[2]}",
        str(found[2][1]),
    )
    assert all(isinstance(state, np.ndarray) for n, (_, state) in enumerate(found) if n != 2)


def test_nan_on_a_level_that_is_not_wanted_does_not_matter():
    found = states(archive(z=spoil((2, 2), np.nan)))
    assert all(isinstance(state, np.ndarray) for _, state in found)


def test_all_missing_channels_are_listed():
    dataset = archive().drop_vars(["q", "msl"]).sel(level=[50, 850, 1000])
    with pytest.raises(BuildError) as caught:
        require_channels(dataset, CHANNELS, "here")
    message = str(caught.value)
    assert "no variable for msl, q850; no level for z500, u500." in message
    assert "It has z, u, v, t, u10, v10, t2m on 3 levels" in message
    with pytest.raises(BuildError, match="no level for z100"):
        require_channels(archive(), STANDARD_CHANNELS, "here")
    require_channels(archive(), CHANNELS, "here")


@pytest.mark.parametrize("wanted", [TIMES - 1, TIMES + 1])
def test_times_outside_are_refused_with_advice(wanted):
    with pytest.raises(BuildError, match="1 times outside, from .*Look there."):
        require_times(archive(), wanted, "here", "Look there.")


@pytest.mark.parametrize("wanted", [TIMES, TIMES[:-1] + 1])
def test_times_inside_are_not_refused(wanted):
    require_times(archive(), wanted, "here")
    for outside in TIMES[0] - 1, TIMES[-1] + 1:
        with pytest.raises(BuildError, match=f"1 times outside, from {outside} to {outside}"):
            require_times(archive(), np.append(wanted, outside), "here")


# What is wrong


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("t", lambda kelvin: kelvin - 273.15, "t runs from .*Wanted K, not degrees Celsius"),
        ("t2m", lambda kelvin: kelvin - 273.15, "t2m runs from .*Wanted K, not degrees Celsius"),
        ("q", lambda kilograms: 1000 * kilograms, "q runs from .*g kg-1 is 1000 times larger"),
        ("msl", lambda pascal: pascal / 100, "msl runs from .*Wanted Pa, not hPa"),
        ("z", lambda geopotential: geopotential / 9.80665, "at 50 hPa, a geopotential height"),
        ("u10", spoil((1, 2, 3), np.inf), "u10 runs from .* to inf"),
        ("u", spoil((1, 1, 2, 3), -500.0), "u runs from -500 to .* on 500 hPa, .*or is damaged"),
        ("t", spoil((1, 0, 2, 3), 300.0), "t runs from .* to 300 on 50 hPa, allowed is 150 to 290"),
    ],
)
def test_other_units_and_damaged_values_are_refused(name, change, message):
    with pytest.raises(BuildError, match=message) as caught:
        states(archive(**{name: change}))
    assert not isinstance(caught.value, MissingData)


@pytest.mark.parametrize("level", [50, 500, 850])
def test_heights_are_known_on_one_level(level):
    channels = (f"z{level}",)
    assert all(isinstance(state, np.ndarray) for _, state in states(archive(), channels))
    with pytest.raises(BuildError, match=f"at {level} hPa, a geopotential height"):
        states(archive(z=lambda geopotential: geopotential / 9.80665), channels)


def test_extremes_of_the_atmosphere_are_allowed():
    extremes = {
        "q": spoil((0, 2, 0, 0), -4e-6),  # ERA5 has them
        "z": spoil((0, 3, 0, 0), -8500.0),  # 1000 hPa below the ground
        "t2m": spoil((0, 0, 0), 184.0),  # Vostok, 1983
        "msl": spoil((0, 0, 0), 87000.0),  # Typhoon Tip, 1979
    }
    assert all(isinstance(state, np.ndarray) for _, state in states(archive(**extremes)))
