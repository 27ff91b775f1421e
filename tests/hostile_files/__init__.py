"""Prediction files as nobody should make them, and odd ones that are right all the same.

`CASES` lists them. Each is made from a good file, and says whether it must be accepted or rejected
("either" where only the manners matter), and which words one of its messages has.
"""

from . import (
    attributes,
    coordinates,
    damage,
    deviations,
    disguise,
    filters,
    pointing,
    structure,
    tensors,
    valid,
)
from .cases import CASES, SECRET, SHAPE, Case, Example

__all__ = [
    "CASES",
    "SECRET",
    "SHAPE",
    "Case",
    "Example",
    "attributes",
    "coordinates",
    "damage",
    "deviations",
    "disguise",
    "filters",
    "pointing",
    "structure",
    "tensors",
    "valid",
]
