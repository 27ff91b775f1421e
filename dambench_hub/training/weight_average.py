"""`WeightAverage`: an exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """An average over recent steps, which is often the better model.

    After step n, w̄ ← w̄ + (1 − d) (w − w̄) with d = min(decay, (1 + n) / (10 + n)), so that the
    first steps are soon forgotten.

    Args:
        model: Its parameters are averaged; buffers are not.
        decay: 0 ≤ d < 1; with 0 the average is the present weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self.weights = {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in self.parameters.items():
            self.weights[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights within the `with` block, its own again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def load(self, weights: dict[str, Tensor]) -> None:
        """Go on from saved averages."""
        for name, values in weights.items():
            self.weights[name].copy_(values)

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.parameters.items():
            present = parameter.clone()
            parameter.copy_(self.weights[name])
            self.weights[name].copy_(present)
