"""The network of score-based methods: a U-Net that is told the diffusion time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import TaskError
from dambench_hub.models.layers.convolution import SphereConvolution
from dambench_hub.models.layers.sphere import LatitudePadding, pad_to_multiple, run_block

FREQUENCIES = 16
"""How many sines and cosines of the diffusion time are the embedding's input."""


class ChannelNorm(nn.Module):
    """Mean 0 and variance 1 over the channels of each grid point, nothing learned."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, Y, X), unchanged in shape."""
        variance, mean = torch.var_mean(x.float(), dim=1, keepdim=True)
        return ((x - mean) * (variance + 1e-5).rsqrt()).to(x.dtype)


class TimeEmbedding(nn.Module):
    """cos πkt and sin πkt, k = 1 … 16, through a small perceptron.

    Args:
        width: Length of the embedding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * FREQUENCIES, 256), nn.SiLU(), nn.Linear(256, width)
        )

    def forward(self, t: Tensor) -> Tensor:
        """(N) to (N, width)."""
        k = torch.arange(1, FREQUENCIES + 1, device=t.device)
        angle = math.pi * k * t[:, None]
        return self.layers(torch.cat([angle.cos(), angle.sin()], dim=1))


class ModulatedBlock(nn.Module):
    """x + Conv(SiLU(Conv(norm(x + Linear(embedding))))).

    Args:
        width: Channels.
        embedding: Length of the time embedding.
        layer_norm: Whether there is a norm.
        latitude: What is beyond the poles.
    """

    def __init__(
        self, width: int, embedding: int, layer_norm: bool, latitude: LatitudePadding
    ) -> None:
        super().__init__()
        self.modulation = nn.Linear(embedding, width)
        self.residual = nn.Sequential(
            ChannelNorm() if layer_norm else nn.Identity(),
            SphereConvolution(width, width, 3, latitude=latitude),
            nn.SiLU(),
            SphereConvolution(width, width, 3, latitude=latitude),
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(N, width, Y, X) and (N, embedding) to (N, width, Y, X)."""
        return x + self.residual(x + self.modulation(embedding)[:, :, None, None])


class ScoreUNet(nn.Module):
    """Estimates the noise in fields, each at its diffusion time.

    Each level halves the grid; on the way up the level's own features are added. Grids whose sizes
    are no multiples are extended, by reflection at the south pole and around the date line, and
    the result is cropped.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        widths: Features of each level, finest first.
        blocks: Blocks of each level on the way down, and as many on the way up.
        embedding: Length of the time embedding.
        layer_norm: Whether features are normalised over channels.
        latitude: What is beyond the poles.

    Raises:
        TaskError: When a size is not positive.

    References:
        Rozet and Louppe (2023), Score-based Data Assimilation, NeurIPS 36.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int] = (96, 192, 384),
        blocks: int = 3,
        embedding: int = 64,
        layer_norm: bool = True,
        latitude: LatitudePadding = "reflect",
    ) -> None:
        super().__init__()
        if not widths or min(*widths, blocks, embedding) < 1:
            raise TaskError(
                "A U-Net needs at least one width, and all its sizes positive; got widths "
                f"{list(widths)}, blocks {blocks}, embedding {embedding}."
            )
        self.checkpointing = False
        self.multiple = smallest_multiple(widths)

        def conv(inputs: int, outputs: int, stride: int = 1) -> SphereConvolution:
            return SphereConvolution(inputs, outputs, 3, stride=stride, latitude=latitude)

        def level(width: int) -> nn.ModuleList:
            return nn.ModuleList(
                ModulatedBlock(width, embedding, layer_norm, latitude) for _ in range(blocks)
            )

        def up(coarse: int, fine: int) -> nn.Sequential:
            norm = ChannelNorm() if layer_norm else nn.Identity()
            return nn.Sequential(norm, nn.Upsample(scale_factor=2), conv(coarse, fine))

        steps = list(zip(widths[:-1], widths[1:], strict=True))
        self.time = TimeEmbedding(embedding)
        self.first, self.last = conv(inputs, widths[0]), conv(widths[0], outputs)
        self.descent = nn.ModuleList(level(width) for width in widths)
        self.ascent = nn.ModuleList(level(width) for width in widths)
        self.downs = nn.ModuleList(conv(fine, coarse, stride=2) for fine, coarse in steps)
        self.ups = nn.ModuleList(up(coarse, fine) for fine, coarse in steps)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        """The noise in x.

        Args:
            x: (*, inputs, Y, X).
            t: Diffusion times that broadcast to (*).
            context: Added to the first features: (*, widths[0], Y, X), leading sizes broadcast.

        Returns:
            (*, outputs, Y, X).
        """
        leading, (rows, columns) = x.shape[:-3], x.shape[-2:]
        embedding = self.time(t.expand(leading).flatten())
        h = self.first(pad_to_multiple(x.flatten(0, -4), self.multiple))
        if context is not None:
            shape = context.shape[:-3]
            padded = pad_to_multiple(context.to(h.dtype).flatten(0, -4), self.multiple)
            h = (h.unflatten(0, leading) + padded.unflatten(0, shape)).flatten(0, -4)
        fine = []
        for number, blocks in enumerate(self.descent):
            if number:
                fine.append(h)
                h = self.downs[number - 1](h)
            h = self._run(blocks, h, embedding)
        for number in reversed(range(len(self.ascent))):
            h = self._run(self.ascent[number], h, embedding)
            if number:
                h = fine.pop() + self.ups[number - 1](h)
        return self.last(h)[..., :rows, :columns].unflatten(0, leading)

    def _run(self, blocks: nn.Module, h: Tensor, embedding: Tensor) -> Tensor:
        for block in blocks:  # type: ignore[attr-defined]
            h = run_block(block, h, embedding, checkpointing=self.checkpointing)
        return h


def smallest_multiple(widths: Sequence[int]) -> int:
    """The U-Net extends the grid to multiples of this, by which its coarsest level is coarser."""
    return 2 ** (len(widths) - 1)


def require_levels(widths: Sequence[int], grid: Grid) -> None:
    """Refuse a U-Net whose coarsest level would have a single row or column.

    Raises:
        TaskError: When the grid is too small.
    """
    if min(grid.shape) <= smallest_multiple(widths):
        raise TaskError(
            f"{len(widths)} levels halve the grid {len(widths) - 1} times, which is too much for "
            f"{grid}; give fewer widths than {list(widths)}."
        )
