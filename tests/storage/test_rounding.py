"""Rounding is nearest-even, as numcodecs does it, and says what it changed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numcodecs import BitRound

from dambench_hub.errors import BuildError
from dambench_hub.storage.rounding import (
    SMALLEST_NORMAL,
    RoundingError,
    note_rounding,
    noted_rounding,
    require_keep_bits,
    round_mantissa,
    rounded_backgrounds,
)

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan]

keep_bits = st.integers(1, 23)
anything = arrays(np.uint32, 20).map(lambda bits: bits.view(np.float32))
"""Every float32 there is: NaNs with any payload, infinities, subnormal numbers."""
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def bits(values):
    return np.asarray(values, np.float32).view(np.uint32)


def nearest_even(value, keep):
    """The same by exact arithmetic of Python: `round` takes half-way cases to even."""
    # Of the last kept bit; subnormal numbers share that of the smallest normal one.
    exponent = math.frexp(max(abs(value), SMALLEST_NORMAL))[1] - 1 - keep
    whole = math.ldexp(round(math.ldexp(value, -exponent)), exponent)
    with np.errstate(over="ignore"):
        return np.float32(math.copysign(whole, value))


@given(value=finite, keep=keep_bits)
def test_nearest_and_half_to_even(value, keep):
    rounded = round_mantissa(np.array([value], np.float32), keep)
    assert bits(rounded)[0] == bits(nearest_even(value, keep))


@pytest.mark.parametrize(
    ("value", "keep", "wanted"),
    [
        (1.25, 1, 1.0),  # half-way, 1.0 is even
        (1.75, 1, 2.0),  # half-way, carries into the exponent
        (1.2500001, 1, 1.5),
        (-1.75, 1, -2.0),
        (2.0**-149, 22, 0.0),  # the smallest subnormal number, half-way
        (3 * 2.0**-149, 22, 4 * 2.0**-149),
        (SMALLEST_NORMAL - 2.0**-149, 10, SMALLEST_NORMAL),
        (np.finfo("f4").max, 10, np.inf),
    ],
)
def test_known_cases(value, keep, wanted):
    assert bits(round_mantissa(np.array([value], np.float32), keep))[0] == bits(wanted)


@given(values=anything, keep=keep_bits)
def test_special_values_stay(values, keep):
    values = np.concatenate([values, np.array(SPECIAL, np.float32)])
    before, rounded = values.copy(), round_mantissa(values, keep)
    special = ~np.isfinite(values) | (values == 0)
    np.testing.assert_array_equal(bits(rounded)[special], bits(values)[special])
    np.testing.assert_array_equal(np.signbit(rounded), np.signbit(values))
    np.testing.assert_array_equal(bits(values), bits(before))  # the input is left alone


@given(values=anything, keep=keep_bits)
def test_as_numcodecs(values, keep):
    numbers = values[~np.isnan(values)]  # whose payload BitRound spoils
    codec = BitRound(keep)
    theirs = np.frombuffer(codec.decode(codec.encode(numbers)), np.uint32)
    np.testing.assert_array_equal(bits(round_mantissa(numbers, keep)), theirs)


@given(values=anything, keep=keep_bits)
def test_only_the_kept_bits_are_set(values, keep):
    rounded = round_mantissa(values, keep)
    numbers = ~np.isnan(values)
    assert not np.any(bits(rounded)[numbers] & np.uint32((1 << (23 - keep)) - 1))


@given(values=arrays(np.float32, 20, elements=finite), keep=keep_bits)
def test_relative_error_is_bounded(values, keep):
    rounded = round_mantissa(values, keep).astype(np.float64)
    exact = values.astype(np.float64)
    normal = (np.abs(values) >= SMALLEST_NORMAL) & np.isfinite(rounded)
    assert np.all(np.abs(rounded - exact)[normal] <= 2.0 ** -(keep + 1) * np.abs(exact)[normal])


@given(values=anything, keep=keep_bits)
def test_idempotent(values, keep):
    once = round_mantissa(values, keep)
    np.testing.assert_array_equal(bits(round_mantissa(once, keep)), bits(once))


@given(values=arrays(np.float32, 20, elements=finite), keep=keep_bits)
def test_monotone(values, keep):
    rounded = round_mantissa(np.sort(values), keep)
    assert np.all(rounded[1:] >= rounded[:-1])


@given(values=anything)
def test_23_bits_change_nothing(values):
    rounded = round_mantissa(values, 23)
    np.testing.assert_array_equal(bits(rounded), bits(values))
    assert not np.shares_memory(rounded, values)


def test_strided_values(rng):
    values = rng.standard_normal((6, 5, 4)).astype("f4")
    strided = values[::2, :, ::-1]
    np.testing.assert_array_equal(
        round_mantissa(strided, 5), round_mantissa(values, 5)[::2, :, ::-1]
    )


@pytest.mark.parametrize("wrong", [0, 24, -1, 10.0, "10", None])
def test_other_numbers_of_bits_are_refused(wrong):
    with pytest.raises(BuildError, match="whole number from 1 to 23"):
        require_keep_bits(wrong)


def test_1_to_23_are_allowed():
    def allowed(keep):
        try:
            require_keep_bits(keep)
        except BuildError:
            return False
        return True

    assert list(filter(allowed, range(-32, 65))) == list(range(1, 24))


# What rounding changed


@pytest.fixture
def states(rng):
    """Three states of two channels with different scales; zeros and subnormal numbers included."""
    values = rng.normal(size=(3, 2, 4, 5)) * [[[1.0]], [[300.0]]] + [[[0.0]], [[5e4]]]
    values[0, 0, 0, :2] = 0, 1e-40
    return values.astype("f4")


def test_errors_of_parts_add_to_that_of_the_whole(states):
    rounded = round_mantissa(states, 6)
    first, *others = [RoundingError.of(*pair) for pair in zip(states, rounded, strict=True)]
    error = sum(others, first)
    difference = rounded.astype("f8") - states
    relative = np.abs(difference) / np.where(
        np.abs(states) < SMALLEST_NORMAL, np.inf, np.abs(states)
    )
    std = np.array([0.5, 40.0])
    summary = error.summary(6, std)
    assert summary.keep_bits == 6
    np.testing.assert_allclose(summary.max_relative_error, relative.max(), rtol=1e-6)
    rms = np.sqrt((difference**2).mean(axis=(0, 2, 3))) / std
    np.testing.assert_allclose(summary.rms_in_background_error_std, rms, rtol=1e-12)


@settings(max_examples=50)
@given(
    values=arrays(np.float32, (2, 3, 4), elements=st.floats(-1e6, 1e6, width=32)), keep=keep_bits
)
def test_the_largest_error_is_within_the_bound(values, keep):
    error = RoundingError.of(values, round_mantissa(values, keep))
    assert error.largest <= 2.0 ** -(keep + 1)


def test_notes_add_with_every_digit(states, tmp_path):
    errors = [RoundingError.of(state, round_mantissa(state, 4)) for state in states]
    parts = {"multimodal/a.h5": states[:2], "multimodal/b.h5": states[2:]}
    for shard, part in parts.items():
        examples = ({"background": state} for state in part)
        list(rounded_backgrounds(examples, 4, tmp_path, shard))
    std = np.array([0.3, 70.0])
    wanted = (errors[0] + errors[1] + errors[2]).summary(4, std)
    assert noted_rounding(tmp_path, parts, 4, std) == wanted
    assert noted_rounding(tmp_path, parts, None, std) is None


def test_what_is_known_before_is_not_summed(states, tmp_path):
    known = RoundingError.of(states[1], round_mantissa(states[1], 4)).summary(4, np.ones(2))
    note_rounding(tmp_path, known)
    assert noted_rounding(tmp_path, ["multimodal/never.h5"], 4, np.ones(2)) == known


def test_only_backgrounds_are_rounded(states, tmp_path):
    examples = [{"background": state, "reference": state} for state in states]
    rounded = list(rounded_backgrounds(examples, 3, tmp_path, "x"))
    assert len(rounded) == len(states)
    for example, state in zip(rounded, states, strict=True):
        np.testing.assert_array_equal(example["background"], round_mantissa(state, 3))
        np.testing.assert_array_equal(example["reference"], state)


def test_a_background_that_overflows_is_refused(states, tmp_path):
    states[1, 0, 0, 0] = np.finfo("f4").max
    examples = ({"time": "2001-01-01T00", "background": state} for state in states)
    with pytest.raises(BuildError, match="2001-01-01T00 .* 10 mantissa bits cannot hold"):
        list(rounded_backgrounds(examples, 10, tmp_path, "x"))
    assert not list(tmp_path.rglob("*.json"))
