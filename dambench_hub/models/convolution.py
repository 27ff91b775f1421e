"""`SphereConvolution`, periodic in longitude, and `PointwiseConvolution`; the grid stays."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.models.depthwise import depthwise_convolution
from dambench_hub.models.layers import pad_sphere


class SphereConvolution(nn.Conv2d):
    """Convolve with k×k kernels; latitude ends in zeros, longitude wraps around.

    Args:
        channels: Channels in.
        width: Channels out.
        kernel: k, odd.
        groups: Of channels that do not see each other; `channels` of them make it depthwise.
        bias: Add a number per channel.
        periodic: Longitude wraps around; else it ends in zeros, too.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        *,
        groups: int = 1,
        bias: bool = True,
        periodic: bool = True,
    ) -> None:
        super().__init__(channels, width, kernel, groups=groups, bias=bias)
        self.periodic = periodic

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, Y, X) to (B, width, Y, X)."""
        return convolve_sphere(x, self.weight, self.bias, self.groups, self.periodic)


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


def convolve_sphere(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, groups: int = 1, periodic: bool = True
) -> Tensor:
    """The convolution of `SphereConvolution` with given kernels, (out, in / groups, k, k)."""
    half = weight.shape[-1] // 2
    depthwise = groups == x.shape[1] == len(weight) and half > 0
    if depthwise and x.device.type == "cpu":
        return depthwise_convolution(x, weight, bias, periodic)
    if periodic:
        x = pad_sphere(x, 0, half)
    padding = (half, 0 if periodic else half)
    return functional.conv2d(x, weight, bias, padding=padding, groups=groups)
