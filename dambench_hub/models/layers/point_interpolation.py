"""`PointInterpolationLayer`: what observations anywhere would see of a field, with a gradient."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class PointInterpolationLayer(nn.Module):
    """The operator `observations.point_interpolation.PointInterpolation` on tensors.

    It belongs to one table of observations, so it is not kept in the state of a model.

    Args:
        index: `index` of the operator, places in a state of C·Y·X values, (R, 8).
        weight: `weight` of the operator, (R, 8).
        dtype: Of the weights and of the fields.
    """

    index: Tensor
    weight: Tensor

    def __init__(
        self, index: np.ndarray, weight: np.ndarray, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.register_buffer("index", torch.from_numpy(index).flatten(), persistent=False)
        self.register_buffer("weight", torch.from_numpy(weight).to(dtype), persistent=False)

    def forward(self, state: Tensor) -> Tensor:
        """H x of finite states, (*, C, Y, X) to (*, R); 0 for rows that are not seen."""
        corners = state.flatten(-3).index_select(-1, self.index)
        return (corners.unflatten(-1, self.weight.shape) * self.weight).sum(-1)
