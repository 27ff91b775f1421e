"""Messages of WMO FM 94 BUFR, as the elements of their reports in order.

Elements are known by their descriptors F XX YYY of table B, written as numbers: 012101 is 12101.
These fix the unit, which names do not: a time period is 004024 in hours and 004025 in minutes.
ecCodes decodes; the few rules that put its arrays into order are here, since it is several times
faster than asking for each element by name.

References:
    WMO-No. 306, Manual on Codes, volume I.2, part B, FM 94.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.building.sources.reports.bufr_messages import whole_messages
from dambench_hub.building.sources.reports.reading import Refusal
from dambench_hub.errors import BuildError

MISSING = -1e99
"""ecCodes gives -1e100 for a missing number."""

TEXTS = {
    1006: "aircraftFlightNumber",
    1008: "aircraftRegistrationNumberOrOtherIdentification",
    1011: "shipOrMobileLandStationIdentifier",
    1110: "aircraftTailNumber",
    1128: "wigosLocalIdentifierCharacter",
}
"""ecCodes' names of elements that are words and identify a station."""


@dataclass(frozen=True)
class Subset:
    """One report of a message.

    Attributes:
        category: Of table A: 0 land, 1 sea, 2 soundings, 4 single levels above the ground.
        elements: Descriptor and value of each, in order; NaN where it is missing.
        texts: Elements of `TEXTS` that are there.
    """

    category: int
    elements: Sequence[tuple[int, float]]
    texts: dict[int, str]

    @cached_property
    def _firsts(self) -> dict[int, float]:
        return {descriptor: v for descriptor, v in reversed(self.elements) if not math.isnan(v)}

    def first(self, *descriptors: int) -> float:
        """The first value of the first of these that has one; NaN if none has."""
        return next((self._firsts[d] for d in descriptors if d in self._firsts), np.nan)


def read_subsets(path: Path, categories: Sequence[int], refused: Counter[str]) -> Iterator[Subset]:
    """The reports of all messages of some categories in a file.

    Args:
        path: A file of messages, with or without headers between them.
        categories: Those of table A that are wanted.
        refused: Counts the reports of other messages.

    Raises:
        BuildError: When the file cannot be opened, or ecCodes is not installed.
    """
    codes = _eccodes(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BuildError(f"{path} cannot be read ({error.strerror}).") from error
    for message in whole_messages(content, refused):
        handle = codes.codes_new_from_message(message)
        try:
            yield from _subsets(codes, handle, categories, refused)
        finally:
            codes.codes_release(handle)


def levels(subset: Subset, members: Collection[int]) -> Iterator[dict[int, float]]:
    """The levels of a report: an element that comes again begins the next one.

    Args:
        subset: The report.
        members: Elements of a level; others are passed over.

    Yields:
        Values by descriptor; none where one is missing.
    """
    level: dict[int, float] = {}
    seen: set[int] = set()
    for descriptor, value in subset.elements:
        if descriptor not in members:
            continue
        if descriptor in seen:
            yield level
            level, seen = {}, set()
        seen.add(descriptor)
        if not math.isnan(value):
            level[descriptor] = value
    if seen:
        yield level


def column(found: Sequence[Mapping[int, float]], *elements: int) -> np.ndarray:
    """Of each of L levels the first of these elements that has a value; NaN if none has; (L,)."""
    return np.array(
        [next((level[e] for e in elements if e in level), np.nan) for level in found], float
    )


def _eccodes(path: Path) -> Any:
    try:
        import eccodes
    except (ImportError, RuntimeError) as error:  # RuntimeError: the library is absent
        raise BuildError(
            f"{path} is BUFR, which needs ecCodes: pip install 'dambench-hub[observations]'."
        ) from error
    return eccodes


def _subsets(
    codes: Any, handle: Any, categories: Sequence[int], refused: Counter[str]
) -> Iterator[Subset]:
    number = codes.codes_get(handle, "numberOfSubsets")
    category = codes.codes_get(handle, "dataCategory")
    if category not in categories:
        refused[Refusal.TEMPLATE] += number
        return
    try:
        layout = codes.codes_get_array(handle, "expandedDescriptors").tolist()
    except codes.CodesInternalError:  # a descriptor that no table has
        refused[Refusal.TEMPLATE] += number
        return
    try:
        codes.codes_set(handle, "skipExtraKeyAttributes", 1)
        codes.codes_set(handle, "unpack", 1)
        values = codes.codes_get_array(handle, "numericValues")
        texts = _texts(codes, handle, layout, number)
        reports = _in_order(layout, np.where(values < MISSING, np.nan, values).tolist(), number)
    except (codes.CodesInternalError, IndexError, ValueError):
        refused[Refusal.DAMAGED] += 1
    else:
        for elements, words in zip(reports, texts, strict=True):
            yield Subset(category, elements, words)


def _in_order(
    layout: Sequence[int], values: Sequence[float], number: int
) -> list[list[tuple[int, float]]]:
    """Descriptors and values of each subset.

    Raises:
        ValueError: When the layout does not take up all values.
    """
    reports: list[list[tuple[int, float]]] = []
    at = 0
    for _ in range(number):
        reports.append([])
        at = _expand(layout, values, at, reports[-1])
    if at != len(values):
        raise ValueError(f"{len(values)} values, {at} of which are laid out")
    return reports


def _expand(
    layout: Sequence[int], values: Sequence[float], at: int, elements: list[tuple[int, float]]
) -> int:
    """Appends the elements of a layout, and returns where the values go on.

    What is replicated a fixed number of times stands there so often already; 1 XX 000 and a factor
    say that the next XX descriptors are replicated as often as the factor's value.
    """
    place = 0
    while place < len(layout):
        descriptor = layout[place]
        if not 100_000 <= descriptor < 200_000:
            elements.append((descriptor, values[at]))
            place, at = place + 1, at + 1
            continue
        body = layout[place + 2 : place + 2 + descriptor // 1000 - 100]
        times, at = int(values[at]), at + 1
        for _ in range(times):
            at = _expand(body, values, at, elements)
        place += 2 + len(body)
    return at


def _texts(codes: Any, handle: Any, layout: Sequence[int], number: int) -> list[dict[int, str]]:
    """The words of each subset. A compressed message gives one that all share once."""
    texts: list[dict[int, str]] = [{} for _ in range(number)]
    for descriptor in TEXTS.keys() & set(layout):
        words = codes.codes_get_string_array(handle, TEXTS[descriptor])
        for subset, text in enumerate(texts):
            word = words[subset * len(words) // number].strip(" \0\xff")
            if word:
                text[descriptor] = word
    return texts
