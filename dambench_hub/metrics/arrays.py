"""What scores take for an array: real numbers, none of them masked."""

from __future__ import annotations

from typing import Any

import numpy as np

from dambench_hub.coordinates.missing import is_masked
from dambench_hub.errors import ScoreError


def as_array(name: str, values: Any) -> np.ndarray:
    """`values` as an array of real numbers, not copied if it is one.

    Args:
        name: What to call it in a message.
        values: An array, a tensor on the CPU, or nested lists.

    Raises:
        ScoreError: When it is something else, holds other things than real numbers, or is masked.
    """
    if is_masked(values):
        raise ScoreError(f"The {name} has masked values; a score needs every cell.")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ScoreError(
            f"The {name} cannot be read as an array ({error}). Give numpy arrays; "
            "of a torch tensor, `tensor.detach().cpu().float().numpy()`."
        ) from error
    if array.dtype.kind not in "fiu":
        raise ScoreError(f"The {name} must hold real numbers (float32), got dtype {array.dtype}.")
    return array
