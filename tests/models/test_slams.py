"""SLAMS: diffusion in the latent space of an autoencoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dambench_hub.errors import DataError, TaskError, TrainingError
from dambench_hub.models.learned import evaluating
from dambench_hub.models.slams import SLAMS, Autoencoder

STAGES = ["autoencoder", "score"]


def make(world, **settings):
    torch.manual_seed(0)
    tiny = {
        "latent_widths": (6, 4),
        "norm": "group",
        "widths": (6, 8),
        "blocks": 1,
        "embedding": 8,
        "steps": 4,
        "members": 3,
        "prediction": "velocity",
    }
    model = SLAMS(channels=world.channels, grid=str(world.grid), **{**tiny, **settings})
    return model.set_statistics(world.statistics)


def make_score(world, **settings):
    """A model of the second stage, after one step of the first."""
    first = make(world, **settings)
    first(world.batch(2)).backward()
    model = make(world, stage="score", **settings)
    model.load_state_dict(first.state_dict())
    return model


@pytest.fixture
def model(small_world):
    return make_score(small_world)


def train(model, batches, steps, rate=5e-3):
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for step in range(steps):
        optimizer.zero_grad()
        batch = batches[step % len(batches)]
        loss = model(batch, torch.Generator().manual_seed(step))
        loss.backward()
        optimizer.step()
        schedule.step()
    return float(loss.detach())


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((12, (9, 8, 7, 6, 5), 10), 15_145),
        ((21, (16, 12, 8), 19), 30_595),
        ((71, (64, 48, 32), 69), 455_173),
    ],
)
def test_parameter_counts_of_the_autoencoder(arguments, wanted):
    with torch.device("meta"):
        autoencoder = Autoencoder(*arguments)
    assert sum(parameter.numel() for parameter in autoencoder.parameters()) == wanted


def test_parameter_counts(world):
    """The encoder sees observations and where they are, 36 channels more than the tiny one."""
    settings = {"latent_widths": (16, 12, 8), "widths": (16, 32), "blocks": 2, "embedding": 32}
    with torch.device("meta"):
        model = SLAMS(channels=world.channels, grid="32x64", **settings)
        aux = SLAMS(channels=world.channels, grid="32x64", aux=True, **settings)
    assert model.parameter_count == 30_595 + 36 * 16 * 25 + 127_144
    assert aux.parameter_count == model.parameter_count + 4 * 16 * 25


@pytest.mark.parametrize("grid", ["121x240", "33x64"])
def test_other_grids_and_channels(grid):
    channels = ["z500", "z850", "t500", "t850"]
    with torch.device("meta"):
        model = SLAMS(channels=channels, grid=grid, latent_widths=(4, 3), widths=(4, 4, 4))
        latent = model.autoencoder.encode(torch.zeros(2, 12, *model.grid.shape))
        state = model.autoencoder.decode(latent[:, None])
    assert latent.shape == (2, 3, *model.grid.shape)
    assert state.shape == (2, 1, 4, *model.grid.shape)


def test_weights_of_the_stages_have_the_same_names(small_world):
    first, second = (make(small_world, stage=stage) for stage in STAGES)
    assert first.state_dict().keys() == second.state_dict().keys()
    assert first.context_shape is None and second.context_shape == (6, 9, 16)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_exactly_what_a_stage_trains_learns(small_world, stage, density):
    model = make(small_world) if stage == "autoencoder" else make_score(small_world)
    trained = model.autoencoder if stage == "autoencoder" else model.score
    batch = small_world.batch(2, density=density)
    model(batch).backward()
    inside = {id(parameter) for parameter in trained.parameters()}
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (id(parameter) in inside), name
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        else:
            assert parameter.grad is None, name
    assert model.assimilate(batch).mean.isfinite().all()


def test_a_trained_autoencoder_stays_as_it_is(small_world):
    model = make_score(small_world, norm="batch")
    before = {name: value.clone() for name, value in model.autoencoder.state_dict().items()}
    train(model, [small_world.batch(2)], 2)
    assert model.score.training and not model.autoencoder.training
    for name, value in model.autoencoder.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_second_stage_needs_the_first(small_world):
    with pytest.raises(TrainingError, match="autoencoder first"):
        make(small_world, stage="score")(small_world.batch(1))


def test_moments_are_those_of_the_latents(model, small_world):
    model.train()
    batches = [small_world.batch(4, first) for first in (0, 4)]
    for _ in range(20):
        for batch in batches:
            model(batch)
    z_x, z_c = [], []
    for batch in batches:
        inputs = model.inputs(batch)
        known = torch.cat([inputs.observations, inputs.observed], 1)
        for latents, state in ((z_x, inputs.reference), (z_c, inputs.background)):
            latents.append(model.autoencoder.encode(torch.cat([state, known], 1)).detach())
    z_x, z_c = torch.cat(z_x), torch.cat(z_c)
    close = {"rtol": 0.1, "atol": 0.02}
    torch.testing.assert_close(model.latent_mean.flatten(), z_x.mean((0, 2, 3)), **close)
    torch.testing.assert_close(model.latent_variance.flatten(), z_x.var((0, 2, 3)), **close)
    error = (z_c - z_x).square().mean((0, 2, 3))
    torch.testing.assert_close(model.latent_error_variance.flatten(), error, **close)
    before = model.latent_mean.clone()
    model.eval()(batches[0])
    assert torch.equal(model.latent_mean, before)


@pytest.mark.parametrize("residual", [False, True])
def test_without_latent_error_the_analysis_is_what_is_decoded(small_world, residual):
    model = make_score(small_world, residual=residual, steps=16)
    first = make(small_world, residual=residual)
    model.latent_error_variance.fill_(1e-12)
    first.load_state_dict(model.state_dict())
    batch = small_world.batch(2)
    scale = small_world.statistics.std[:, None, None]
    members, decoded = model.assimilate(batch).members, first.assimilate(batch).mean
    assert np.abs((members - decoded[:, None]).numpy() / scale).max() < 0.02


def test_samples_do_not_see_each_other_and_are_keyed(model, small_world):
    both = model.assimilate(small_world.batch(2), torch.Generator().manual_seed(1))
    alone = model.assimilate(small_world.batch(1, 1), torch.Generator().manual_seed(1))
    other = model.assimilate(small_world.batch(1, 1), torch.Generator().manual_seed(2))
    assert both.members.shape[1] == 3 and both.std.shape == both.mean.shape
    torch.testing.assert_close(both.members[1:], alone.members, rtol=1e-4, atol=1e-3)
    assert not torch.equal(alone.members, other.members)


@pytest.mark.parametrize("settings", [{}, {"residual": True}, {"pixel_guidance": True}], ids=str)
def test_only_what_is_observed_matters(small_world, settings):
    model = make_score(small_world, **settings)
    batch = small_world.batch(2)
    analyses = []
    for spoilt in (0.0, 1e6, torch.nan):
        inputs = model.inputs(replace(batch, reference=np.full_like(batch.reference, np.nan)))
        values = torch.where(inputs.observed > 0, inputs.observations, spoilt)
        with evaluating(model), torch.no_grad():
            analyses.append(model.analyse(replace(inputs, observations=values)).members)
    assert analyses[0].isfinite().all()
    assert torch.equal(analyses[0], analyses[1]) and torch.equal(analyses[0], analyses[2])


def test_auxiliaries_with_no_weight_change_nothing(small_world):
    model = make_score(small_world, aux=True)
    batch = small_world.batch(1)
    gone = replace(batch, modalities={n: v * np.nan for n, v in batch.modalities.items()})
    with pytest.raises(DataError, match="no background equivalents"):
        model.assimilate(replace(batch, background_modalities={}))

    def changed():
        analyses = [model.assimilate(each).members for each in (batch, gone)]
        assert analyses[1].isfinite().all()
        return not torch.equal(*analyses)

    assert changed()
    with torch.no_grad():
        model.autoencoder.encoder[0].weight[:, -4:] = 0
    assert not changed()
    with pytest.raises(DataError, match="precipitation and olr"):
        model.assimilate(replace(batch, modalities={}))


def test_context_of_zeros_is_none(model, small_world):
    def members(context):
        inputs = replace(model.inputs(small_world.batch(2)), context=context)
        with torch.no_grad(), evaluating(model):
            return model.analyse(inputs).members

    zeros = torch.zeros(2, *model.context_shape)
    assert torch.equal(members(None), members(zeros))
    assert not torch.equal(members(None), members(zeros + 1))


@pytest.mark.parametrize("stage", STAGES)
def test_half_precision(small_world, stage):
    model = make(small_world) if stage == "autoencoder" else make_score(small_world)
    with torch.autocast("cpu", torch.bfloat16):
        loss, analysis = model(small_world.batch(1)), model.assimilate(small_world.batch(1))
    assert loss.dtype == analysis.mean.dtype == torch.float32
    assert loss.isfinite() and analysis.mean.isfinite().all()


def test_a_roll_in_longitude_rolls_what_is_decoded(small_world):
    model = make(small_world)
    inputs = model.inputs(small_world.batch(1))
    fields = ("background", "prior", "observations", "observed")
    rolled = replace(inputs, **{name: getattr(inputs, name).roll(5, -1) for name in fields})
    with torch.no_grad(), evaluating(model):
        plain, moved = model.analyse(inputs).mean, model.analyse(rolled).mean
    torch.testing.assert_close(moved, plain.roll(5, -1), rtol=1e-4, atol=1e-5)


def test_a_model_comes_back_from_its_folder(model, small_world, tmp_path):
    model.save_pretrained(tmp_path)
    again = SLAMS.from_pretrained(tmp_path)
    batch = small_world.batch(1)
    assert torch.equal(model.assimilate(batch).members, again.assimilate(batch).members)
    assert torch.equal(model.latent_error_variance, again.latent_error_variance)


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_an_autoencoder_overfits_one_sample(small_world, norm):
    model = make(small_world, norm=norm, latent_widths=(16, 8))
    batch = small_world.batch(1)
    assert train(model, [batch], 150, 1e-2) < 0.1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage": "scores"}, "Did you mean 'score'"),
        ({"norm": "layer"}, "Unknown norm"),
        ({"prediction": "x"}, "Unknown prediction"),
        ({"latent_widths": ()}, "at least one latent width"),
        ({"members": 0}, "members ≥ 1"),
        ({"widths": (4,) * 6}, "too much for 9x16"),
    ],
)
def test_wrong_settings_are_refused(small_world, change, words):
    with pytest.raises(TaskError, match=words):
        make(small_world, **change)


def test_it_learns(world):
    """Short trainings of both stages beat the background, and observations help again."""
    settings = {"latent_widths": (24, 8), "norm": "none", "residual": True, "widths": (24,)}
    settings |= {"embedding": 32, "steps": 16, "members": 4}
    batches = [world.batch(4, first) for first in (0, 4)]
    first, second = (make(world, stage=stage, **settings) for stage in STAGES)
    train(first, batches, 60)
    second.load_state_dict(first.state_dict())
    train(second, batches, 40)
    batch = world.batch(2, first=8)
    scale = world.statistics.background_error_std[:, None, None]

    def error(model):
        state = model.assimilate(batch).mean.numpy()
        return np.square((state - batch.reference) / scale).mean()

    background = np.square((batch.background - batch.reference) / scale).mean()
    assert error(first) < 0.9 * background
    guided_by_latents = error(second)
    second.pixel_guidance = True
    assert error(second) < guided_by_latents < 0.9 * background
