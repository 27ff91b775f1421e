"""The U-Net of score-based methods."""

import pytest
import torch

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import TaskError
from dambench_hub.models.layers.convolution import SphereConvolution
from dambench_hub.models.layers.score_unet import (
    ChannelNorm,
    ScoreUNet,
    TimeEmbedding,
    require_levels,
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ScoreUNet(5, 3, widths=(4, 8), blocks=1, embedding=8)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((11, 10), 22_874_922),
        ((69, 69, (64, 128, 256)), 10_312_197),
        ((25, 25, (32, 64, 128), 3, 64, False), 2_636_441),
        ((19, 19, (16, 32), 2, 32), 130_323),
        ((8, 8, (16, 32), 2, 32), 127_144),
    ],
)
def test_parameter_counts(arguments, wanted):
    with torch.device("meta"):
        network = ScoreUNet(*arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == wanted


@pytest.mark.parametrize("grid", [(121, 240), (61, 120), (33, 64), (9, 16)])
@pytest.mark.parametrize("leading", [(2,), (2, 3)])
def test_any_grid_and_leading_sizes(grid, leading):
    with torch.device("meta"):
        network = ScoreUNet(5, 3, widths=(4, 8, 8), blocks=1, embedding=8)
        noise = network(torch.zeros(*leading, 5, *grid), torch.zeros(2, *[1] * (len(leading) - 1)))
    assert noise.shape == (*leading, 3, *grid)


def test_leading_sizes_are_so_many_fields(network):
    x, t = torch.randn(2, 3, 5, 9, 16), torch.rand(2, 1)
    together = network(x, t)
    apart = network(x.flatten(0, 1), t.expand(2, 3).flatten())
    assert torch.equal(together.flatten(0, 1), apart)
    torch.testing.assert_close(together[1, 2], network(x[1, 2:], t[1])[0], rtol=1e-4, atol=1e-5)


def test_a_roll_in_longitude_rolls_the_noise(network):
    x, t = torch.randn(1, 5, 9, 16), torch.tensor(0.3)
    rolled = network(x.roll(6, -1), t)
    torch.testing.assert_close(rolled, network(x, t).roll(6, -1), rtol=1e-4, atol=1e-5)


def test_the_poles_are_apart_unless_as_published():
    x = torch.zeros(1, 1, 9, 16)
    x[..., -1, :] = 1
    for latitude in ("reflect", "circular"):
        conv = SphereConvolution(1, 1, 3, latitude=latitude)
        torch.nn.init.ones_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
        assert conv(x)[..., 0, :].any() == (latitude == "circular")


def test_padding_is_that_of_the_field():
    """What is cropped again has not moved the rest: a network that copies, copies."""
    network = ScoreUNet(2, 2, widths=(2, 4, 8), blocks=1, embedding=8)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    for conv in (network.first, network.last):
        torch.nn.init.dirac_(conv.weight)
    x = torch.randn(1, 2, 9, 18)
    assert torch.equal(network(x, torch.tensor(0.5)), x)


def test_channels_are_normalised_at_each_point():
    x = ChannelNorm()(3 + 2 * torch.randn(2, 8, 4, 5))
    torch.testing.assert_close(x.mean(1), torch.zeros(2, 4, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.var(1), torch.ones(2, 4, 5), atol=1e-3, rtol=0)


def test_the_time_matters(network):
    x = torch.randn(1, 5, 9, 16)
    assert not torch.equal(network(x, torch.tensor(0.1)), network(x, torch.tensor(0.9)))
    assert TimeEmbedding(8)(torch.rand(3)).shape == (3, 8)


def test_context_of_zeros_is_none(network):
    x, t = torch.randn(2, 3, 5, 9, 16), torch.rand(2, 1)
    assert torch.equal(network(x, t), network(x, t, torch.zeros(2, 1, 4, 9, 16)))
    assert not torch.equal(network(x, t), network(x, t, torch.ones(2, 1, 4, 9, 16)))


def test_checkpointing_changes_no_gradient(network):
    x, t = torch.randn(2, 5, 9, 16), torch.rand(2)
    gradients = []
    for network.checkpointing in (False, True):
        network.zero_grad()
        network(x, t).square().mean().backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.equal(plain, recomputed)


def test_half_precision(network):
    x, t = torch.randn(2, 5, 9, 16), torch.rand(2)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(x, t)
    torch.testing.assert_close(half.float(), network(x, t), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("change", [{"widths": ()}, {"blocks": 0}, {"widths": (4, 0)}])
def test_wrong_sizes_are_refused(change):
    with pytest.raises(TaskError, match="all its sizes positive"):
        ScoreUNet(5, 3, **change)


def test_too_many_levels_are_refused():
    require_levels((4, 4, 4), Grid(9, 16))
    with pytest.raises(TaskError, match="too much for 9x16"):
        require_levels((4,) * 5, Grid(9, 16))
