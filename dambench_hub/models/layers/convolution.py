"""`SphereConvolution`, periodic in longitude, and `PointwiseConvolution`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dambench_hub.models.layers.sphere import LatitudePadding, pad_sphere


class SphereConvolution(nn.Conv2d):
    """Convolve with k×k kernels; longitude wraps around, latitude ends at the poles.

    Args:
        channels: Channels in.
        width: Channels out.
        kernel: k, odd.
        stride: Distance of the results, in grid points.
        groups: Of channels that do not see each other; `channels` of them make it depthwise.
        bias: Add a number per channel.
        latitude: What is beyond the poles.
        periodic: Longitude wraps around; else it ends in zeros.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
        latitude: LatitudePadding = "constant",
        periodic: bool = True,
    ) -> None:
        super().__init__(channels, width, kernel, stride, groups=groups, bias=bias)
        self.latitude, self.periodic = latitude, periodic
        self.fast_on_cpu = (
            groups == channels == width and latitude == "constant" and kernel > stride == 1
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, Y, X) to (B, width, Y / stride, X / stride)."""
        return self.convolve(x, self.weight, self.bias)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The same with given kernels, (width, channels / groups, k, k)."""
        if self.fast_on_cpu and x.device.type == "cpu":
            return depthwise_convolution(x, weight, bias, self.periodic)
        # Zeros are left to the convolution, which needs no larger copy of the field for them.
        half = weight.shape[-1] // 2
        rows, columns = half * (self.latitude != "constant"), half * self.periodic
        x, zeros = pad_sphere(x, rows, columns, self.latitude), (half - rows, half - columns)
        return functional.conv2d(x, weight, bias, self.stride, zeros, groups=self.groups)


class PointwiseConvolution(nn.Conv2d):
    """The same linear map at each grid point.

    Args:
        channels: Channels in.
        width: Channels out.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, Y, X) to (B, width, Y, X)."""
        # A kernel of one point has no dilation; but with one, a CPU with one thread uses oneDNN,
        # too, which takes less than half the time.
        dilation = 2 if x.device.type == "cpu" else 1
        return functional.conv2d(x, self.weight, self.bias, dilation=dilation)


FAST_WIDTH = 3
"""Columns of the widest kernels whose gradient oneDNN computes fast, with channels last."""


def depthwise_convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, periodic: bool = True
) -> Tensor:
    """Σᵢⱼ w[c, i, j] x[c, y + i − k//2, x + j − k//2] + b[c], float32, channels last in memory.

    Args:
        x: (B, C, Y, X); latitude ends in zeros.
        weight: w, (C, 1, k, k), k odd and at least `FAST_WIDTH`.
        bias: b, (C,).
        periodic: Longitude wraps around; else it ends in zeros, too.
    """
    return _Depthwise.apply(x, weight, bias, periodic)


class _Depthwise(torch.autograd.Function):
    """`depthwise_convolution` with its gradients, which are depthwise convolutions, too."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, periodic: bool) -> Tensor:
        rows = rows_with_margins(x, weight.shape[-1] // 2, periodic)
        ctx.save_for_backward(rows, weight)
        ctx.periodic, ctx.size = periodic, len(x)
        return _convolve(rows, len(x), weight, bias)

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(  # type: ignore[override]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        rows, weight = ctx.saved_tensors
        to_x, to_weight, to_bias, _ = ctx.needs_input_grad
        of_x = of_weight = of_bias = None
        if to_x:
            back = rows_with_margins(gradient, weight.shape[-1] // 2, ctx.periodic)
            of_x = _convolve(back, ctx.size, weight.flip(-1, -2))
        if to_weight:
            of_weight = weight_gradient(rows, gradient, weight.shape[-1])
        if to_bias:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weight, of_bias, None


def rows_with_margins(x: Tensor, margin: int, periodic: bool) -> Tensor:
    """The rows of all samples, one below the other, each with margins, and a row of zeros.

    Args:
        x: (B, C, Y, X).
        margin: Columns on either side.
        periodic: They hold what is around the date line; else zeros.

    Returns:
        (B·Y + 1, X + 2·margin, C).
    """
    batch, width, count, columns = x.shape
    rows = x.new_empty(batch * count + 1, columns + 2 * margin, width)
    rows[-1] = 0
    grid, x = rows[:-1].unflatten(0, (batch, count)), x.permute(0, 2, 3, 1)
    west, middle, east = grid.split([margin, columns, margin], 2)
    middle.copy_(x)
    west.copy_(x[:, :, -margin:]) if periodic else west.zero_()
    east.copy_(x[:, :, :margin]) if periodic else east.zero_()
    return rows


def weight_gradient(rows: Tensor, gradient: Tensor, kernel: int) -> Tensor:
    """Σ_{b,y,x} gradient[b, c, y, x] · x[b, c, y + i − k//2, x + j − k//2], (C, 1, k, k).

    A few columns j at a time, each time with the whole field shifted, which in these rows is
    only another beginning: what then is in the wrong row meets zeros.

    Args:
        rows: Of x, see `rows_with_margins`.
        gradient: Of the convolution, (B, C, Y, X).
        kernel: k.
    """
    batch, width, count, _ = gradient.shape
    spare = kernel - FAST_WIDTH
    gradient = functional.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, spare)).permute(0, 3, 1, 2)
    like = rows.new_empty(width, 1, kernel, FAST_WIDTH)
    result = rows.new_empty(width, 1, kernel, kernel)
    for first in (*range(0, spare, FAST_WIDTH), spare):
        shifted = rows.flatten()[first * width :][: rows[:-1].numel()]
        shifted = shifted.view(batch, count, -1, width).permute(0, 3, 1, 2)
        _, part, _ = torch.ops.aten.convolution_backward(
            gradient, shifted, like, None, (1, 1), (kernel // 2, 0), (1, 1), False, (0, 0), width,
            (False, True, False),
        )  # fmt: skip
        result[..., first : first + FAST_WIDTH] = part
    return result


def _convolve(rows: Tensor, batch: int, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(B·Y + 1, X + k − 1, C) to (B, C, Y, X)."""
    grid = rows[:-1].unflatten(0, (batch, -1)).permute(0, 3, 1, 2)
    padding = (weight.shape[-1] // 2, 0)
    return functional.conv2d(grid, weight, bias, padding=padding, groups=len(weight))
