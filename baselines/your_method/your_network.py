"""The same place for a learned method: a small convolutional network that gives the increment."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dambench_hub.data import Analysis
from dambench_hub.models.learned import Inputs, LearnedAssimilator


class YourNetwork(LearnedAssimilator):
    """x^a = x^b + N(x^b, y − x^b, observed), trained by the mean square error.

    Departures and increments are in units of the background error, the background in those of each
    channel's variability; the base class converts. Longitude wraps around.

    Args:
        channels: Names of the C channels, in order.
        grid: Y×X grid with poles, as text.
        width: Features of N.
        depth: Its hidden layers.
        kernel: Points across its convolutions, odd.
    """

    name = "your_network"

    def __init__(
        self,
        *,
        channels: Sequence[str],
        grid: str,
        width: int = 64,
        depth: int = 3,
        kernel: int = 7,
    ) -> None:
        super().__init__(channels=channels, grid=grid, increments=True)
        count = len(self.channels)
        layers = [convolution(3 * count, width, kernel), nn.GELU()]
        for _ in range(depth - 1):
            layers += [convolution(width, width, kernel), nn.GELU()]
        last = nn.Conv2d(width, count, 1)
        nn.init.zeros_(last.weight)  # so that it starts from the background
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(*layers, last)

    def analyse(self, inputs: Inputs) -> Analysis:
        """The analysis, in one pass."""
        fields = torch.cat([inputs.background, inputs.observations, inputs.observed], dim=1)
        return Analysis(inputs.prior + self.network(fields))

    def loss(self, inputs: Inputs) -> Tensor:
        """Mean square error of the analysis, each channel in units of its background error."""
        return (self.analyse(inputs).mean - inputs.reference).float().square().mean()


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """A convolution that keeps the grid: around the Earth, and with zeros beyond the poles."""
    edge = kernel // 2
    return nn.Sequential(
        nn.CircularPad2d((edge, edge, 0, 0)),
        nn.Conv2d(inputs, outputs, kernel, padding=(edge, 0)),
    )
