"""The fast depthwise convolution is the plain one, forward and backward."""

import pytest
import torch
from torch.nn import functional

from dambench_hub.models.layers.convolution import (
    PointwiseConvolution,
    SphereConvolution,
    depthwise_convolution,
)

PERIODIC = pytest.mark.parametrize("periodic", [True, False])


def plain(x, weight, bias, periodic):
    half = weight.shape[-1] // 2
    x = functional.pad(x, (half, half, 0, 0), mode="circular" if periodic else "constant")
    return functional.conv2d(x, weight, bias, padding=(half, 0), groups=len(weight))


@PERIODIC
@pytest.mark.parametrize("kernel", [3, 5, 7, 9, 11])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_plain_one(kernel, periodic, memory):
    x = torch.randn(2, 3, 9, 16, dtype=torch.double).to(memory_format=memory).requires_grad_()
    weight = torch.randn(3, 1, kernel, kernel, dtype=torch.double, requires_grad=True)
    bias = torch.randn(3, dtype=torch.double, requires_grad=True)
    results = [f(x, weight, bias, periodic) for f in (depthwise_convolution, plain)]
    torch.testing.assert_close(*results)
    factor = torch.randn_like(x)
    ours, theirs = (
        torch.autograd.grad((result * factor).sum(), (x, weight, bias)) for result in results
    )
    torch.testing.assert_close(ours, theirs)


@PERIODIC
def test_gradients(periodic):
    x = torch.randn(2, 2, 4, 6, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 1, 5, 5, dtype=torch.double, requires_grad=True)
    bias = torch.randn(2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *arguments: depthwise_convolution(*arguments, periodic), (x, weight, bias)
    )


def test_the_layer_compiles_and_takes_half_precision():
    layer = SphereConvolution(4, 4, 5, groups=4)
    x = torch.randn(2, 4, 9, 16, requires_grad=True)
    compiled = torch.compile(layer, backend="aot_eager")
    torch.testing.assert_close(compiled(x), layer(x))
    compiled(x).sum().backward()
    assert layer.weight.grad.isfinite().all()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("groups", [1, 2, 4])
@PERIODIC
def test_any_groups_keep_the_grid(groups, periodic):
    layer = SphereConvolution(4, 8, 3, groups=groups, periodic=periodic)
    x = torch.randn(1, 4, 9, 16)
    rolled = layer(x.roll(3, -1))
    assert rolled.shape == (1, 8, 9, 16)
    assert torch.allclose(rolled, layer(x).roll(3, -1), atol=1e-6) == periodic


def test_a_pointwise_convolution_sees_one_point():
    layer = PointwiseConvolution(3, 2)
    x = torch.randn(2, 3, 9, 16)
    wanted = torch.einsum("oi,biyx->boyx", layer.weight[:, :, 0, 0], x)
    torch.testing.assert_close(layer(x), wanted + layer.bias[:, None, None])
