"""Blocks that two or more methods share.

Fields are (B, C, Y, X): latitude Y north to south, ending at the poles, and longitude X periodic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

LatitudePadding = Literal["zero", "reflect"]


def pad_sphere(x: Tensor, rows: int, columns: int, latitude: LatitudePadding = "zero") -> Tensor:
    """Extend a field by `rows` beyond each pole and by `columns` around the date line.

    Longitude wraps around; latitude never does, as that would glue the poles together.

    Returns:
        (B, C, Y + 2·rows, X + 2·columns).
    """
    if columns:
        x = functional.pad(x, (columns, columns, 0, 0), mode="circular")
    if rows:
        x = functional.pad(
            x, (0, 0, rows, rows), mode="constant" if latitude == "zero" else "reflect"
        )
    return x


def pad_to_multiple(x: Tensor, rows: int, columns: int = 1) -> Tensor:
    """Extend a field to the south (by reflection) and east (around) to multiples of these sizes.

    Cropping the result to [..., :Y, :X] undoes it.
    """
    south, east = -x.shape[-2] % rows, -x.shape[-1] % columns
    if east:
        x = functional.pad(x, (0, east, 0, 0), mode="circular")
    return functional.pad(x, (0, 0, 0, south), mode="reflect") if south else x


def run_block(block: Callable[..., Any], *inputs: Any, checkpointing: bool) -> Any:
    """`block(*inputs)`; with checkpointing its activations are recomputed, not kept.

    The block must not draw random numbers: the second pass would draw others.
    """
    if checkpointing and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)
