"""`ForecastNetwork`: from the fields of today, and the season, to how they will have changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.coordinates.grids import Grid
from dambench_hub.models.layers.checks import require_odd, require_positive
from dambench_hub.models.layers.convolution import PointwiseConvolution, SphereConvolution


class ForecastNetwork(nn.Module):
    """Pointwise into features, residual blocks of wide depthwise convolutions, pointwise out.

    It has no place of its own in longitude: fields that are turned about the Earth's axis, all
    inputs alike, give the turned changes. So 180 days teach it what they would at each longitude.
    The last map begins as zero: an untrained network says that nothing changes.

    Args:
        channels: Fields in.
        outputs: Fields out.
        grid: Y×X grid; the network is told the latitude.
        width: Features.
        blocks: Residual blocks; each sees kernel // 2 more points in each direction.
        kernel: Of the depthwise convolutions, odd.

    Raises:
        TaskError: When a size is not positive, or the kernel has no middle.

    References:
        Liu et al. (2022), A ConvNet for the 2020s, CVPR, for the block.
    """

    latitude: Tensor

    def __init__(
        self, channels: int, outputs: int, grid: Grid, *, width: int, blocks: int, kernel: int
    ) -> None:
        super().__init__()
        require_positive(width=width, blocks=blocks)
        require_odd(kernel=kernel)
        angle = torch.deg2rad(torch.from_numpy(grid.latitude).float())
        sides = torch.stack([angle.sin(), angle.cos()])[:, :, None].expand(-1, *grid.shape)
        self.register_buffer("latitude", sides.clone(), persistent=False)
        self.first = PointwiseConvolution(channels + len(sides), width)
        self.blocks = nn.ModuleList(ForecastBlock(width, kernel) for _ in range(blocks))
        self.last = PointwiseConvolution(width + channels, outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, fields: Tensor, season: Tensor) -> Tensor:
        """Changes, (B, outputs, Y, X).

        Args:
            fields: Of about unit variance, (B, channels, Y, X).
            season: Sine and cosine of the angle of the year, (B, 2).
        """
        latitude = self.latitude.expand(len(fields), -1, -1, -1)
        features = self.first(torch.cat([fields, latitude], 1))
        for block in self.blocks:
            features = block(features, season)
        return self.last(torch.cat([normalised(features), fields], 1))


class ForecastBlock(nn.Module):
    """h + W₂ gelu(W₁ normalised(depthwise(h) + W₀ season)); begins as the identity.

    Args:
        width: Features.
        kernel: Of the depthwise convolution, odd.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.across = SphereConvolution(width, width, kernel, groups=width)
        self.season = nn.Linear(2, width)
        self.up = PointwiseConvolution(width, 2 * width)
        self.down = PointwiseConvolution(2 * width, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, season: Tensor) -> Tensor:
        """(B, width, Y, X) and (B, 2) to (B, width, Y, X)."""
        inner = normalised(self.across(h) + self.season(season)[:, :, None, None])
        return h + self.down(functional.gelu(self.up(inner)))


def normalised(h: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the features of each grid point, (B, width, Y, X)."""
    variance, mean = torch.var_mean(h, dim=1, keepdim=True)
    return (h - mean) * (variance + 1e-5).rsqrt()
