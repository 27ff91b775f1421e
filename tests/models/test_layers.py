"""Blocks that methods share."""

import pytest
import torch

from dambench_hub.models.layers import pad_sphere, pad_to_multiple, run_block


def test_longitude_wraps_and_latitude_does_not():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    padded = pad_sphere(x, 1, 2)
    assert padded.shape == (1, 1, 5, 8)
    assert padded[0, 0, 1].tolist() == [2, 3, 0, 1, 2, 3, 0, 1]
    assert padded[0, 0, 0].eq(0).all() and padded[0, 0, -1].eq(0).all()
    reflected = pad_sphere(x, 1, 0, "reflect")
    assert reflected[0, 0, 0].tolist() == x[0, 0, 1].tolist()


@pytest.mark.parametrize("shape", [(121, 240), (33, 64), (9, 15)])
def test_padding_to_multiples_keeps_the_field(shape):
    x = torch.randn(1, 2, *shape)
    padded = pad_to_multiple(x, 4, 4)
    assert padded.shape[-2] % 4 == padded.shape[-1] % 4 == 0
    assert torch.equal(padded[..., : shape[0], : shape[1]], x)


def test_checkpointing_changes_no_gradient():
    layer, x = torch.nn.Linear(3, 3), torch.randn(2, 3)
    gradients = []
    for checkpointing in (False, True):
        layer.zero_grad()
        run_block(layer, x, checkpointing=checkpointing).square().sum().backward()
        gradients.append(layer.weight.grad.clone())
    assert torch.equal(*gradients)
