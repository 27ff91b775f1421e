"""Which rows are trainings of one method that differ in their seed only."""

from __future__ import annotations

import re

SEED = re.compile(r"(?P<method>.*[^-])-(?P<seed>\d)")


def method_and_seed(name: str) -> tuple[str, int | None]:
    """A name `METHOD-SEED` in its two parts; the seed is one digit.

    >>> method_and_seed("fnp-0"), method_and_seed("fnp"), method_and_seed("resnet-50")
    (('fnp', 0), ('fnp', None), ('resnet-50', None))
    """
    match = SEED.fullmatch(name)
    return (match["method"], int(match["seed"])) if match else (name, None)
