"""What an analysis may know of daily products, and which examples reach into other splits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.building.era5.alignment import (
    MODES,
    PRODUCTS,
    earliest_input,
    latest_input,
    product_day,
    usable_times,
)
from dambench_hub.coordinates.times import from_hours
from dambench_hub.errors import BuildError, DataError

TIMES = st.integers(0, 1_000_000).map(lambda hours: from_hours(hours)[()])
STRICT = sorted(name for name, product in PRODUCTS.items() if product.available_hour is not None)
PAIRS = [(p, m) for p in PRODUCTS for m in MODES if m != "strict" or p in STRICT]


def hours_after(day, hours):
    return day.astype("datetime64[h]") + hours


@pytest.mark.parametrize("product", STRICT)
@given(time=TIMES)
def test_strict_uses_the_latest_product_that_is_there(product, time):
    day, available = product_day(product, "strict", time), PRODUCTS[product].available_hour
    assert hours_after(day, available) <= time
    assert hours_after(day + 1, available) > time


@pytest.mark.parametrize("product", STRICT)
@given(time=TIMES)
def test_strict_inputs_never_lie_in_the_future(product, time):
    assert latest_input(time, [product], "strict") == time


@pytest.mark.parametrize("product", PRODUCTS)
@given(time=TIMES)
def test_nominal_uses_the_day_before_and_same_day_the_day(product, time):
    assert product_day(product, "nominal", time) == time.astype("datetime64[D]") - 1
    assert product_day(product, "same_day", time) == time.astype("datetime64[D]")


@pytest.mark.parametrize(("product", "mode"), PAIRS)
@given(times=st.lists(TIMES, min_size=1, max_size=5))
def test_days_and_inputs_follow_the_time(product, mode, times):
    """Monotone, at most one day a day, the same for arrays as for scalars."""
    times = np.sort(np.array(times, "datetime64[h]"))
    days = product_day(product, mode, times)
    assert days.dtype == "datetime64[D]"
    assert np.all(np.diff(days) >= np.timedelta64(0))
    assert product_day(product, mode, times[0] + 24) == days[0] + 1
    for function in (
        lambda t: product_day(product, mode, t),
        lambda t: earliest_input(t, 24, [product], mode, 6),
        lambda t: latest_input(t, [product], mode),
    ):
        assert function(times).tolist() == [function(t).tolist() for t in times]
        assert np.all(np.diff(function(times)) >= np.timedelta64(0))


@pytest.mark.parametrize(
    ("product", "mode", "time", "day"),
    [
        ("cpc_precipitation", "strict", "2024-03-01T00", "2024-02-28"),
        ("cpc_precipitation", "strict", "2024-03-01T11", "2024-02-28"),
        ("cpc_precipitation", "strict", "2024-03-01T12", "2024-02-29"),
        ("cpc_precipitation", "strict", "2023-03-01T12", "2023-02-28"),
        ("cpc_precipitation", "nominal", "2024-03-01T00", "2024-02-29"),
        ("cpc_precipitation", "nominal", "2023-01-01T18", "2022-12-31"),
        ("cpc_precipitation", "same_day", "2023-01-01T00", "2023-01-01"),
        ("olr_cdr", "strict", "2023-01-01T00", "2022-12-28"),
        ("olr_cdr", "strict", "2023-01-01T18", "2022-12-28"),
        ("olr_cdr", "strict", "2024-03-03T00", "2024-02-28"),
        ("olr_cdr", "nominal", "2023-01-01T00", "2022-12-31"),
        ("olr_interpolated", "nominal", "2001-03-01T06", "2001-02-28"),
    ],
)
def test_days_at_the_ends_of_months_and_years(product, mode, time, day):
    assert product_day(product, mode, np.datetime64(time)) == np.datetime64(day)


def test_interpolated_olr_has_no_strict_use():
    with pytest.raises(BuildError, match="interpolated OLR has no strict use.*before and after"):
        product_day("olr_interpolated", "strict", np.datetime64("2020-01-01T00"))


def test_unknown_names_and_times_are_refused():
    time = np.datetime64("2020-01-01T00")
    with pytest.raises(BuildError, match="Did you mean 'olr_cdr'"):
        product_day("olr_crd", "nominal", time)
    with pytest.raises(BuildError, match="Did you mean 'nominal'"):
        product_day("olr_cdr", "nominl", time)
    with pytest.raises(DataError, match="whole hours"):
        product_day("olr_cdr", "nominal", np.datetime64("2020-01-01T00:30"))


@pytest.mark.parametrize(
    ("products", "mode", "extra", "first"),
    [
        ([], "nominal", 0, "2022-12-31T00"),
        ([], "nominal", 6, "2022-12-30T18"),  # a forecast from two states: T - 30 h
        (["cpc_precipitation"], "nominal", 6, "2022-12-30T12"),
        (["cpc_precipitation"], "same_day", 0, "2022-12-31T00"),
        (["cpc_precipitation"], "strict", 0, "2022-12-29T12"),
        (["olr_cdr"], "nominal", 0, "2022-12-28T00"),
        (["cpc_precipitation", "olr_cdr"], "strict", 6, "2022-12-25T00"),
        (["olr_interpolated"], "nominal", 0, "2022-12-31T00"),
    ],
)
def test_earliest_input(products, mode, extra, first):
    time = np.datetime64("2023-01-01T00")
    assert earliest_input(time, 24, products, mode, extra) == np.datetime64(first)


@pytest.mark.parametrize(
    ("product", "mode", "last"),
    [
        ("cpc_precipitation", "nominal", "2023-01-01T11"),  # its day may end at 12 UTC of today
        ("cpc_precipitation", "same_day", "2023-01-02T11"),
        ("olr_cdr", "nominal", "2023-01-03T23"),  # a mean over seven days
        ("olr_cdr", "same_day", "2023-01-04T23"),
        ("olr_interpolated", "nominal", "2023-01-01T00"),
    ],
)
def test_latest_input(product, mode, last):
    assert latest_input(np.datetime64("2023-01-01T00"), [product], mode) == np.datetime64(last)


@pytest.mark.parametrize("mode", MODES)
@given(
    lead=st.integers(0, 240),
    extra=st.integers(0, 12),
    products=st.lists(st.sampled_from(STRICT), unique=True),
    cadence=st.sampled_from([6, 24]),
)
def test_no_split_reaches_into_another(mode, lead, extra, products, cadence):
    """All hours touched by the usable examples of neighbouring splits are disjoint."""
    border = np.datetime64("2023-01-01T00")
    times = border + cadence * np.arange(-60, 60)
    settings = (lead, products, mode, extra)
    before = usable_times(times[times < border], None, border, *settings)
    after = usable_times(times[times >= border], border, None, *settings)
    assert len(before) and len(after)
    assert latest_input(before, products, mode).max() < border
    assert earliest_input(after, *settings).min() >= border


def test_no_more_examples_are_dropped_than_must_be():
    start, stop = np.datetime64("2023-01-01"), np.datetime64("2024-01-01")
    times = start.astype("datetime64[h]") + 24 * np.arange(365)
    kept = usable_times(times, start, stop, 24, ["olr_cdr"])
    # D-1 covers D-4 to D+2, all whole.
    assert (str(kept[0]), str(kept[-1])) == ("2023-01-05T00", "2023-12-29T00")
    assert len(kept) == 365 - 4 - 2
    assert usable_times(times, None, None, 24, ["olr_cdr"]).tolist() == times.tolist()
    assert usable_times(times, start, stop, 24).tolist() == times[1:].tolist()
    assert usable_times(times, start, stop, 24, extra_hours=6).tolist() == times[2:].tolist()


def test_a_period_begins_with_its_start_and_ends_before_its_stop():
    start, stop = np.datetime64("2023-01-02"), np.datetime64("2023-01-04")
    kept = usable_times(np.arange("2023-01-01", "2023-01-06", dtype="M8[D]"), start, stop, 0)
    assert kept.tolist() == [np.datetime64(f"2023-01-0{d}T00").item() for d in (2, 3)]


def test_a_split_may_lose_all_its_examples():
    start = np.datetime64("2023-01-01")
    kept = usable_times(start + np.arange(3), start, None, 24, ["olr_cdr"], "strict")
    assert kept.shape == (0,)
    assert kept.dtype == "datetime64[h]"
