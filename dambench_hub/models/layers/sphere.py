"""Fields on the sphere as tensors: padding, resizing, normalising, and blocks in less memory.

Fields are (B, C, Y, X): latitude Y north to south, ending at the poles, and longitude X periodic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from math import gcd
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from dambench_hub.models.layers.checks import require_choice

LatitudePadding = Literal["constant", "reflect", "circular"]
"""What is beyond a pole: zeros, or the rows before it in reverse order, or those at the other pole.

The last, `circular`, glues the poles together; some published networks have it.
"""

Norm = Literal["batch", "group", "none"]
"""Normalise each channel over batch and grid, or groups of channels over the grid, or not at all.

With batches of one sample, statistics of the training batches (`batch`) are noisy.
"""

GROUPS = 8
"""Most groups of a group normalisation."""


def pad_sphere(
    x: Tensor, rows: int, columns: int, latitude: LatitudePadding = "constant"
) -> Tensor:
    """Extend a field by `rows` beyond each pole and by `columns` around the date line.

    Returns:
        (B, C, Y + 2·rows, X + 2·columns).
    """
    if latitude == "circular":
        return functional.pad(x, (columns, columns, rows, rows), mode="circular")
    if columns:
        # Not functional.pad, which is several times slower where channels come last in memory.
        x = torch.cat([x[..., -columns:], x, x[..., :columns]], -1)
    if rows:
        x = functional.pad(x, (0, 0, rows, rows), mode=latitude)
    return x


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Extend a field to the south (by reflection) and east (around) to multiples of a size.

    Cropping the result to [..., :Y, :X] undoes it.
    """
    south, east = (-size % multiple for size in x.shape[-2:])
    if east:
        x = functional.pad(x, (0, east, 0, 0), mode="circular")
    return functional.pad(x, (0, 0, 0, south), mode="reflect") if south else x


def run_block(block: Callable[..., Any], *inputs: Any, checkpointing: bool) -> Any:
    """`block(*inputs)`; with checkpointing its activations are recomputed, not kept.

    The block must not draw random numbers: the second pass would draw others.
    """
    if checkpointing and torch.is_grad_enabled():
        return checkpoint(
            block,
            *inputs,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), _frozen_statistics(block)),
        )
    return block(*inputs)


@contextmanager
def _frozen_statistics(block: Callable[..., Any]) -> Iterator[None]:
    """Batch normalisations keep their running statistics: the first pass has updated them."""
    modules = block.modules() if isinstance(block, nn.Module) else ()
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def resize_sphere(x: Tensor, rows: int, columns: int) -> Tensor:
    """A field on another grid with poles, (B, C, rows, columns), linear in latitude and longitude.

    Rows begin and end at the poles and columns at longitude 0, as on all grids here.
    """
    if x.shape[-2:] == (rows, columns):
        return x
    wrapped = functional.pad(x, (0, 1, 0, 0), mode="circular")
    size = (rows, columns + 1)
    resized = functional.interpolate(wrapped, size, mode="bilinear", align_corners=True)
    return resized[..., :columns]


def normalisation(norm: Norm, width: int) -> nn.Module:
    """A normalisation of `width` channels with a scale and an offset each, or nothing.

    `group` has as many groups as divide both the width and `GROUPS`.

    Raises:
        TaskError: When the kind is unknown.
    """
    require_choice("norm", norm, get_args(Norm))
    if norm == "none":
        return nn.Identity()
    return nn.BatchNorm2d(width) if norm == "batch" else nn.GroupNorm(gcd(GROUPS, width), width)
