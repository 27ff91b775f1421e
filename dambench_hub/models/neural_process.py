"""What neural processes on a grid are made of: streams of residual blocks, and a Gaussian."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dambench_hub.data.batch import Analysis
from dambench_hub.models.layers.convolution import PointwiseConvolution, SphereConvolution
from dambench_hub.models.layers.set_convolution import SetConvolution
from dambench_hub.models.layers.sphere import Norm, normalisation, run_block
from dambench_hub.models.learned import Inputs, LearnedAssimilator

SMALLEST_STD = 0.01
"""Floor of the predicted standard deviation, in units of a channel's variability."""


class NeuralProcess(LearnedAssimilator):
    """A method that predicts a Gaussian at each grid point, and learns by its likelihood.

    Attributes:
        width: Channels of its features, K of the context.
    """

    width: int

    @abstractmethod
    def predict(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the state, (B, C, Y, X) each, float32."""

    @property
    def context_shape(self) -> tuple[int, int, int]:
        """(width, Y, X)."""
        return (self.width, *self.grid.shape)

    def loss(self, inputs: Inputs) -> Tensor:
        """Negative log-likelihood of the reference, nats per value."""
        assert inputs.reference is not None
        return gaussian_loss(*self.predict(inputs), inputs.reference)

    def analyse(self, inputs: Inputs) -> Analysis:
        """Mean and standard deviation of the Gaussian."""
        mean, std = self.predict(inputs)
        return Analysis(mean, std)


class SeparableBlock(nn.Module):
    """Two separable convolutions around a residual connection.

    p = P₁ D₁ a(n₁ h), q = D₂ a(n₂ p), h' = P₂ (q + h), with normalisations n, activation a,
    depthwise k×k convolutions D and pointwise ones P.

    Args:
        width: Channels in and out.
        kernel: k, odd.
        activation: a.
        norm: Kind of n.
        periodic: Longitude wraps around.
    """

    def __init__(
        self,
        width: int,
        kernel: int,
        *,
        activation: Callable[[Tensor], Tensor],
        norm: Norm,
        periodic: bool,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.norms = nn.ModuleList(normalisation(norm, width) for _ in range(2))
        self.depthwise = nn.ModuleList(
            SphereConvolution(width, width, kernel, groups=width, periodic=periodic)
            for _ in range(2)
        )
        self.pointwise = nn.ModuleList(PointwiseConvolution(width, width) for _ in range(2))

    def forward(self, h: Tensor) -> Tensor:
        """(B, width, Y, X) to the same shape."""
        p = self.pointwise[0](self.depthwise[0](self.activation(self.norms[0](h))))
        q = self.depthwise[1](self.activation(self.norms[1](p)))
        return self.pointwise[1](q + h)


class FeatureStream(nn.Module):
    """From values at points to features on their grid.

    Args:
        gather: From values and points to a field and a density of each channel.
        width: Channels out.
        blocks: Of `width` channels.
        latitude: Tell the blocks the latitude.
    """

    def __init__(
        self,
        gather: SetConvolution,
        width: int,
        blocks: Sequence[nn.Module],
        latitude: bool = False,
    ) -> None:
        super().__init__()
        self.gather = gather
        self.latitude = latitude
        known = 2 * gather.out_channels + (2 if latitude else 0)
        self.embed = PointwiseConvolution(known, width)
        self.blocks = nn.ModuleList(blocks)
        self.checkpointing = False

    def forward(self, values: Tensor, observed: Tensor | None = None) -> Tensor:
        """(B, C, Y, X) each to (B, width, Y, X); without `observed`, all are points."""
        features = self.gather(values, observed)
        if self.latitude:
            features = torch.cat([features, latitude_channels(features)], 1)
        h = self.embed(features)
        for block in self.blocks:
            h = run_block(block, h, checkpointing=self.checkpointing)
        return h


def latitude_channels(like: Tensor) -> Tensor:
    """Sine and cosine of the latitude, (B, 2, Y, X), for a field (B, *, Y, X)."""
    batch, _, rows, columns = like.shape
    latitude = torch.linspace(torch.pi / 2, -torch.pi / 2, rows, device=like.device)
    channels = torch.stack([latitude.sin(), latitude.cos()])
    return channels.to(like.dtype)[:, :, None].expand(batch, 2, rows, columns)


def pointwise_perceptron(channels: int, width: int, outputs: int, layers: int) -> nn.Sequential:
    """A perceptron with ReLU at each grid point, hidden layers no narrower than both its ends.

    Biases start at 0, and the weights of the last layer as Kaiming (uniform) says.

    Args:
        channels: In.
        width: Of the hidden layers, at least.
        outputs: Out.
        layers: Number of hidden layers.
    """
    width = max(width, min(channels, outputs))
    sizes = [channels, *[width] * layers, outputs]
    linear = [PointwiseConvolution(*pair) for pair in pairwise(sizes)]
    for layer in linear:
        nn.init.zeros_(cast(Tensor, layer.bias))
    nn.init.kaiming_uniform_(linear[-1].weight, nonlinearity="relu")
    return nn.Sequential(*[each for layer in linear for each in (layer, nn.ReLU())][:-1])


def predicted_std(raw: Tensor) -> Tensor:
    """A standard deviation from any number, at least `SMALLEST_STD`, in float32."""
    return SMALLEST_STD + (1 - SMALLEST_STD) * functional.softplus(raw.float())


def gaussian_loss(mean: Tensor, std: Tensor, reference: Tensor) -> Tensor:
    """−log N(reference; mean, std²), the mean over all values, nats per value, in float32."""
    departure = (reference - mean) / std
    return (0.5 * departure.square() + std.log()).mean() + 0.5 * math.log(2 * math.pi)
