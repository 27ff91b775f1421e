"""How daily products are joined to valid times without using the future.

A value stamped with a day D may cover hours before and after D, and is there only later. `PRODUCTS`
says so for each product; a mode says which day an analysis may use; the rest follows from the two:
the oldest and the latest moment that an example touches, and so which examples a split can have
without reaching into another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from dambench_hub.coordinates.times import from_hours, hours_since_epoch
from dambench_hub.errors import BuildError, did_you_mean

Times = TypeVar("Times", np.ndarray, np.datetime64)
"""Many times, or one."""

MODES = {
    "nominal": "Every analysis on a day uses the product of the day before.",
    "strict": "Every analysis uses the latest product that was available at its valid time.",
    "same_day": "Retrospective: every analysis on a day uses the product of that day, which holds "
    "measurements from after the valid time.",
}
"""What each mode does, in sentences for cards."""


@dataclass(frozen=True)
class Product:
    """What a value stamped with the day D covers, in hours from 00 UTC of D.

    Attributes:
        name: For people.
        first_hour: The first hour that may be covered.
        end_hour: The end of the last hour that may be covered, exclusive.
        available_hour: From when on the value can be known; None if no hour is certain.
    """

    name: str
    first_hour: int
    end_hour: int
    available_hour: int | None


PRODUCTS = {
    # The gauges' day ends at an hour of the country: 12 UTC of D in the United States, 24 UTC where
    # the day is that of UTC, perhaps later elsewhere; 12 UTC of D+1 is our own cautious bound.
    "cpc_precipitation": Product("CPC precipitation", -12, 36, 36),
    # The algorithm averages over seven days; we take them as centred, so D-3 to D+3, all whole.
    "olr_cdr": Product("OLR-Daily CDR", -72, 96, 96),
    # Gaps are filled from days before and after, however far away.
    "olr_interpolated": Product("NOAA interpolated OLR", 0, 24, None),
}
"""Daily products. Hours: data guides of NOAA CPC, NCEI (Lee 2014) and Liebmann & Smith (1996)."""


def product_day(product: str, mode: str, time: Times) -> Times:
    """The day D whose value an analysis at `time` uses.

    Args:
        product: Key of `PRODUCTS`.
        mode: Key of `MODES`.
        time: Valid times, whole hours, UTC, any shape.

    Returns:
        datetime64[D], in the shape of `time`.

    Raises:
        BuildError: When product or mode is unknown, or strict use of the product is impossible.
        DataError: When a time is not a whole hour from 1970 on.

    >>> str(product_day("cpc_precipitation", "strict", np.datetime64("2024-03-01T00")))
    '2024-02-28'
    """
    if product not in PRODUCTS:
        raise BuildError(f"Unknown daily product {product!r}. {did_you_mean(product, PRODUCTS)}")
    if mode not in MODES:
        raise BuildError(f"Unknown alignment {mode!r}. {did_you_mean(mode, MODES)}")
    found, hours = PRODUCTS[product], hours_since_epoch(time)
    if mode == "strict":
        if found.available_hour is None:
            raise BuildError(
                f"{found.name} has no strict use: its gaps are filled from days before and after. "
                "Choose the alignment nominal, or a product with an hour of availability."
            )
        hours = hours - found.available_hour
    days = hours // 24 - (mode == "nominal")
    return _unwrapped(days.astype("datetime64[D]"))


def earliest_input(
    time: Times,
    lead_hours: int,
    products: Sequence[str] = (),
    mode: str = "nominal",
    extra_hours: int = 0,
) -> Times:
    """The oldest moment that any input of the example at `time` touches.

    Args:
        time: Valid times, whole hours, UTC, any shape.
        lead_hours: Age of the background at the valid time.
        products: Keys of `PRODUCTS`: the daily products in the example.
        mode: Key of `MODES`.
        extra_hours: What the forecast model needs from before its start: 6 for one that begins with
            two states, so that a background of 24 hours reaches back to T − 30 h.

    Returns:
        datetime64[h], in the shape of `time`.

    Raises:
        BuildError: When product or mode is unknown, or strict use of a product is impossible.
        DataError: When a time is not a whole hour from 1970 on.
    """
    earliest = hours_since_epoch(time) - lead_hours - extra_hours
    for product in products:
        start = product_day(product, mode, time).astype("datetime64[h]").astype(np.int64)
        earliest = np.minimum(earliest, start + PRODUCTS[product].first_hour)
    return _unwrapped(from_hours(earliest))


def latest_input(time: Times, products: Sequence[str] = (), mode: str = "nominal") -> Times:
    """The last hour that any input of the example at `time`, or its reference, touches.

    It lies after `time` where a product covers hours to come: always in the mode same_day, and in
    nominal for products that smooth over days. Arguments and errors as of `earliest_input`.

    Returns:
        datetime64[h], in the shape of `time`.
    """
    latest = hours_since_epoch(time)
    for product in products:
        start = product_day(product, mode, time).astype("datetime64[h]").astype(np.int64)
        latest = np.maximum(latest, start + PRODUCTS[product].end_hour - 1)
    return _unwrapped(from_hours(latest))


def usable_times(
    times: np.ndarray,
    start: np.datetime64 | None,
    stop: np.datetime64 | None,
    lead_hours: int,
    products: Sequence[str] = (),
    mode: str = "nominal",
    extra_hours: int = 0,
) -> np.ndarray:
    """The valid times of a split whose examples touch nothing outside the split's period.

    With periods that do not overlap, no split's inputs then reach into another split.

    Args:
        times: Valid times of the split, (N,).
        start: The period's first moment; None where no split comes before.
        stop: The period's end, exclusive; None where no split comes after.
        lead_hours: Age of the background at the valid time.
        products: Keys of `PRODUCTS`: the daily products in the example.
        mode: Key of `MODES`.
        extra_hours: As of `earliest_input`.

    Returns:
        datetime64[h], (M,), M ≤ N, in the order of `times`.

    Raises:
        BuildError: When product or mode is unknown, or strict use of a product is impossible.
        DataError: When a time is not a whole hour from 1970 on.
    """
    usable = np.ones(len(times), bool)
    if start is not None:
        usable &= earliest_input(times, lead_hours, products, mode, extra_hours) >= start
    if stop is not None:
        usable &= latest_input(times, products, mode) < stop
    return times[usable].astype("datetime64[h]")


def _unwrapped(times: np.ndarray) -> Any:
    """The times; a scalar if the array has no dimension."""
    return times[()]
