"""Adas: official size, any channels and grid, its loss, and the laws of all learned methods."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import TaskError
from dambench_hub.models.adas import Adas, TokenConvolution
from dambench_hub.models.layers.patches import ChannelSlots

TINY = {"dim": 8, "heads": 2, "depth": 2}
SMALL_KERNELS = [[3, 3, 3]] * 3


def make(world, **changes):
    torch.manual_seed(0)
    model = Adas(channels=world.channels, grid=str(world.grid), **{**TINY, **changes})
    return model.set_statistics(world.statistics)


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def random_inputs(model, inputs):
    """Like `inputs`, with fields of the model's channels and grid."""
    fields = {
        name: torch.randn(2, len(model.channels), *model.grid.shape)
        for name in ("background", "prior", "observations", "reference")
    }
    ones = torch.ones(len(model.channels))
    observed = (fields["observations"] > 1).float()
    return replace(inputs, **fields, observed=observed, background_error_std=ones)


@pytest.fixture(scope="module")
def model(small_world):
    return make(small_world)


@pytest.fixture(scope="module")
def inputs(model, small_world):
    return model.inputs(small_world.batch(2), generator())


@pytest.fixture(scope="module")
def trained(world):
    model = make(world, depth=1, kernels=SMALL_KERNELS, increments=True)
    optimiser = torch.optim.AdamW(model.parameters(), 6e-3)
    for step in range(40):
        optimiser.zero_grad()
        model(world.batch(1, step % 8, redraw=step), generator(step)).backward()
        optimiser.step()
    return model


def test_the_official_size():
    with torch.device("meta"):
        official = Adas(channels=STANDARD_CHANNELS, grid="128x256")
        assert official.parameter_count == 64_465_977
        assert Adas(channels=STANDARD_CHANNELS, grid="121x240").parameter_count == 63_773_817

    def count(*modules):
        return sum(p.numel() for module in modules for p in module.parameters())

    stages = ("first", "second", "third", "fourth", "fifth")
    counts = [count(getattr(official, stage)) for stage in stages]
    assert counts == [3_365_808, 7_023_792, 20_088_240, 12_663_984, 6_491_184]
    parts = (official.embed, official.fuse, official.decoder, official.recover)
    assert [count(part) for part in parts] == [11_520, 2_903_136, 904_800, 3_465]


def test_the_tiny_size(world):
    with torch.device("meta"):
        tiny = Adas(channels=world.channels, grid="32x64", dim=16, heads=2, depth=2)
    assert tiny.parameter_count == 1_524_317


@pytest.mark.parametrize("grid", ["121x240", "33x64", "9x16", "9x10", "5x4"])
@pytest.mark.parametrize(
    "channels", [["z500", "z850", "t500", "t850"], ["t850", "u10", "z500"], ["msl"]]
)
def test_any_channels_on_any_grid(inputs, channels, grid):
    changes = {"dim": 2, "depth": 1, "kernels": SMALL_KERNELS}
    model = Adas(channels=channels, grid=grid, **{**TINY, **changes}).eval()
    with torch.no_grad():
        analysis = model.analyse(random_inputs(model, inputs)).mean
    assert analysis.shape == (2, len(channels), *model.grid.shape)
    assert analysis.isfinite().all() and analysis.dtype == torch.float32


def test_channels_go_to_their_slots_and_back():
    slots = ChannelSlots(["t850", "u10", "z500", "t2m", "z850"])
    state = torch.arange(1.0, 6.0).reshape(1, 5, 1, 1).expand(2, 5, 3, 4)
    upper, surface = slots.split(state)
    assert slots.depth == 3
    assert upper[0, :, :, 0, 0].tolist() == [[3, 0], [5, 1]]
    assert surface[0, :, :, 0, 0].tolist() == [[2, 4]]
    assert torch.equal(slots.join([upper, surface]), state)
    official = ChannelSlots(STANDARD_CHANNELS)
    assert official.depth == 14 and official.shapes == [(13, 5), (1, 4)]


def test_the_same_batch_and_generator_give_the_same(model, small_world):
    batch = small_world.batch(2)
    first, again = (model.assimilate(batch, generator()).mean for _ in range(2))
    assert torch.equal(first, again)
    losses = [model.train()(batch, generator(seed)) for seed in (1, 1, 2, 3, 4)]
    assert losses[0] == losses[1]
    assert len({loss.item() for loss in losses}) > 1


def test_samples_do_not_see_each_other(model, small_world):
    both = model.assimilate(small_world.batch(2)).mean
    alone = model.assimilate(small_world.batch(1, 1)).mean
    torch.testing.assert_close(both[1:], alone, rtol=1e-5, atol=1e-4)


def test_the_loss_is_a_mean_over_samples(model, small_world):
    model.train()
    both = model(small_world.batch(2), generator())
    alone = [model(small_world.batch(1, first), generator()) for first in (0, 1)]
    torch.testing.assert_close(both, sum(alone) / 2)


def test_only_observed_values_matter(model, inputs, small_world):
    batch = small_world.batch(2)
    spoilt = replace(batch, reference=np.full_like(batch.reference, np.nan))
    assert torch.equal(model.assimilate(batch).mean, model.assimilate(spoilt).mean)
    junk = inputs.observations.where(inputs.observed > 0, torch.nan)
    with torch.no_grad():
        model.eval()
        wanted, found = (
            model.analyse(i).mean for i in (inputs, replace(inputs, observations=junk))
        )
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_every_parameter_gets_a_gradient(small_world, density):
    model = make(small_world, stochastic_depth=0.5).train()
    model(small_world.batch(2, density=density), generator()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_checkpointing_changes_no_gradient(small_world):
    gradients = []
    for checkpointing in (False, True):
        model = make(small_world, stochastic_depth=0.5).train()
        model.set_checkpointing(checkpointing)
        model(small_world.batch(2), generator()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for kept, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, kept)


def test_the_loss_is_the_mean_error_with_equal_gradients(model, inputs):
    model.eval()
    errors = (model.analyse(inputs).mean - inputs.reference).abs().mean((-2, -1))
    loss = model.loss(inputs)
    torch.testing.assert_close(loss, errors.mean())
    weight = model.recover.parts[0].weight
    (found,) = torch.autograd.grad(loss, weight, retain_graph=True)
    equal = (errors.log() * errors.mean(1, keepdim=True).detach()).mean()
    (wanted,) = torch.autograd.grad(equal, weight)
    torch.testing.assert_close(found, wanted)


def test_a_context_of_zeros_changes_nothing(model, inputs):
    depth, rows, columns = model.context_shape
    assert (depth, rows, columns) == (8, 8, 8)
    zeros = torch.zeros(2, *model.context_shape)
    with torch.no_grad():
        model.eval()
        plain, nothing, something = (
            model.analyse(replace(inputs, context=context)).mean
            for context in (None, zeros, zeros + 1)
        )
    assert torch.equal(nothing, plain)
    assert not torch.allclose(something, plain)


@pytest.mark.parametrize("upstream_padding", [False, True])
def test_turning_the_sphere_turns_the_analysis(inputs, upstream_padding):
    """By whole windows of the coarsest tokens, 16 columns, without position embedding."""
    model = Adas(
        channels=["t2m", "z500", "t500"],
        grid="9x32",
        window=[2, 4, 2],
        upstream_padding=upstream_padding,
        **TINY,
    ).eval()
    torch.nn.init.zeros_(model.position)
    inputs = random_inputs(model, inputs)
    fields = ("background", "prior", "observations", "observed")
    turned = replace(inputs, **{name: getattr(inputs, name).roll(16, -1) for name in fields})
    with torch.no_grad():
        wanted = model.analyse(inputs).mean.roll(16, -1)
        found = model.analyse(turned).mean
    assert torch.allclose(found, wanted, atol=1e-5) != upstream_padding


def test_convolutions_wrap_around_but_not_over_the_poles():
    convolve = TokenConvolution(2, 3, (3, 5, 7), zeros=False)
    tokens = torch.randn(1, 4, 6, 8, 2)
    torch.testing.assert_close(convolve(tokens.roll(3, 3)), convolve(tokens).roll(3, 3))
    assert not torch.allclose(convolve(tokens.roll(3, 2)), convolve(tokens).roll(3, 2))


def test_half_precision_changes_little(model, inputs):
    with torch.no_grad():
        model.eval()
        wanted = model.analyse(inputs).mean
        with torch.autocast("cpu", torch.bfloat16):
            found = model.analyse(inputs).mean
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.1, atol=0.1)


def test_it_comes_back_from_its_folder(model, small_world, tmp_path):
    model.save_pretrained(tmp_path)
    again = Adas.from_pretrained(tmp_path)
    batch = small_world.batch(1)
    assert torch.equal(model.assimilate(batch).mean, again.assimilate(batch).mean)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heads": 3}, "dim must be a multiple of heads"),
        ({"depth": 0}, "depth must be a positive"),
        ({"window": [2, 0, 8]}, "window in latitude must be a positive"),
        ({"window": [4, 8]}, "window of three sizes"),
        ({"kernels": [[3, 3, 3]]}, "three kernels"),
        ({"kernels": [[3, 3, 3], [3, 3, 4], [3, 3, 3]]}, "kernel in longitude must be odd"),
        ({"stochastic_depth": 1.0}, "stochastic_depth must be in"),
        ({"grid": "4x16"}, "5 or more latitudes"),
    ],
)
def test_wrong_values_are_refused(changes, words):
    with pytest.raises(TaskError, match=words):
        Adas(**{"channels": ["t2m"], "grid": "9x16", **TINY, **changes})


def test_a_short_training_beats_the_background(trained, world):
    batch = world.batch(3, 8)
    scale = world.statistics.std[:, None, None]
    analysis = trained.assimilate(batch).mean.numpy()
    error, background_error = (
        np.square((state - batch.reference) / scale).mean()
        for state in (analysis, batch.background)
    )
    assert error < 0.9 * background_error
