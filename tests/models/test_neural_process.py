"""What the convolutional and the Fourier neural process have in common."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import TaskError
from dambench_hub.models.conv_cnp import ConvCNP
from dambench_hub.models.fnp import FNP
from dambench_hub.models.layers.noise import Noise
from dambench_hub.models.learned import Inputs

SMALL = {
    ConvCNP: {"width": 8, "depth": 1, "kernel": 5, "set_kernel": 5, "hidden_layers": 1},
    FNP: {
        "width": 8,
        "depth": 1,
        "kernel": 5,
        "set_kernel": 5,
        "merge_kernel": 3,
        "modes": 4,
        "hidden_layers": 1,
    },
}
FOUR = ("z500", "z850", "t500", "t850")
TIME = np.array(["2001-01-01", "2001-01-02"], "datetime64[h]")


@pytest.fixture(params=SMALL, ids=lambda method: method.name)
def method(request):
    return request.param


def make(method, channels=FOUR, grid="9x16", **changes):
    torch.manual_seed(0)
    return method(channels=list(channels), grid=grid, **{**SMALL[method], **changes}).eval()


def make_inputs(model, size=2, density=0.1, seed=0, **changes):
    random = torch.Generator().manual_seed(seed)
    shape = (size, len(model.channels), *model.grid.shape)
    background, error, noise = (torch.randn(shape, generator=random) for _ in range(3))
    observed = (torch.rand(shape, generator=random) < density).float()
    reference = background + 0.3 * error
    scale = torch.ones(len(model.channels))
    fields = {
        "background": background,
        "prior": background,
        "observations": observed * (reference + 0.1 * noise),
        "observed": observed,
        "observation_error_std": 0.1 * scale,
        "background_error_std": 0.3 * scale,
        "noise": Noise(0, TIME[:size]),
        "reference": reference,
    }
    return Inputs(**{**fields, **changes})


@torch.no_grad()
def analyse(model, inputs):
    analysis = model.analyse(inputs)
    return torch.stack([analysis.mean, analysis.std])


@pytest.mark.parametrize(
    ("channels", "grid"),
    [(STANDARD_CHANNELS, "33x64"), (FOUR, "121x240"), (FOUR[:1], "9x16"), (("t2m", *FOUR), "8x15")],
)
def test_any_channels_on_any_grid(method, channels, grid):
    model = make(method, channels, grid)
    result = analyse(model, make_inputs(model, 1))
    assert result.shape == (2, 1, len(channels), *Grid.parse(grid).shape)
    assert result.dtype == torch.float32 and result.isfinite().all()
    assert (result[1] >= 0.01).all()


@pytest.mark.parametrize("density", [0.0, 0.05, 1.1])
@pytest.mark.parametrize("changes", [{}, {"norm": "group"}, {"norm": "none"}])
def test_every_parameter_learns_from_any_density(method, density, changes):
    model = make(method, **changes).train()
    model.loss(make_inputs(model, density=density)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_only_observed_values_matter(method):
    model = make(method)
    inputs = make_inputs(model)
    spoilt = torch.where(inputs.observed > 0, inputs.observations, 1e6)
    assert torch.equal(analyse(model, inputs), analyse(model, replace(inputs, observations=spoilt)))


def test_observed_values_matter(method):
    model = make(method)
    inputs = make_inputs(model)
    other = replace(inputs, observations=-inputs.observations)
    assert not torch.equal(analyse(model, inputs), analyse(model, other))


def test_the_reference_is_not_seen(method):
    model = make(method)
    inputs = make_inputs(model)
    spoilt = replace(inputs, reference=torch.full_like(inputs.reference, torch.nan))
    assert torch.equal(analyse(model, inputs), analyse(model, spoilt))


def test_samples_do_not_see_each_other(method):
    model = make(method)
    both = make_inputs(model)
    fields = ("background", "prior", "observations", "observed", "reference")
    alone = replace(both, **{name: getattr(both, name)[1:] for name in fields})
    torch.testing.assert_close(analyse(model, both)[:, 1:], analyse(model, alone))


def test_longitude_is_periodic(method):
    model = make(method)
    inputs = make_inputs(model)
    fields = ("background", "prior", "observations", "observed")
    rolled = replace(inputs, **{name: getattr(inputs, name).roll(5, -1) for name in fields})
    torch.testing.assert_close(analyse(model, rolled), analyse(model, inputs).roll(5, -1))
    model = make(method, upstream_padding=True)
    assert not torch.allclose(analyse(model, rolled), analyse(model, inputs).roll(5, -1))


def test_the_order_of_channels_does_not_matter_to_shapes(method):
    model = make(method, ("t850", "z500", "t2m", "z850"))
    assert analyse(model, make_inputs(model)).isfinite().all()


def test_a_context_of_zeros_changes_nothing_and_another_one_does(method):
    model = make(method)
    inputs = make_inputs(model)
    zeros = torch.zeros(2, *model.context_shape)
    assert torch.equal(analyse(model, inputs), analyse(model, replace(inputs, context=zeros)))
    assert not torch.equal(
        analyse(model, inputs), analyse(model, replace(inputs, context=zeros + 1))
    )


def test_observations_may_have_another_resolution(method):
    model, finer = make(method), make(method, grid="17x32")
    fields = {name: getattr(make_inputs(finer), name) for name in ("observations", "observed")}
    result = analyse(model, replace(make_inputs(model), **fields))
    assert result.shape[-2:] == (9, 16) and result.isfinite().all()


def test_the_loss_is_a_mean_over_samples(method):
    model = make(method)
    both = make_inputs(model)
    fields = ("background", "prior", "observations", "observed", "reference")
    parts = [replace(both, **{f: getattr(both, f)[n : n + 1] for f in fields}) for n in (0, 1)]
    with torch.no_grad():
        mean = sum(model.loss(part) for part in parts) / 2
        torch.testing.assert_close(model.loss(both), mean)


def test_checkpointing_changes_neither_gradients_nor_statistics(method):
    results = []
    for enabled in (False, True):
        model = make(method).train()
        model.set_checkpointing(enabled)
        model.loss(make_inputs(model)).backward()
        results.append([*(p.grad for p in model.parameters()), *model.buffers()])
    tracked = [n for n, _ in model.named_buffers() if n.endswith("num_batches_tracked")]
    assert len(tracked) > 0
    for first, second in zip(*results, strict=True):
        if first.is_floating_point():
            torch.testing.assert_close(first, second, equal_nan=True)


def test_half_precision_is_close(method):
    model = make(method)
    inputs = make_inputs(model)
    with torch.autocast("cpu", torch.bfloat16):
        half = analyse(model, inputs)
        model.train().loss(inputs).backward()
    model.eval()
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, analyse(model, inputs), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kernel": 4}, "kernel must be odd"),
        ({"set_kernel": 0}, "set_kernel must be a positive"),
        ({"width": -1}, "width must be a positive"),
        ({"depth": 0}, "depth must be a positive"),
        ({"norm": "layer"}, "Unknown norm 'layer'"),
    ],
)
def test_wrong_sizes_are_refused(method, wrong, words):
    with pytest.raises(TaskError, match=words):
        make(method, **wrong)


STEPS = 20


@pytest.fixture(scope="module", params=SMALL, ids=lambda method: method.name)
def trained(request, world):
    """A method after a few steps, on other observations each time."""
    sizes = {"norm": "group", "increments": True, "set_kernel": 9}
    sizes |= {
        ConvCNP: {"width": 32, "kernel": 9},
        FNP: {"dam_select": "near"},  # learns faster in so few steps
    }[request.param]
    model = make(request.param, world.channels, str(world.grid), **sizes)
    model.set_statistics(world.statistics).train()
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=STEPS)
    for step in range(STEPS):
        optimizer.zero_grad()
        model(world.batch(4, step % 2 * 4, redraw=step)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model


def test_training_beats_the_background_on_other_samples(trained, world):
    batch = world.batch(4, first=8)
    analysis = trained.assimilate(batch)
    scale = world.statistics.background_error_std[:, None, None]
    error = (analysis.mean.numpy() - batch.reference) / scale
    background_error = (batch.background - batch.reference) / scale
    assert np.mean(error**2) < 0.9 * np.mean(background_error**2)
    spread = analysis.std.numpy() / scale
    assert 0.5 < np.sqrt(np.mean(error**2)) / np.sqrt(np.mean(spread**2)) < 2


def test_a_trained_model_comes_back_from_its_folder(trained, world, tmp_path):
    trained.save_pretrained(tmp_path / "model")
    again = type(trained).from_pretrained(tmp_path / "model")
    batch = world.batch(1, first=8)
    analyses = [
        model.assimilate(batch, torch.Generator().manual_seed(1)) for model in (trained, again)
    ]
    assert torch.equal(analyses[0].mean, analyses[1].mean)
    assert torch.equal(analyses[0].std, analyses[1].std)
