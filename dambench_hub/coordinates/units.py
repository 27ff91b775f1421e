"""Units as people write them."""

from __future__ import annotations

import re

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def pretty(units: str) -> str:
    """CF units with real superscripts.

    >>> pretty("m2 s-2")
    'm² s⁻²'
    """
    return units.translate(SUPERSCRIPTS)


def squared(units: str) -> str:
    """The square of CF units.

    >>> squared("m2 s-2"), squared("kg kg-1")
    ('m4 s-4', 'kg2 kg-2')
    """
    parts = (re.fullmatch(r"([A-Za-z]+)(-?\d*)", part) for part in units.split())
    return " ".join(f"{part[1]}{2 * int(part[2] or 1)}" for part in parts if part)
