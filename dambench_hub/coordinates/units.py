"""Units as people write them."""

from __future__ import annotations

import re

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹·°_.", "-0123456789    ")

SYMBOLS = {
    "m": "m meter meters metre metres",
    "s": "s sec second seconds",
    "kg": "kg kilogram kilograms",
    "g": "g gram grams",
    "k": "k kelvin kelvins degk degkelvin degreekelvin degreeskelvin",
    "pa": "pa pascal pascals",
    "hpa": "hpa hectopascal hectopascals mb mbar millibar millibars",
    "w": "w watt watts",
    "j": "j joule joules",
    "n": "n newton newtons",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "day": "day days d",
}
"""How people spell the units of the archives, in lower case."""

DERIVED = {
    "pa": {"kg": 1, "m": -1, "s": -2},
    "n": {"kg": 1, "m": 1, "s": -2},
    "j": {"kg": 1, "m": 2, "s": -2},
    "w": {"kg": 1, "m": 2, "s": -3},
}
"""Symbols that are products of others."""

DIMENSIONLESS = ("1", "1.0", "dimensionless")
FACTOR = re.compile(r"\s*(/|per\b)?\s*([a-z]+)(?:\*\*|\^)?([+-]?\d+)?(?![\da-z])")


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


def same_units(one: str, other: str) -> bool:
    """Whether two texts mean the same unit, however they spell it.

    Units that cannot be understood, and those with a number before them, are the same as none.

    >>> same_units("m/s", "m s**-1"), same_units("J kg^-1", "m2 s-2"), same_units("1", "kg/kg")
    (True, True, True)
    >>> same_units("knots", "m s-1"), same_units("g kg-1", "kg kg-1"), same_units("degC", "K")
    (False, False, False)
    """
    powers = _powers(one)
    return powers is not None and powers == _powers(other)


def _powers(units: str) -> dict[str, int] | None:
    """Power of each symbol, without those of 0; None if there is something else in the text."""
    if units.strip().lower() in DIMENSIONLESS:
        return {}
    text = re.sub(r"[{}]|^\s*\(([^()]*)\)\s*$", r"\1", units).translate(PLAIN).lower().strip()
    text = re.sub(r"(?<!\*)\*(?!\*)", " ", re.sub(r"\b(degrees?|deg) k", r"\1k", text))
    known = {name: symbol for symbol, names in SYMBOLS.items() for name in names.split()}
    found, end = dict[str, int](), 0
    while end < len(text):
        factor = FACTOR.match(text, end)
        if not factor or factor[2] not in known:
            return None
        power = int(factor[3] or 1) * (-1 if factor[1] else 1)
        symbol = known[factor[2]]
        for base, times in DERIVED.get(symbol, {symbol: 1}).items():
            found[base] = found.get(base, 0) + times * power
        end = factor.end()
    return {symbol: power for symbol, power in found.items() if power} if text else None
