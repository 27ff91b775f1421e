"""`FNP`, a Fourier neural process: streams of each variable, aligned and merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.coordinates.variables import variable_groups
from dambench_hub.models.layers.checks import require_choice, require_odd, require_positive
from dambench_hub.models.layers.convolution import PointwiseConvolution, SphereConvolution
from dambench_hub.models.layers.set_convolution import SetConvolution
from dambench_hub.models.layers.spectral import SpectralConvolution, require_resolved
from dambench_hub.models.layers.sphere import Norm, resize_sphere
from dambench_hub.models.learned import Inputs
from dambench_hub.models.neural_process import (
    FeatureStream,
    NeuralProcess,
    SeparableBlock,
    pointwise_perceptron,
    predicted_std,
)

Selection = Literal["far", "near"]
"""Which of two streams the fused one is merged with: the farther from it, or the nearer."""


class FNP(NeuralProcess):
    """Corrects the background by a Gaussian at each grid point.

    Each group of channels (the surface; each upper-air variable) has a branch of its own, and all
    channels together have one more. A branch encodes background and observations apart, fuses them
    and, at each point, merges the result with one of the two (dynamic alignment and merging). The
    features of a group and those of all channels give the group's increment. A context is added
    to the fused features of every branch, the same to each.

    Args:
        channels: Names of the C channels, in order.
        grid: Y×X grid with poles, as text.
        width: Channels of each stream, K of the context.
        depth: Blocks of each stream.
        kernel: Width of their kernels, odd, in grid points.
        set_kernel: Width of the kernels that gather the observations, odd.
        merge_kernel: Width of the kernels that merge, odd.
        modes: Waves along latitude and longitude that the Fourier layers see.
        hidden_layers: Of each decoder.
        dam_select: Merge with the stream that is farther, as published, or nearer.
        use_fourier: Blocks with Fourier layers; without, published with depth 12.
        increments: Work on innovations and increments, in units of the background error.
        norm: Normalisation in the blocks: batch, group or none.
        upstream_padding: End longitude in zeros, as the published code does, instead of wrapping.

    Raises:
        TaskError: When a size is out of range, or the grid does not resolve the modes.

    References:
        Chen et al. (2024), FNP: Fourier Neural Processes for Arbitrary-Resolution Data
        Assimilation, NeurIPS.
    """

    name: ClassVar[str] = "fnp"
    grouped: Tensor
    ungrouped: Tensor

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        width: int = 128,
        depth: int = 4,
        kernel: int = 9,
        set_kernel: int = 11,
        merge_kernel: int = 9,
        modes: int = 12,
        hidden_layers: int = 4,
        dam_select: Selection = "far",
        use_fourier: bool = True,
        increments: bool = False,
        norm: Norm = "batch",
        upstream_padding: bool = False,
    ) -> None:
        super().__init__(channels=channels, grid=grid, increments=increments)
        require_positive(width=width, depth=depth, hidden_layers=hidden_layers)
        require_odd(kernel=kernel, set_kernel=set_kernel, merge_kernel=merge_kernel)
        require_choice("dam_select", dam_select, get_args(Selection))
        if use_fourier:
            require_resolved(modes, *self.grid.shape)
        periodic = not upstream_padding

        def stream(count: int, mix: bool) -> FeatureStream:
            gather = SetConvolution(count, set_kernel, mix=mix, periodic=periodic)
            blocks: list[nn.Module] = []
            for _ in range(depth):
                local = SeparableBlock(
                    width, kernel, activation=functional.silu, norm=norm, periodic=periodic
                )
                blocks.append(FourierBlock(local, width, modes) if use_fourier else local)
            return FeatureStream(gather, width, blocks)

        groups = variable_groups(self.channels)
        sizes = [len(group) for group in groups.values()]
        order = torch.tensor([at for group in groups.values() for at in group])
        self.register_buffer("grouped", order, persistent=False)
        self.register_buffer("ungrouped", order.argsort(), persistent=False)
        self.sizes, self.width = sizes, width
        self.branches = nn.ModuleList(
            Branch(
                stream(count, mix),
                stream(count, mix),
                SphereConvolution(2 * width, width, merge_kernel, periodic=periodic),
                dam_select,
            )
            for count, mix in [*((size, False) for size in sizes), (sum(sizes), True)]
        )
        self.decoders = nn.ModuleList(
            pointwise_perceptron(2 * width, width, 2 * size, hidden_layers) for size in sizes
        )

    def predict(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the state, (B, C, Y, X) each, float32."""
        fields = (inputs.background, inputs.observations, inputs.observed)
        split = zip(*(self._split(field) for field in fields), strict=True)
        *features, shared = (
            branch(*parts, inputs.context)
            for branch, parts in zip(self.branches, split, strict=True)
        )
        decoded = [
            decoder(torch.cat([own, shared], 1)).chunk(2, 1)
            for decoder, own in zip(self.decoders, features, strict=True)
        ]
        increment, raw_std = (
            torch.cat(parts, 1)[:, self.ungrouped] for parts in zip(*decoded, strict=True)
        )
        return inputs.prior + increment.float(), predicted_std(raw_std)

    def _split(self, field: Tensor) -> tuple[Tensor, ...]:
        """The channels of each branch: of each group, and all."""
        grouped = field[:, self.grouped]
        return (*grouped.split(self.sizes, 1), grouped)


class FourierBlock(nn.Module):
    """h' = local(h) + spectral(h) + h.

    Args:
        local: A residual block of `width` channels.
        width: Channels in and out.
        modes: Waves that the spectral convolution keeps.
    """

    def __init__(self, local: nn.Module, width: int, modes: int) -> None:
        super().__init__()
        self.local = local
        self.spectral = SpectralConvolution(width, modes)

    def forward(self, h: Tensor) -> Tensor:
        """(B, width, Y, X) to the same shape."""
        return self.local(h) + self.spectral(h) + h


class Branch(nn.Module):
    """Background and observations of some channels as one map of features.

    Args:
        observations: Stream of the observations, of r channels.
        background: Stream of the background, of r channels.
        merge: Convolution from 2·r channels to r.
        select: Which of the two the fused features are merged with at a point.
    """

    def __init__(
        self,
        observations: FeatureStream,
        background: FeatureStream,
        merge: SphereConvolution,
        select: Selection,
    ) -> None:
        super().__init__()
        self.observations, self.background, self.merge = observations, background, merge
        self.fuse = PointwiseConvolution(merge.in_channels, merge.out_channels)
        self.select = select

    def forward(
        self, background: Tensor, observations: Tensor, observed: Tensor, context: Tensor | None
    ) -> Tensor:
        """(B, C, Y, X) each, observations on any grid, and context (B, r, Y, X) to that shape."""
        of_background = self.background(background)
        of_observations = self.observations(observations, observed)
        of_observations = resize_sphere(of_observations, *of_background.shape[-2:])
        fused = self.fuse(torch.cat([of_observations, of_background], 1))
        if context is not None:
            fused = fused + context
        with torch.no_grad():
            farther = _distance(fused, of_observations) > _distance(fused, of_background)
            take_observations = farther if self.select == "far" else ~farther
        selected = torch.where(take_observations, of_observations, of_background)
        return self.merge(torch.cat([selected, fused], 1))


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance of features at each point, (B, 1, Y, X), float32."""
    return torch.linalg.vector_norm(a.float() - b.float(), dim=1, keepdim=True)
