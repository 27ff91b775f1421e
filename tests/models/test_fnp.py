"""Laws of the Fourier neural process alone; the others are in test_neural_process.py."""

import pytest
import torch

from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import TaskError
from dambench_hub.models.fnp import FNP, Branch, FourierBlock
from dambench_hub.models.learned import Inputs

TINY = {
    "grid": "32x64",
    "width": 16,
    "depth": 2,
    "kernel": 5,
    "set_kernel": 5,
    "merge_kernel": 5,
    "modes": 6,
}
SMALL = TINY | {"grid": "9x16", "modes": 4, "depth": 1}


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ({}, 552_100_198),
        ({"width": 64}, 139_230_182),
        ({"use_fourier": False, "depth": 12}, 29_725_030),
    ],
)
def test_the_published_sizes(sizes, count):
    with torch.device("meta"):
        model = FNP(channels=STANDARD_CHANNELS, grid="121x240", **sizes)
    assert model.parameter_count == count


def test_the_tiny_size(world):
    with torch.device("meta"):
        assert FNP(channels=world.channels, **TINY).parameter_count == 1_196_286


@pytest.mark.parametrize("increments", [False, True])
def test_without_correction_it_is_the_background(small_world, increments):
    model = FNP(channels=small_world.channels, **SMALL, increments=increments).eval()
    for decoder in model.decoders:
        for parameter in decoder[-1].parameters():
            torch.nn.init.zeros_(parameter)
    model.set_statistics(small_world.statistics)
    batch = small_world.batch(2)
    assert torch.equal(model.assimilate(batch).mean, torch.from_numpy(batch.background))


def test_channels_come_out_in_the_order_they_came_in():
    """The same network, its channels in another order, gives the same analysis in that order."""
    names = ["t850", "z500", "t2m", "z850", "msl"]
    order = [2, 4, 1, 3, 0]
    model = FNP(channels=names, **SMALL).eval()
    other = FNP(channels=[names[n] for n in order], **SMALL).eval()
    other.load_state_dict(model.state_dict())
    field = torch.randn(1, 5, 9, 16)
    ours, theirs = model.predict(made_of(field)), other.predict(made_of(field[:, order]))
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine[:, order], its)


def made_of(field):
    one = torch.ones(field.shape[1])
    return Inputs(field, field, field, torch.ones_like(field), one, one, noise=None)


class Given(torch.nn.Module):
    """A stream whose features are its input."""

    def forward(self, values, observed=None):
        return values


@pytest.mark.parametrize(("select", "taken"), [("far", 0), ("near", 1)])
def test_dynamic_alignment_takes_the_source_it_is_told(select, taken):
    """The fused features are the background's here, so the observations are farther."""
    branch = Branch(Given(), Given(), torch.nn.Conv2d(4, 2, 1), select)
    background, observations = torch.randn(2, 1, 2, 9, 16)
    with torch.no_grad():
        branch.fuse.weight.copy_(torch.cat([torch.zeros(2, 2), torch.eye(2)], 1)[:, :, None, None])
        branch.fuse.bias.zero_()
        branch.merge.weight.copy_(torch.cat([torch.eye(2), torch.zeros(2, 2)], 1)[:, :, None, None])
        branch.merge.bias.zero_()
        merged = branch(background, observations, torch.ones_like(observations), None)
    torch.testing.assert_close(merged, (observations, background)[taken])


def test_a_fourier_block_without_spectral_weights_is_local():
    local = torch.nn.Conv2d(4, 4, 1)
    block = FourierBlock(local, 4, 2)
    torch.nn.init.zeros_(block.spectral.real)
    torch.nn.init.zeros_(block.spectral.imaginary)
    h = torch.randn(1, 4, 9, 16)
    torch.testing.assert_close(block(h), local(h) + h)


def test_without_fourier_layers_far_points_do_not_matter(small_world):
    sizes = TINY | {"grid": "9x64", "depth": 1, "kernel": 3, "set_kernel": 3, "modes": 4}
    field = torch.randn(1, 1, 9, 64)
    changed = field.clone()
    changed[..., 32] += 1
    for use_fourier in (True, False):
        model = FNP(channels=["t2m"], **sizes, use_fourier=use_fourier).eval()
        with torch.no_grad():
            means = [model.predict(made_of(x))[0][..., 0] for x in (field, changed)]
        assert torch.equal(*means) == (not use_fourier)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"modes": 5}, "modes must be from 1 to 4 on a grid of 9x16"),
        ({"merge_kernel": 2}, "merge_kernel must be odd"),
        ({"dam_select": "middle"}, "Unknown dam_select 'middle'"),
    ],
)
def test_wrong_options_are_refused(wrong, words):
    with pytest.raises(TaskError, match=words):
        FNP(channels=["t2m"], **SMALL | wrong)
