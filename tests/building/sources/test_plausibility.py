"""Weather passes, however extreme; what stands for missing values does not pass for weather."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.building.sources.plausibility import (
    LEVELS,
    LIMITS,
    SENTINELS,
    limits,
    why_missing,
)
from dambench_hub.coordinates.variables import STANDARD_LEVELS, VARIABLES
from dambench_hub.errors import BuildError

SHAPE = (31, 60)
STANDARD_HEIGHTS = {
    1: 47820, 10: 31055, 50: 20576, 100: 16180, 200: 11784, 300: 9164, 500: 5574,
    700: 3012, 850: 1457, 925: 762, 1000: 111,
}  # fmt: skip
"""Geopotential metres of the U.S. Standard Atmosphere (1976), by pressure in hPa."""

SPREAD = {"z": 600.0, "q": 1e-6, "u": 12.0, "v": 12.0, "t": 6.0}
SPREAD |= {"u10": 5.0, "v10": 5.0, "t2m": 10.0, "msl": 900.0}


def typical(name, level):
    if name == "z":
        return 9.80665 * np.interp(np.log(level), np.log(LEVELS), list(STANDARD_HEIGHTS.values()))
    if name == "t":
        return np.interp(np.log(level), np.log((1, 50, 200, 1000)), (265, 215, 215, 285))
    return {"q": 2e-6, "t2m": 285.0, "msl": 101300.0}.get(name, 0.0)


def weather(name, level=None, seed=0, shape=SHAPE):
    """A smooth field of a few waves with a little noise, (Y, X), float32."""
    rng = np.random.default_rng([seed, *name.encode(), level or 0])
    y, x = np.meshgrid(np.linspace(0, np.pi, shape[0]), np.linspace(0, 2 * np.pi, shape[1]))
    waves = sum(
        rng.normal() * np.cos(k * x.T + rng.uniform(0, 6)) * np.sin((k + 1) * y.T)
        for k in range(1, 5)
    )
    field = waves / 2 + 0.05 * rng.standard_normal(shape)
    return (typical(name, level) + SPREAD[name] * field).astype("f4")


def fate(name, level, field):
    return why_missing(name, [level] if level else [], field[None])


EVERY = [
    (name, level)
    for name, variable in VARIABLES.items()
    for level in (STANDARD_LEVELS if variable.on_levels else (None,))
]


@given(st.sampled_from(EVERY), st.integers(0, 10_000))
def test_weather_is_there(channel, seed):
    name, level = channel
    assert fate(name, level, weather(name, level, seed)) is None


@given(st.sampled_from(["u", "v", "u10", "v10"]), st.integers(0, 10_000))
def test_packed_winds_with_many_exact_zeros_are_weather(name, seed):
    """In 16 bits the values are multiples of a step, and 0 is one of them."""
    level = 850 if VARIABLES[name].on_levels else None
    field = weather(name, level, seed)
    step = np.float32(np.ptp(field) / 65535)
    assert fate(name, level, np.round(field / step) * step) is None


EXTREMES = [
    ("z", 1000, -8500.0),  # in a deep cyclone, or below the ground
    ("z", 1000, 6000.0),  # Siberia, with 1085 hPa
    ("z", 500, 9.80665 * 4600),
    ("z", 500, 9.80665 * 6020),
    ("z", 50, 9.80665 * 17900),
    ("z", 50, 9.80665 * 21000),
    ("z", 850, 9.80665 * 500),
    ("t", 1000, 325.0),
    ("t", 1000, 205.0),
    ("t", 850, 312.0),
    ("t", 500, 215.0),
    ("t", 100, 180.0),
    ("t", 50, 265.0),  # a sudden warming
    ("t", 10, 300.0),
    ("q", 1000, 0.032),
    ("q", 500, 0.009),
    ("q", 100, -4e-6),  # ERA5 has them
    ("q", 100, 5e-5),
    ("u", 200, 135.0),
    ("v", 300, -115.0),
    ("u", 10, 160.0),
    ("u", 850, 75.0),
    ("u10", None, 55.0),
    ("t2m", None, 184.0),  # Vostok, 1983
    ("t2m", None, 330.0),
    ("msl", None, 87000.0),  # Typhoon Tip, 1979
    ("msl", None, 108500.0),
]


@pytest.mark.parametrize(("name", "level", "value"), EXTREMES)
def test_extremes_of_the_atmosphere_are_weather(name, level, value):
    field = weather(name, level)
    field[10:12, 20] = value
    assert fate(name, level, field) is None


@pytest.mark.parametrize("level", LEVELS)
def test_the_standard_atmosphere_lies_well_inside_the_limits(level):
    low, high = limits("z", level)
    height = 9.80665 * STANDARD_HEIGHTS[level]
    assert low < 0.9 * height - 9.80665 * 1000 and high > 1.05 * height + 9.80665 * 500
    low, high = limits("t", level)
    assert low + 30 < typical("t", level) < high - 30


def test_every_variable_has_limits_on_every_level():
    assert set(LIMITS) == set(VARIABLES)
    for name, level in EVERY:
        low, high = limits(name, level)
        assert low < high


# What stands for missing values

BLOCK, SPECKS = np.s_[4:8, 6:10], (np.array([5, 9, 20]), np.array([0, 7, 59]))
INSIDE = [
    ("z", 1000, -999.0),
    ("z", 1000, 0.0),
    ("z", 1000, 999.0),
    ("z", 925, -999.0),
    ("z", 850, 9999.0),
    ("z", 700, 32767.0),
    ("u", 200, -99.99),
    ("v", 500, 99.9),
    ("v", 850, -99.0),
    ("u10", None, -99.99),
    ("v10", None, 99.0),
    ("u", 300, 0.0),
    ("v10", None, 0.0),
    ("msl", None, 99999.0),
]


@pytest.mark.parametrize(("name", "level", "fill"), INSIDE)
def test_a_block_of_a_fill_value_inside_the_limits_is_missing(name, level, fill):
    low, high = limits(name, level)
    assert low < fill < high
    field = weather(name, level)
    field[BLOCK] = fill
    at = f" on {level} hPa" if level else ""
    assert fate(name, level, field) == (
        f"{name} has 16 values of exactly {np.float32(fill):.7g}, which stands for missing ones{at}"
    )


@pytest.mark.parametrize(
    ("name", "level", "fill"), [c for c in INSIDE if abs(c[2]) in (99, 99.9, 99.99, 9999, 32767)]
)
def test_specks_of_a_fill_value_far_from_their_neighbours_are_missing(name, level, fill):
    field = weather(name, level)
    field[SPECKS] = fill
    assert "has 3 values of exactly" in fate(name, level, field)


def test_a_zero_amid_a_jet_is_missing_and_one_in_calm_air_is_not():
    field = weather("u", 200)
    field[10, 20] = 0
    assert fate("u", 200, field) is None
    field[8:13, 15:25] = 70
    field[10, 20] = 0
    assert "has 1 values of exactly 0" in fate("u", 200, field)


def test_winds_that_vanish_at_the_poles_are_weather():
    field = weather("u", 500)
    field[[0, -1]] = 0
    assert fate("u", 500, field) is None


def test_a_field_that_was_never_written_is_missing():
    for name, level in EVERY:
        if name != "q":
            assert "of exactly 0" in fate(name, level, np.zeros(SHAPE, "f4"))


def test_dry_air_is_weather():
    assert fate("q", 50, np.zeros(SHAPE, "f4")) is None


@pytest.mark.parametrize("fill", [*SENTINELS[1:].tolist(), 9.96921e36, 1e20, -1e30])
def test_fill_values_outside_the_limits_are_missing(fill):
    field = weather("t2m")
    field[5, 7] = fill
    assert "has 1 values of exactly" in fate("t2m", None, field)


@pytest.mark.parametrize("value", [np.inf, -np.inf, -998.0, 500.0])
def test_what_is_impossible_and_no_fill_value_is_refused(value):
    field = weather("t2m")
    field[5, 7] = value
    field[9, 9] = -999.0
    with pytest.raises(BuildError, match="t2m runs from"):
        fate("t2m", None, field)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_in_memory_changes_nothing(order):
    field = np.array([weather("v", level) for level in STANDARD_LEVELS], order=order)
    assert why_missing("v", STANDARD_LEVELS, field) is None
    field[3, 4:8, 6:10] = -99.99
    assert why_missing("v", STANDARD_LEVELS, field).endswith(" on 200 hPa")
