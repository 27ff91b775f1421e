"""Laws of the convolutional neural process alone; the others are in test_neural_process.py."""

import pytest
import torch

from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.models.conv_cnp import ConvCNP
from dambench_hub.models.learned import Inputs

TINY = {
    "grid": "32x64",
    "width": 32,
    "depth": 4,
    "kernel": 5,
    "set_kernel": 5,
    "hidden_layers": 2,
}


def zero_decoder(model):
    for parameter in model.decoder[-1].parameters():
        torch.nn.init.zeros_(parameter)
    return model.eval()


@pytest.mark.parametrize(("width", "count"), [(512, 16_477_124), (128, 1_477_700)])
def test_the_published_sizes(width, count):
    with torch.device("meta"):
        model = ConvCNP(channels=STANDARD_CHANNELS, grid="121x240", width=width)
    assert model.parameter_count == count


def test_the_tiny_size(world):
    assert ConvCNP(channels=world.channels, **TINY).parameter_count == 40_124


@pytest.mark.parametrize("increments", [False, True])
def test_residual_without_correction_is_the_background(small_world, increments):
    sizes = TINY | {"grid": "9x16", "residual": True, "increments": increments}
    model = zero_decoder(ConvCNP(channels=small_world.channels, **sizes))
    model.set_statistics(small_world.statistics)
    batch = small_world.batch(2)
    assert torch.equal(model.assimilate(batch).mean, torch.from_numpy(batch.background))


def test_as_published_it_does_not_see_the_background_in_its_mean(small_world):
    model = zero_decoder(ConvCNP(channels=small_world.channels, **TINY | {"grid": "9x16"}))
    model.set_statistics(small_world.statistics)
    assert model.analyse(model.inputs(small_world.batch(1))).mean.eq(0).all()


def test_static_channels_tell_the_latitude(small_world):
    """On a field that is the same everywhere, one row in the middle is not like the others."""
    differences = []
    for static in (False, True):
        torch.manual_seed(0)
        sizes = TINY | {"grid": "33x16", "depth": 1, "static_channels": static}
        model = ConvCNP(channels=["t2m"], **sizes).eval()
        ones = torch.ones(1, 1, 33, 16)
        inputs = model_inputs(ones)
        mean = model.analyse(inputs).mean.detach()
        differences.append((mean[..., 12, :] - mean[..., 20, :]).abs().max())
    assert differences[0] < 1e-5 < differences[1]


def model_inputs(field):
    one = torch.ones(1)
    return Inputs(field, field, field, field, one, one, noise=None)
