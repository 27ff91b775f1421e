"""SDA: states sampled by diffusion, guided to the observations."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import TaskError
from dambench_hub.models.learned import evaluating
from dambench_hub.models.sda import SDA

MODES = ["context", "as_obs", "sdedit"]


def make(world, **settings):
    torch.manual_seed(0)
    tiny = {"widths": (6, 8), "blocks": 1, "embedding": 8, "steps": 4, "members": 3}
    model = SDA(channels=world.channels, grid=str(world.grid), **{**tiny, **settings})
    return model.set_statistics(world.statistics)


@pytest.fixture
def model(small_world):
    return make(small_world, target="increment", prediction="velocity")


TINY = {"widths": (16, 32), "blocks": 2, "embedding": 32}


@pytest.mark.parametrize(
    ("channels", "settings", "mode", "wanted"),
    [
        (STANDARD_CHANNELS, {"widths": (64, 128, 256)}, "as_obs", 10_312_197),
        (None, TINY, "as_obs", 130_323),
        (None, TINY, "context", 130_323 + 19 * 16 * 9),
    ],
)
def test_parameter_counts(world, channels, settings, mode, wanted):
    with torch.device("meta"):
        model = SDA(
            channels=channels or world.channels, grid="121x240", background_mode=mode, **settings
        )
    assert model.parameter_count == wanted


@pytest.mark.parametrize("grid", ["121x240", "33x64"])
def test_other_grids_and_channels(grid):
    with torch.device("meta"):
        model = SDA(channels=["z500", "z850", "t500", "t850"], grid=grid, widths=(4, 4, 4))
        shape = (2, 3, 4, *model.grid.shape)
        noise = model.network(torch.zeros(2, 3, 8, *shape[3:]), torch.zeros(()))
    assert noise.shape == shape
    assert model.context_shape == (4, *model.grid.shape)


@pytest.mark.parametrize("mode", MODES)
def test_an_ensemble_and_its_mean(small_world, mode):
    model = make(small_world, background_mode=mode, prediction="velocity")
    batch = small_world.batch(2)
    analysis = model.assimilate(batch, torch.Generator().manual_seed(1))
    assert analysis.members.shape == (2, 3, *batch.background.shape[1:])
    for values in (analysis.mean, analysis.std, analysis.members):
        assert values.isfinite().all()
    again = model.assimilate(batch, torch.Generator().manual_seed(1))
    other = model.assimilate(batch, torch.Generator().manual_seed(2))
    assert torch.equal(analysis.members, again.members)
    assert not torch.equal(analysis.members, other.members)


def test_members_may_be_set_later(model, small_world):
    model.members = 1
    analysis = model.assimilate(small_world.batch(1))
    assert analysis.std is None and analysis.members.shape[1] == 1
    model.members = 5
    assert model.assimilate(small_world.batch(1)).members.shape[1] == 5


def test_samples_do_not_see_each_other(model, small_world):
    both = model.assimilate(small_world.batch(2)).members
    alone = model.assimilate(small_world.batch(1, 1)).members
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_only_what_is_observed_matters(small_world, mode):
    model = make(small_world, background_mode=mode, prediction="velocity")
    batch = small_world.batch(2)
    analyses = []
    for spoilt in (0.0, 1e6, torch.nan):
        inputs = model.inputs(replace(batch, reference=np.full_like(batch.reference, np.nan)))
        values = torch.where(inputs.observed > 0, inputs.observations, spoilt)
        with evaluating(model), torch.no_grad():
            analyses.append(model.analyse(replace(inputs, observations=values)).members)
    assert torch.equal(analyses[0], analyses[1]) and torch.equal(analyses[0], analyses[2])


def test_observations_are_approached(model, small_world):
    model.sampler = replace(model.sampler, steps=16)
    batch = small_world.batch(2)
    analysis = model.assimilate(batch).mean.numpy()
    scale = small_world.statistics.std[:, None, None]

    def departure(state):
        return np.abs((batch.observations - state) / scale)[batch.observed].mean()

    assert departure(analysis) < 0.5 * departure(batch.background)


@pytest.mark.parametrize("mode", MODES)
def test_every_parameter_learns(small_world, mode):
    model = make(small_world, background_mode=mode)
    model(small_world.batch(2), torch.Generator().manual_seed(0)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_any_number_of_observations(model, small_world, density):
    batch = small_world.batch(2, density=density)
    assert model.assimilate(batch).members.isfinite().all()
    model(batch).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_the_loss_is_that_of_the_samples(model, small_world):
    both, first, second = (
        model(small_world.batch(size, at)) for size, at in ((2, 0), (1, 0), (1, 1))
    )
    torch.testing.assert_close(both, (first + second) / 2)


def test_a_roll_in_longitude_rolls_the_analysis(small_world):
    """With noise rolled, too; by a multiple of what the U-Net halves."""
    model = make(small_world, target="increment", prediction="velocity")
    inputs = model.inputs(small_world.batch(1))

    class Rolled:
        def __init__(self, noise, shift):
            self.noise, self.shift = noise, shift

        def normal(self, *shape):
            return self.noise.normal(*shape).roll(self.shift, -1)

    def analysis(shift):
        fresh = model.inputs(small_world.batch(1)).noise
        fields = ("background", "observations", "observed")
        rolled = {name: getattr(inputs, name).roll(shift, -1) for name in fields}
        with torch.no_grad(), evaluating(model):
            return model.analyse(replace(inputs, noise=Rolled(fresh, shift), **rolled)).mean

    torch.testing.assert_close(analysis(4), analysis(0).roll(4, -1), rtol=1e-3, atol=1e-3)


def test_context_of_zeros_is_none(model, small_world):
    inputs = model.inputs(small_world.batch(2))
    zeros = torch.zeros(2, *model.context_shape)
    with torch.no_grad(), evaluating(model):
        plain = model.analyse(model.inputs(small_world.batch(2)))
        zero = model.analyse(replace(model.inputs(small_world.batch(2)), context=zeros))
        one = model.analyse(replace(model.inputs(small_world.batch(2)), context=zeros + 1))
    assert torch.equal(plain.members, zero.members)
    assert not torch.equal(plain.members, one.members)
    again = model.inputs(small_world.batch(2))
    assert torch.equal(model.loss(inputs), model.loss(replace(again, context=zeros)))


def test_half_precision(model, small_world):
    with torch.autocast("cpu", torch.bfloat16):
        analysis = model.assimilate(small_world.batch(1))
        loss = model(small_world.batch(1))
    assert loss.dtype == analysis.mean.dtype == torch.float32
    assert loss.isfinite() and analysis.mean.isfinite().all()


def test_a_model_comes_back_from_its_folder(model, small_world, tmp_path):
    model.save_pretrained(tmp_path)
    again = SDA.from_pretrained(tmp_path)
    batch = small_world.batch(1)
    assert torch.equal(model.assimilate(batch).members, again.assimilate(batch).members)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"background_mode": "contekst"}, "Did you mean 'context'"),
        ({"target": "states"}, "Did you mean 'state'"),
        ({"prediction": "x"}, "Unknown prediction"),
        ({"target": "increment", "background_mode": "as_obs"}, "count twice as as_obs"),
        ({"members": 0}, "members ≥ 1"),
        ({"start": 0.0}, "0 < start ≤ 1"),
        ({"steps": 0}, "steps must be"),
        ({"widths": (4,) * 6}, "too much for 9x16"),
    ],
)
def test_wrong_settings_are_refused(small_world, change, words):
    with pytest.raises(TaskError, match=words):
        make(small_world, **change)


def test_it_learns(world):
    """120 small steps, 16 of the reverse process and 4 members beat the background."""
    settings = {"widths": (24,), "embedding": 32, "steps": 16, "members": 4}
    model = make(world, target="increment", prediction="velocity", **settings).train()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=120)
    batches = [world.batch(4, first) for first in (0, 4)]
    for step in range(120):
        optimizer.zero_grad()
        model(batches[step % 2], torch.Generator().manual_seed(step)).backward()
        optimizer.step()
        schedule.step()
    batch = world.batch(2, first=8)
    analysis = model.assimilate(batch)
    scale = world.statistics.background_error_std[:, None, None]

    def error(state):
        return np.square((np.asarray(state) - batch.reference) / scale).mean()

    assert error(analysis.mean) < 0.9 * error(batch.background)
    assert error(analysis.mean) < error(analysis.members[:, 0])
