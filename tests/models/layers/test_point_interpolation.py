"""The torch form of the operator of tables: the same numbers, and its gradient is the adjoint."""

import numpy as np
import pytest
import torch

from dambench_hub.coordinates.grids import Grid
from dambench_hub.models.layers.point_interpolation import PointInterpolationLayer
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.table import ObservationTable

CHANNELS, GRID = ("t2m", "t500", "t850"), Grid(9, 16)


@pytest.fixture
def H(rng):
    variable = np.tile(["t2m", "t", "u10"], 20)
    table = ObservationTable.from_columns(
        time=np.datetime64("2020-01-01"),
        latitude=rng.uniform(-90, 90, 60),
        longitude=rng.uniform(0, 360, 60),
        pressure=np.where(variable == "t", rng.uniform(4e4, 8e4, 60), np.nan),
        variable=variable,
        value=0.0,
        error_std=1.0,
        station="A",
        report="temp",
    )
    return PointInterpolation(CHANNELS, GRID, table)


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_it_is_the_operator_and_its_gradient_the_adjoint(H, leading, rng):
    layer = PointInterpolationLayer(H.index, H.weight, torch.float64)
    x, y = rng.normal(size=(*leading, *H.state_shape)), rng.normal(size=(*leading, 60))
    state = torch.from_numpy(x).requires_grad_()
    seen = layer(state)
    np.testing.assert_allclose(seen.detach(), H(x), atol=1e-12)
    (seen * torch.from_numpy(y)).sum().backward()
    np.testing.assert_allclose(state.grad, H.adjoint(y), atol=1e-12)


def test_single_precision_and_no_trace_in_a_checkpoint(H, rng):
    layer = PointInterpolationLayer(H.index, H.weight)
    x = rng.normal(size=(2, *H.state_shape)).astype(np.float32)
    seen = layer(torch.from_numpy(x))
    assert seen.dtype == torch.float32 and not layer.state_dict()
    np.testing.assert_allclose(seen, H(x), atol=1e-6)
