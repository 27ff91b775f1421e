"""BUFR messages made by ecCodes, as small as a test needs them."""

from collections.abc import Mapping, Sequence
from typing import Any

import eccodes as codes
import numpy as np

TIME = {"year": 2018, "month": 11, "day": 20, "hour": 12, "minute": 0}


def message(
    descriptors: Sequence[int],
    values: Mapping[str, Any],
    *,
    category: int = 0,
    subsets: int = 1,
    compressed: bool = False,
    factors: Sequence[int] = (),
    extended: Sequence[int] = (),
) -> bytes:
    """A message of one or several subsets.

    Args:
        descriptors: Templates or elements, F XX YYY as a number.
        values: By ecCodes' names; one for all, or a list of one a subset, None where it is missing.
            A name with a rank, "#2#pressure", is set as it is.
        category: Of table A.
        subsets: How many there are.
        compressed: Whether they are stored together.
        factors: Of delayed replications, of all subsets in turn if they are not compressed.
        extended: Of those whose factors are 0 31 002.
    """
    handle = codes.codes_bufr_new_from_samples("BUFR4")
    codes.codes_set(handle, "masterTablesVersionNumber", 33)
    codes.codes_set(handle, "dataCategory", category)
    codes.codes_set(handle, "numberOfSubsets", subsets)
    codes.codes_set(handle, "compressedData", int(compressed))
    for key, times in (("Delayed", factors), ("ExtendedDelayed", extended)):
        if times:
            key = f"input{key}DescriptorReplicationFactor"
            codes.codes_set_array(handle, key, list(times))
    codes.codes_set_array(handle, "unexpandedDescriptors", list(descriptors))
    for name, value in values.items():
        several = value if isinstance(value, list) else [value] * subsets
        if "#" in name:
            codes.codes_set(handle, name, value)
        elif compressed and not isinstance(several[0], str):
            missing = codes.CODES_MISSING_DOUBLE
            several = [missing if one is None else float(one) for one in several]
            codes.codes_set_array(handle, f"#1#{name}", np.array(several))
        else:
            for rank, one in enumerate(several, 1):
                if one is not None:
                    codes.codes_set(handle, name if compressed else f"#{rank}#{name}", one)
    codes.codes_set(handle, "pack", 1)
    content = codes.codes_get_message(handle)
    codes.codes_release(handle)
    return content
