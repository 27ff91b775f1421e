"""Set convolutions smooth what is observed, and say how much that was."""

import pytest
import torch

from dambench_hub.models.layers.set_convolution import SetConvolution

EVERY = [(mix, periodic) for mix in (False, True) for periodic in (False, True)]


@pytest.mark.parametrize(("mix", "periodic"), EVERY)
@pytest.mark.parametrize("kernel", [5, 9])
def test_without_a_mask_all_points_are_observed(mix, periodic, kernel):
    layer = SetConvolution(3, kernel, mix=mix, periodic=periodic)
    x = torch.randn(2, 3, 9, 16)
    torch.testing.assert_close(layer(x), layer(x, torch.ones_like(x)))


@pytest.mark.parametrize("mix", [False, True])
def test_a_constant_is_kept_wherever_a_point_is_near(mix):
    layer = SetConvolution(3, 5, mix=mix, periodic=True)
    observed = (torch.rand(2, 1, 9, 16) < 0.05).float().expand(2, 3, 9, 16)
    field, density = layer(torch.full((2, 3, 9, 16), 4.0), observed).chunk(2, 1)
    near = density > 1e-3
    torch.testing.assert_close(field[near], torch.full_like(field[near], 4.0))
    assert field[density == 0].eq(0).all() and (density >= 0).all()
    assert near.any() and (~near).any()


def test_nothing_observed_gives_zeros_and_finite_gradients():
    layer = SetConvolution(3, 5, mix=False, periodic=True)
    zeros = torch.zeros(1, 3, 9, 16)
    features = layer(zeros + 7, zeros)
    assert features.eq(0).all()
    features.sum().backward()
    assert layer.weight.grad.isfinite().all()


def test_the_sign_of_weights_does_not_matter():
    layer = SetConvolution(2, 3, mix=False, periodic=True)
    x = torch.randn(1, 2, 9, 16)
    before = layer(x)
    layer.weight.data.neg_()
    assert torch.equal(layer(x), before)
