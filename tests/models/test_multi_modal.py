"""Methods with the adapter: the host to begin with, better where modalities know something."""

import inspect
import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.data.batch import Analysis
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models.learned import LearnedAssimilator
from dambench_hub.models.multi_modal import MultiModal, multi_modal, patch_of
from dambench_hub.models.pretrained import read_config, read_weights
from dambench_hub.models.registry import CLASSICAL, METHODS, MULTI, method_class
from dambench_hub.training.initial_model import load_weights


class Regression(LearnedAssimilator):
    """Two convolutions from background and observations to the increment; members on demand."""

    name = "regression"

    def __init__(self, *, channels, grid, width: int = 8, members: int = 1):
        super().__init__(channels=channels, grid=grid)
        self.first = nn.Conv2d(3 * len(channels), width, 1)
        self.last = nn.Conv2d(width, len(channels), 1)
        self.members = members

    @property
    def context_shape(self):
        return self.first.out_channels, *self.grid.shape

    def analyse(self, inputs):
        parts = [inputs.background, inputs.observations, inputs.observed]
        features = self.first(torch.cat(parts, 1))
        if inputs.context is not None:
            features = features + inputs.context
        mean = inputs.background + self.last(features.relu())
        return Analysis(mean, members=torch.stack([mean] * self.members, 1))

    def loss(self, inputs):
        return (self.analyse(inputs).mean - inputs.reference).square().mean()


class Blind(LearnedAssimilator):
    """Takes no context."""

    name = "blind"

    def analyse(self, inputs):
        return Analysis(inputs.background)

    def loss(self, inputs):
        return inputs.background.mean()


TINY = {"adapter_width": 16, "adapter_heads": 2, "adapter_layers": 1}
HOSTS = {
    "adas": {"dim": 8, "heads": 2, "depth": 1},
    "conv_cnp": {"width": 8, "depth": 1, "kernel": 3, "set_kernel": 3, "increments": True},
    "fnp": {"width": 8, "depth": 1, "kernel": 3, "set_kernel": 3, "modes": 2},
    "sda": {"widths": [8, 16], "blocks": 1, "embedding": 8, "steps": 3, "members": 2},
    "slams": {
        "stage": "score",
        "latent_widths": [4],
        "widths": [8, 16],
        "blocks": 1,
        "embedding": 8,
        "steps": 3,
        "members": 2,
    },
    "vae_var": {"network": "conv", "latent_channels": 4, "width": 8, "blocks": 1, "iterations": 2},
}
"""Small settings of each host."""
OFFICIAL = {"slams": {"stage": "score"}}
"""Official settings that are not the defaults."""


def made(model_class, world, **settings):
    torch.manual_seed(0)
    model = model_class(channels=list(world.channels), grid=str(world.grid), **settings)
    for name, buffer in model.named_buffers():
        if name.endswith("latent_batches"):
            buffer.fill_(1)  # as if SLAMS had its first stage behind it
    return model.set_statistics(world.statistics)


@pytest.fixture
def model(small_world):
    return made(multi_modal(Regression), small_world, **TINY)


@pytest.fixture(params=HOSTS)
def name(request):
    """Of each host in turn."""
    return request.param


def test_every_learned_method_is_a_host():
    assert set(HOSTS) == set(METHODS) - set(CLASSICAL)


def test_an_untrained_adapter_changes_no_bit(name, small_world):
    host = made(method_class(name), small_world, **HOSTS[name]).eval()
    multi = made(method_class(MULTI + name), small_world, **TINY, **HOSTS[name]).eval()
    assert (multi.name, type(multi).__name__) == (f"multi_{name}", f"Multi{METHODS[name]}")
    multi.set_host_weights(host.state_dict())
    batch, generator = small_world.batch(2), torch.Generator().manual_seed(3)
    wanted, got = host.assimilate(batch, generator), multi.assimilate(batch, generator)
    assert torch.equal(got.mean, wanted.mean)
    for part in "std", "members":
        a, b = getattr(got, part), getattr(wanted, part)
        assert (a is None and b is None) or torch.equal(a, b)
    assert torch.equal(multi(batch, generator), host(batch, generator))


def test_a_trained_adapter_changes_the_analysis_and_all_parameters_get_gradients(name, small_world):
    multi = made(method_class(MULTI + name), small_world, **TINY, **HOSTS[name])
    nn.init.normal_(multi.adapter.projection.weight, std=0.1)
    multi.train()(small_world.batch(2)).backward()
    for parameter_name, parameter in multi.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
    assert multi.adapter.embeddings[0].weight.grad.any()


def test_the_official_size_adds_less_than_one_and_a_half_million(name):
    with torch.device("meta"):
        multi = method_class(MULTI + name)(
            channels=list(STANDARD_CHANNELS), grid="121x240", **OFFICIAL.get(name, {})
        )
    assert multi.parameter_count - multi.host.parameter_count < 1.5e6


def test_the_constructor_is_flat(small_world, tmp_path):
    model_class = multi_modal(Regression)
    assert model_class is multi_modal(Regression)
    assert issubclass(model_class, MultiModal)
    parameters = inspect.signature(model_class).parameters
    adapters = "adapter_width adapter_heads adapter_layers adapter_patch modality_dropout"
    wanted = f"channels grid {adapters} share_attention modalities width members".split()
    assert list(parameters) == wanted
    assert parameters["width"].default == 8
    made(model_class, small_world, width=4, **TINY).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["method"], config["format"]) == ("multi_regression", 2)
    assert set(config) == {"method", "format", *wanted}
    assert (config["width"], config["adapter_patch"]) == (4, None)
    assert set(read_config(tmp_path, model_class)) == set(wanted)
    with pytest.raises(TypeError, match="widht"):
        made(model_class, small_world, widht=4)


@pytest.mark.parametrize(
    ("grid", "patch"), [("121x240", 8), ("61x120", 4), ("33x64", 2), ("32x64", 2), ("9x16", 1)]
)
def test_patches_are_12_degrees_wide_on_any_grid(grid, patch):
    assert patch_of(Grid.parse(grid)) == patch


def test_it_comes_back_from_its_folder(model, small_world, tmp_path):
    nn.init.normal_(model.adapter.projection.weight)
    model.save_pretrained(tmp_path)
    again = multi_modal(Regression).from_pretrained(tmp_path)
    batch = small_world.batch(2)
    assert torch.equal(model.assimilate(batch).mean, again.assimilate(batch).mean)


def test_finetuning_starts_from_a_folder_of_the_host(model, small_world, tmp_path):
    host = made(Regression, small_world)
    nn.init.normal_(host.last.weight)
    host.save_pretrained(tmp_path)
    fresh = multi_modal(Regression)(channels=list(small_world.channels), grid="9x16", **TINY)
    fresh.set_host_weights(read_weights(tmp_path, fresh.host.state_dict()))
    batch = small_world.batch(2)
    assert torch.equal(fresh.assimilate(batch).mean, host.assimilate(batch).mean)
    with pytest.raises(DataError, match="not the weights of a regression"):
        model.set_host_weights(made(Regression, small_world, width=4).state_dict())


def test_the_reference_is_not_seen_and_the_generator_decides(model, small_world):
    nn.init.normal_(model.adapter.projection.weight)
    batch = small_world.batch(2)
    spoilt = replace(batch, reference=np.full_like(batch.reference, np.nan))
    assert torch.equal(model.assimilate(batch).mean, model.assimilate(spoilt).mean)
    losses = [model.train()(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1)]
    assert torch.equal(*losses)


def test_members_are_the_hosts(model, small_world):
    model.members = 3
    assert (model.members, model.host.members) == (3, 3)
    assert model.assimilate(small_world.batch(1)).members.shape[1] == 3
    del model.host.members
    assert not hasattr(model, "members")


def test_a_copy_is_independent(model, small_world):
    copy = deepcopy(model)
    nn.init.normal_(copy.adapter.projection.weight)
    batch = small_world.batch(1)
    assert not torch.equal(copy.assimilate(batch).mean, model.assimilate(batch).mean)


def test_checkpointing_reaches_adapter_and_host(model):
    model.set_checkpointing(True)
    assert model.adapter.checkpointing


def test_what_cannot_be_is_told(model, small_world):
    with pytest.raises(TaskError, match="blind with these settings takes no context"):
        made(multi_modal(Blind), small_world)
    with pytest.raises(TaskError, match="takes no context"):
        made(multi_modal(multi_modal(Regression)), small_world)
    with pytest.raises(DataError, match="the batch has no precipitation. Use the task multimodal"):
        model.assimilate(small_world.batch(1, modalities={}))
    with pytest.raises(TaskError, match="has to be trained first"):
        multi_modal(Regression).fit([])


def test_only_departures_are_seen(model, small_world):
    """What observation and equivalent share is no news."""
    nn.init.normal_(model.adapter.projection.weight)
    batch = small_world.batch(2)

    def shifted(**by):
        fields = {name: getattr(batch, name) for name in by}
        changed = {n: {**f, "olr": f["olr"] + by[n]} for n, f in fields.items()}
        return model.assimilate(replace(batch, **changed)).mean

    plain = model.assimilate(batch).mean
    together = shifted(modalities=8, background_modalities=8)
    torch.testing.assert_close(together, plain, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(shifted(modalities=8), plain, rtol=1e-4, atol=1e-3)


def test_modalities_without_equivalents_are_refused_in_training_and_prediction(model, small_world):
    unknown = small_world.batch(2, background_modalities={})
    for run in model.assimilate, model.train():
        with pytest.raises(DataError, match="no background equivalents of precipitation and olr"):
            run(unknown)
    nothing = {name: values * np.nan for name, values in unknown.modalities.items()}
    assert model.assimilate(replace(unknown, modalities=nothing)).mean.isfinite().all()


def test_a_model_trained_on_raw_modalities_is_refused(model, small_world, tmp_path):
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["format"]  # as earlier versions wrote it
    path.write_text(json.dumps(config))
    for load in multi_modal(Regression).from_pretrained, lambda f: load_weights(model, f):
        with pytest.raises(DataError, match="was trained on modalities as they are measured"):
            load(tmp_path)
    path.write_text(json.dumps(config | {"format": 3}))
    with pytest.raises(DataError, match="has the format 3, and this version reads up to 2"):
        multi_modal(Regression).from_pretrained(tmp_path)


def test_a_host_that_an_earlier_version_saved_is_read(small_world, tmp_path):
    made(Regression, small_world).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["format"]
    path.write_text(json.dumps(config))
    assert Regression.from_pretrained(tmp_path).name == "regression"


def informed(world, size, first=0):
    """Batches without observations, whose OLR departs by the background error of t850."""
    batch = world.batch(size, first, density=0.0)
    channel = world.channels.index("t850")
    error = (batch.reference - batch.background)[:, channel]
    error = error / world.statistics.background_error_std[channel]
    olr = batch.background_modalities["olr"] + (7 * error).astype("f4")
    return replace(batch, modalities={**batch.modalities, "olr": olr})


def test_it_learns_what_only_a_modality_knows(small_world):
    patch = {"adapter_patch": 2, "modality_dropout": 0.0, "width": 16}
    model = made(multi_modal(Regression), small_world, **{**TINY, **patch}).train()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    training, held_out = informed(small_world, 24), informed(small_world, 8, first=24)
    for _ in range(50):
        optimizer.zero_grad()
        model(training).backward()
        optimizer.step()
    channel = small_world.channels.index("t850")

    def mse(batch):
        error = model.assimilate(batch).mean.numpy() - batch.reference
        return (error[:, channel] ** 2).mean()

    background = ((held_out.background - held_out.reference)[:, channel] ** 2).mean()
    fields = held_out.modalities, held_out.background_modalities
    modalities, equivalents = (
        {name: np.roll(values, 1, 0) for name, values in of_day.items()} for of_day in fields
    )
    shuffled = replace(held_out, modalities=modalities, background_modalities=equivalents)
    assert mse(held_out) < 0.7 * background
    assert mse(shuffled) > background
