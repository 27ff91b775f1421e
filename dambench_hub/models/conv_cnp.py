"""`ConvCNP`, a convolutional conditional neural process on the grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from dambench_hub.models.layers.checks import require_odd, require_positive
from dambench_hub.models.layers.convolution import PointwiseConvolution
from dambench_hub.models.layers.set_convolution import SetConvolution
from dambench_hub.models.layers.sphere import Norm, resize_sphere
from dambench_hub.models.learned import Inputs
from dambench_hub.models.neural_process import (
    FeatureStream,
    NeuralProcess,
    SeparableBlock,
    pointwise_perceptron,
    predicted_std,
)


class ConvCNP(NeuralProcess):
    """Encodes background and observations apart, and decodes a Gaussian at each grid point.

    Its mean is the analysis itself, as published, or with `residual` a correction to the
    background. A context is added to the fused streams, before the decoder.

    Args:
        channels: Names of the C channels, in order.
        grid: Y×X grid with poles, as text.
        width: Channels of the streams, K of the context.
        depth: Residual blocks of each stream.
        kernel: Width of their kernels, odd, in grid points.
        set_kernel: Width of the kernels that gather the observations, odd.
        hidden_layers: Of the decoder.
        norm: Normalisation in the blocks: batch, group or none.
        residual: Decode a correction to the background.
        increments: Work on innovations and increments, in units of the background error.
        static_channels: Let the network know the latitude, as its sine and cosine.
        upstream_padding: End longitude in zeros, as the published code does, instead of wrapping.

    Raises:
        TaskError: When a size is out of range.

    References:
        Gordon et al. (2020), Convolutional Conditional Neural Processes, ICLR.
    """

    name: ClassVar[str] = "conv_cnp"

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        width: int = 512,
        depth: int = 12,
        kernel: int = 9,
        set_kernel: int = 11,
        hidden_layers: int = 4,
        norm: Norm = "batch",
        residual: bool = False,
        increments: bool = False,
        static_channels: bool = False,
        upstream_padding: bool = False,
    ) -> None:
        super().__init__(channels=channels, grid=grid, increments=increments)
        require_positive(width=width, depth=depth, hidden_layers=hidden_layers)
        require_odd(kernel=kernel, set_kernel=set_kernel)
        self.width, self.residual = width, residual
        count, periodic = len(self.channels), not upstream_padding

        def stream() -> FeatureStream:
            gather = SetConvolution(count, set_kernel, mix=False, periodic=periodic)
            blocks = [
                SeparableBlock(
                    width, kernel, activation=functional.relu, norm=norm, periodic=periodic
                )
                for _ in range(depth)
            ]
            return FeatureStream(gather, width, blocks, latitude=static_channels)

        self.observation_stream, self.background_stream = stream(), stream()
        self.fusion = PointwiseConvolution(2 * width, width)
        self.decoder = pointwise_perceptron(width, width, 2 * count, hidden_layers)

    def predict(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the state, (B, C, Y, X) each, float32."""
        background = self.background_stream(inputs.background)
        observations = self.observation_stream(inputs.observations, inputs.observed)
        observations = resize_sphere(observations, *background.shape[-2:])
        fused = self.fusion(torch.cat([observations, background], 1))
        if inputs.context is not None:
            fused = fused + inputs.context
        location, raw_std = self.decoder(fused).chunk(2, 1)
        mean = location.float()
        return inputs.prior + mean if self.residual else mean, predicted_std(raw_std)
