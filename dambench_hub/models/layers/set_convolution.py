"""`SetConvolution`: values at scattered points as a field and the density of the points."""

from __future__ import annotations

import torch
from torch import Tensor

from dambench_hub.models.layers.convolution import SphereConvolution

SMALLEST_DENSITY = 1e-5
"""The field fades to 0 where the density is smaller."""


class SetConvolution(SphereConvolution):
    """Smooth values at observed points with non-negative kernels |w|, and divide by the density.

    Args:
        channels: C.
        kernel: k, odd.
        mix: Each field is made of the values of all channels, instead of its own.
        periodic: Longitude wraps around; else it ends in zeros.

    References:
        Gordon et al. (2020), Convolutional Conditional Neural Processes, ICLR.
    """

    def __init__(self, channels: int, kernel: int, *, mix: bool, periodic: bool) -> None:
        groups = 1 if mix else channels
        super().__init__(channels, channels, kernel, groups=groups, bias=False, periodic=periodic)

    def forward(self, values: Tensor, observed: Tensor | None = None) -> Tensor:
        """Field and density, (B, 2·C, Y, X), both 0 where no point is near.

        Args:
            values: (B, C, Y, X).
            observed: 1 where there is a point, else 0, of the same shape. None: all are points.
        """
        kernels = self.weight.abs()
        if observed is None:
            rows, columns = values.shape[-2:]
            density = full_density(kernels, rows, columns, self.periodic).expand_as(values)
        else:
            values = values * observed
            density = self.convolve(observed, kernels)
        signal = self.convolve(values, kernels)
        return torch.cat([signal / density.clamp_min(SMALLEST_DENSITY), density], 1)


def full_density(kernels: Tensor, rows: int, columns: int, periodic: bool) -> Tensor:
    """The convolution of a field of ones, (C, Y, X): what of each kernel lies on the grid.

    Args:
        kernels: (C, *, k, k).
        rows: Y.
        columns: X.
        periodic: Longitude wraps around; else kernels end there.
    """
    inside_rows = _inside(rows, kernels)
    inside_columns = _inside(columns, kernels)
    if periodic:
        inside_columns = torch.ones_like(inside_columns)
    return inside_rows @ kernels.sum(1) @ inside_columns.mT


def _inside(size: int, kernels: Tensor) -> Tensor:
    """1 where tap i of a kernel at point p lies on the grid, (size, k)."""
    width = kernels.shape[-1]
    position = torch.arange(size, device=kernels.device)[:, None]
    tap = position + torch.arange(width, device=kernels.device) - width // 2
    return ((tap >= 0) & (tap < size)).to(kernels.dtype)
