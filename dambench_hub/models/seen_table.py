"""A table of observations as networks see it: values without units, and H with a gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dambench_hub.models.layers.point_interpolation import PointInterpolationLayer
from dambench_hub.observations.point_interpolation import PointInterpolation


@dataclass(frozen=True, eq=False)
class SeenTable:
    """R rows of which a state says something, in the units that the state of a network has there.

    With x = x₀ + s x̂, x̂ the network's state, and u = H s the unit of a row, ŷ = (y − H x₀) / u is
    compared with H s x̂ / u. On a grid point and level u is s, and this is x̂ itself.

    Attributes:
        values: ŷ, (R,).
        error_std: Of ŷ, (R,).
        layer: H.
        scale: s, (C, 1, 1).
        unit: u, (R,).
    """

    values: Tensor
    error_std: Tensor
    layer: PointInterpolationLayer
    scale: Tensor
    unit: Tensor

    def __call__(self, state: Tensor) -> Tensor:
        """H s x̂ / u of states x̂, (*, C, Y, X) to (*, R)."""
        return self.layer(self.scale * state.float()) / self.unit


def see_table(
    H: PointInterpolation, origin: Tensor, scale: Tensor, least_error: Tensor
) -> SeenTable:
    """The rows of a table of which a state says something, at the stations' heights.

    Args:
        H: Operator of the observations of one sample.
        origin: x₀, (C, Y, X) or (C, 1, 1).
        scale: s, (C, 1, 1).
        least_error: That an error is raised to where it is smaller, (C,), units of the channels.
    """
    layer = PointInterpolationLayer(H.index[H.seen], H.weight[H.seen]).to(scale.device)
    unit, least = (layer(of.expand(H.state_shape)) for of in (scale, least_error[:, None, None]))
    value, error_std = (
        torch.from_numpy(column[H.seen]).to(scale)
        for column in (H.table.value - H.offset, H.table.error_std)
    )
    return SeenTable(
        values=(value - layer(origin.expand(H.state_shape))) / unit,
        error_std=error_std.maximum(least) / unit,
        layer=layer,
        scale=scale,
        unit=unit,
    )
