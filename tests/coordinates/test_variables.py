"""The channel table is consistent, and names go there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.coordinates.variables import (
    MODALITIES,
    STANDARD_CHANNELS,
    STANDARD_LEVELS,
    VARIABLES,
    parse_channel,
    parse_channels,
    wind_pairs,
)
from dambench_hub.errors import ChannelError, did_you_mean


def test_standard_order():
    assert len(STANDARD_CHANNELS) == len(set(STANDARD_CHANNELS)) == 69
    assert STANDARD_CHANNELS[:5] == ("u10", "v10", "t2m", "msl", "z50")
    assert STANDARD_CHANNELS[-1] == "t1000"
    upper = [parse_channel(name) for name in STANDARD_CHANNELS[4:]]
    assert [c.variable.name for c in upper] == [v for v in "zquvt" for _ in STANDARD_LEVELS]
    assert [c.level for c in upper] == list(STANDARD_LEVELS) * 5


@pytest.mark.parametrize("name", STANDARD_CHANNELS)
def test_names_go_there_and_back(name):
    assert parse_channel(name).name == name


def test_every_variable_has_cf_names():
    for variable in [*VARIABLES.values(), *MODALITIES.values()]:
        assert variable.long_name and variable.standard_name and variable.units
    assert parse_channel("z500").units == "m2 s-2"
    assert parse_channel("q700").long_name == "specific humidity at 700 hPa"


@given(st.text(max_size=6) | st.from_regex(r"[a-z]{1,3}\d{0,4}", fullmatch=True))
def test_any_text_is_a_channel_of_that_name_or_refused(text):
    try:
        assert parse_channel(text).name == text
    except ChannelError as error:
        assert repr(text) in str(error)


@pytest.mark.parametrize(
    "name", ["z", "t2m500", "z0500", "z500 ", "z500\n", "Z500", "msl500", "z5٠٠", "z-5", ""]
)
def test_wrong_names_are_refused(name):
    with pytest.raises(ChannelError):
        parse_channel(name)


def test_advice_names_the_nearest_channel():
    with pytest.raises(ChannelError, match="Did you mean 'z500'"):
        parse_channel("zz500")


def test_a_list_of_channels():
    assert [c.name for c in parse_channels(["t850", "z500"])] == ["t850", "z500"]
    with pytest.raises(ChannelError, match="z500 are listed twice"):
        parse_channels(["z500", "t850", "z500"])
    with pytest.raises(ChannelError, match="at least one"):
        parse_channels([])


def test_did_you_mean_falls_back_to_all_names():
    assert did_you_mean("xyz", ["beta", "alpha"]) == "Known are alpha, beta."


def test_components_of_a_wind_find_each_other():
    channels = ("u10", "v10", "z500", "u500", "t500", "v500", "u850")
    assert wind_pairs(channels).tolist() == [[0, 3], [1, 5]]
    assert wind_pairs(("z500", "u850")).shape == (2, 0)
