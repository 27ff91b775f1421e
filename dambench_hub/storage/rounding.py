"""Rounded mantissas: fewer bits of the background, files that compress far better, a known error.

A float32 has 23 explicit mantissa bits. The last ones of a forecast are noise to its user, and
noise is what no codec can compress. Only backgrounds are rounded, with the members of their
ensemble; references and observations never are:
scores and stored observations are those of the data set that was not rounded.

The error is relative to the value, so fields with a large mean need the most bits. In the twin
experiment `mini`, rounding to 14 bits changes geopotential by at most 1.2 % of the background
error, to 12 bits by 4.8 %, to 10 bits by 19 %; half of the channels change by less than 0.3 %
even then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import write_atomic

ROUNDING = "rounding.json"
MANTISSA_BITS = 23
"""Explicit mantissa bits of a float32."""

SMALLEST_NORMAL = np.finfo(np.float32).smallest_normal
"""Numbers nearer to zero have fewer bits to begin with, so their relative error has no bound."""


def require_keep_bits(keep_bits: int) -> None:
    """Refuse a number of bits that a float32 cannot keep.

    Raises:
        BuildError: When it is not a whole number from 1 to 23.
    """
    if not isinstance(keep_bits, int) or not 1 <= keep_bits <= MANTISSA_BITS:
        raise BuildError(
            f"keep_bits is a whole number from 1 to {MANTISSA_BITS}, the explicit mantissa bits of "
            f"a float32; got {keep_bits!r}. Geopotential and pressure need 14 or more."
        )


def round_mantissa(values: np.ndarray, keep_bits: int) -> np.ndarray:
    """The nearest numbers with `keep_bits` explicit mantissa bits; half-way cases go to even.

    Signs, zeros, infinities and NaNs stay as they are. Of subnormal numbers, which have a fixed
    point, the same bits are cleared. As in any rounding of IEEE 754, what lies within half a step
    of the largest float32 becomes infinite.

    Args:
        values: float32, any shape.
        keep_bits: 1 to 23; 23 changes nothing.

    Returns:
        float32, a new array of the same shape. The relative error of normal numbers is at most
        2^−(keep_bits + 1).

    References:
        Klöwer et al. (2021), Nature Computational Science 1, 713-724,
        doi:10.1038/s43588-021-00156-2; the codec BitRound of numcodecs gives the same bits.
    """
    drop = MANTISSA_BITS - keep_bits
    if drop == 0:
        return values.copy()
    bits = np.ascontiguousarray(values, "<f4").view("<u4")
    last_kept = (bits >> np.uint32(drop)) & np.uint32(1)
    # A carry out of the mantissa raises the exponent, which is the next number's representation.
    rounded = bits + (last_kept + np.uint32((1 << (drop - 1)) - 1))
    rounded &= np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)
    # The carry of a NaN would run into its sign.
    return np.where(np.isnan(values), values, rounded.view("<f4"))


@dataclass(frozen=True)
class Rounding:
    """What was rounded away from the backgrounds of a data set, all splits together.

    Attributes:
        keep_bits: Explicit mantissa bits that are left, 1 to 23.
        max_relative_error: Largest |rounded − x| / |x| of a normal number, at most
            2^−(keep_bits + 1).
        rms_in_background_error_std: Root mean square of rounded − x, (C,), in units of the
            statistics' `background_error_std`.
    """

    keep_bits: int
    max_relative_error: float
    rms_in_background_error_std: tuple[float, ...]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Rounding:
        """The rounding that `dataclasses.asdict` wrote."""
        rms = tuple(raw["rms_in_background_error_std"])
        return cls(**{**raw, "rms_in_background_error_std": rms})


@dataclass
class RoundingError:
    """Sums of which a `Rounding` is made; those of two parts of a data set add.

    Attributes:
        count: Values of each channel.
        squares: Sum of (rounded − x)², (C,), squared units of the channels.
        largest: Largest |rounded − x| / |x| of a normal number.
    """

    count: int
    squares: np.ndarray
    largest: float

    @classmethod
    def of(cls, values: np.ndarray, rounded: np.ndarray) -> RoundingError:
        """That of one state, both (C, Y, X), float32, finite."""
        error = rounded - values  # exact: a multiple of the last bit of `values`, and no larger
        size = np.abs(values)
        relative = np.divide(
            np.abs(error), size, out=np.zeros_like(size), where=size >= SMALLEST_NORMAL
        )
        squares = np.einsum("cyx,cyx->c", error, error, dtype=np.float64)
        return cls(values[0].size, squares, float(relative.max()))

    def __add__(self, other: RoundingError) -> RoundingError:
        return RoundingError(
            self.count + other.count,
            self.squares + other.squares,
            max(self.largest, other.largest),
        )

    def to_json(self) -> str:
        """As text; every digit is kept."""
        return json.dumps(vars(self) | {"squares": self.squares.tolist()})

    @classmethod
    def from_json(cls, text: str) -> RoundingError:
        """The inverse of `to_json`."""
        raw = json.loads(text)
        return cls(**{**raw, "squares": np.array(raw["squares"])})

    def summary(self, keep_bits: int, background_error_std: np.ndarray) -> Rounding:
        """The `Rounding` of these values; `background_error_std` (C,), units of the channels."""
        rms = np.sqrt(self.squares / self.count) / background_error_std
        return Rounding(keep_bits, self.largest, tuple(rms.tolist()))


def rounded_backgrounds(
    examples: Iterable[Mapping[str, np.ndarray]], keep_bits: int, work: Path, shard: str
) -> Iterator[Mapping[str, np.ndarray]]:
    """The examples of one shard with rounded backgrounds.

    Args:
        examples: At least one.
        keep_bits: Explicit mantissa bits that are left, 1 to 23.
        work: The folder of notes; what rounding changed is noted there after the last example.
        shard: The shard's path, which names the note.

    Raises:
        BuildError: When a background is so large that it becomes infinite.
    """
    errors = []
    for example in examples:
        rounded = _rounded(example, "background", keep_bits)
        errors.append(RoundingError.of(example["background"], rounded))
        yield {**example, "background": rounded}
    write_atomic(_note_path(work, shard), reduce(add, errors).to_json())


def rounded_members(
    examples: Iterable[Mapping[str, np.ndarray]], keep_bits: int
) -> Iterator[Mapping[str, np.ndarray]]:
    """Examples of the config `ensemble` with members that are rounded as backgrounds are.

    Raises:
        BuildError: When a member is so large that it becomes infinite.
    """
    for example in examples:
        yield {**example, "background_members": _rounded(example, "background_members", keep_bits)}


def _rounded(example: Mapping[str, np.ndarray], name: str, keep_bits: int) -> np.ndarray:
    rounded = round_mantissa(example[name], keep_bits)
    if not np.all(np.isfinite(rounded)):
        raise BuildError(
            f"{name} at {example['time']} has values that {keep_bits} mantissa bits cannot hold. "
            "Is its unit right?"
        )
    return rounded


def note_rounding(work: Path, rounding: Rounding) -> None:
    """Note what was rounded away where that is known before the shards are written."""
    write_atomic(work / ROUNDING, json.dumps(asdict(rounding)))


def noted_rounding(
    work: Path, shards: Iterable[str], keep_bits: int | None, background_error_std: np.ndarray
) -> Rounding | None:
    """What was rounded away: as it was known, or the sum of the notes of the shards.

    Args:
        work: The folder of notes.
        shards: Paths of shards that together hold each example once.
        keep_bits: None if nothing was rounded.
        background_error_std: (C,), units of the channels.
    """
    if keep_bits is None:
        return None
    if (known := work / ROUNDING).exists():
        return Rounding.from_dict(json.loads(known.read_text()))
    errors = (RoundingError.from_json(_note_path(work, shard).read_text()) for shard in shards)
    return reduce(add, errors).summary(keep_bits, background_error_std)


def _note_path(work: Path, shard: str) -> Path:
    return work / "rounding" / f"{shard}.json"
