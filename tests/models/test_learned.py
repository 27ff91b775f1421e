"""What all learned methods share: units, checks, saving, keyed noise."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import ChannelError, DataError, TaskError
from dambench_hub.models.learned import LearnedAssimilator


class Nudging(LearnedAssimilator):
    """Moves the background towards the observations by one learned share."""

    name = "nudging"

    def __init__(self, *, channels, grid, share=0.5, noisy=False, increments=False):
        super().__init__(channels=channels, grid=grid, increments=increments)
        self.share = nn.Parameter(torch.tensor(share))
        self.noisy = noisy

    def analyse(self, inputs):
        innovation = inputs.observed * (inputs.observations - inputs.prior)
        mean = inputs.prior + self.share * innovation
        if self.noisy:
            mean = mean + inputs.noise.normal(*mean.shape[1:])
        return Analysis(mean, members=torch.stack([mean - 1, mean + 1], 1))

    def loss(self, inputs):
        return (self.analyse(inputs).mean - inputs.reference).square().mean()


@pytest.fixture
def model(small_world):
    model = Nudging(channels=small_world.channels, grid=str(small_world.grid))
    return model.set_statistics(small_world.statistics)


def test_the_analysis_is_in_physical_units(model, small_world):
    batch = small_world.batch(2)
    analysis = model.assimilate(batch)
    np.testing.assert_array_equal(analysis.time, batch.time)
    wanted = np.where(batch.observed, (batch.background + batch.observations) / 2, batch.background)
    scale = small_world.statistics.std[:, None, None]
    np.testing.assert_allclose((analysis.mean.numpy() - wanted) / scale, 0, atol=1e-4)
    np.testing.assert_allclose(
        (analysis.members.numpy() - wanted[:, None])[:, 1] / scale, 1, atol=1e-4
    )


def test_increments_are_the_same_analysis_in_other_units(model, small_world):
    other = Nudging(channels=small_world.channels, grid="9x16", increments=True)
    other.set_statistics(small_world.statistics)
    batch = small_world.batch(2)
    scale = small_world.statistics.std[:, None, None]
    difference = (other.assimilate(batch).mean - model.assimilate(batch).mean).numpy()
    np.testing.assert_allclose(difference / scale, 0, atol=1e-5)
    inputs, states = other.inputs(batch), model.inputs(batch)
    assert inputs.prior.eq(0).all() and inputs.background_error_std.eq(1).all()
    np.testing.assert_allclose(inputs.reference.std((0, 2, 3)), 1, atol=0.2)
    units = states.background_error_std[:, None, None]
    torch.testing.assert_close(
        states.prior + units * inputs.reference, states.reference, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("noise_free", [False, True])
def test_the_weight_of_an_observation_does_not_depend_on_the_units(model, small_world, noise_free):
    other = Nudging(channels=small_world.channels, grid="9x16", increments=True)
    other.set_statistics(small_world.statistics)
    batch = small_world.batch(2)
    if noise_free:
        batch = replace(batch, observation_error_std=np.zeros(len(batch.channels)))
    inputs, states = other.inputs(batch), model.inputs(batch)

    def weighted(inputs):
        innovation = inputs.observed * (inputs.observations - inputs.prior)
        return innovation / inputs.observation_error_std[:, None, None]

    torch.testing.assert_close(weighted(inputs), weighted(states), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("increments", [False, True])
@pytest.mark.parametrize(("share", "seen"), [(0.25, 0.25), (0.02, 0.02), (0.0, 0.01)])
def test_the_error_of_observations_is_what_it_is_where_backgrounds_are_good(
    small_world, increments, share, seen
):
    """R is that of the observations, also of a channel whose background hardly errs."""
    statistics = small_world.statistics
    background = 0.01 * statistics.std
    model = Nudging(channels=small_world.channels, grid="9x16", increments=increments)
    model.set_statistics(replace(statistics, background_error_std=background))
    batch = replace(small_world.batch(1), observation_error_std=share * background)
    inputs = model.inputs(batch)
    found = inputs.observation_error_std / inputs.background_error_std
    torch.testing.assert_close(found, torch.full_like(found, seen))


@pytest.mark.parametrize("increments", [False, True])
def test_no_correction_returns_the_background_to_the_last_bit(small_world, increments):
    model = Nudging(channels=small_world.channels, grid="9x16", share=0.0, increments=increments)
    model.set_statistics(small_world.statistics)
    batch = small_world.batch(2)
    np.testing.assert_array_equal(model.assimilate(batch).mean.numpy(), batch.background)


def test_noise_is_keyed_by_seed_and_time(small_world):
    model = Nudging(channels=small_world.channels, grid="9x16", noisy=True)
    model.set_statistics(small_world.statistics)
    both = model.assimilate(small_world.batch(2), torch.Generator().manual_seed(3)).mean
    alone = model.assimilate(small_world.batch(1, 1), torch.Generator().manual_seed(3)).mean
    other = model.assimilate(small_world.batch(1, 1), torch.Generator().manual_seed(4)).mean
    assert torch.equal(both[1:], alone)
    assert not torch.equal(alone, other)


def test_the_reference_is_not_seen(model, small_world):
    batch = small_world.batch(2)
    spoilt = replace(batch, reference=np.full_like(batch.reference, np.nan))
    assert torch.equal(model.assimilate(batch).mean, model.assimilate(spoilt).mean)
    with pytest.raises(DataError, match="needs the reference"):
        model(batch.without_reference())


def test_training_mode_survives_an_analysis(model, small_world):
    model.train()
    model.assimilate(small_world.batch(1))
    assert model.training


def test_a_model_comes_back_from_its_folder(model, small_world, tmp_path):
    model.save_pretrained(tmp_path / "nudging")
    again = Nudging.from_pretrained(tmp_path / "nudging")
    batch = small_world.batch(1)
    assert torch.equal(model.assimilate(batch).mean, again.assimilate(batch).mean)
    assert not again.training


def spoil_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def convert(folder, dtype):
    path = folder / "model.safetensors"
    save_file({name: values.to(dtype) for name, values in load_file(path).items()}, path)


def pickle_weights(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: spoil_config(folder, method="fnp"), "holds the method fnp, not nudging"),
        (lambda folder: spoil_config(folder, shar=1), "Did you mean 'share'"),
        (lambda folder: spoil_config(folder, channels=["t2m"]), "3 have another shape: back"),
        (lambda folder: convert(folder, torch.int8), "4 have another type: back.*int8, wanted fl"),
        (lambda folder: convert(folder, torch.float16), "1 are infinite: mean"),
        (lambda folder: convert(folder, torch.int64), "have another type"),
        (lambda folder: convert(folder, torch.bool), "have another type"),
        (lambda folder: convert(folder, torch.float8_e4m3fn), "have another type"),
        (lambda folder: convert(folder, torch.complex64), "have another type"),
        (lambda folder: (folder / "config.json").unlink(), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (truncate, "cannot be read as safetensors"),
        (pickle_weights, "pytorch_model.bin may run code"),
    ],
)
def test_a_wrong_folder_is_refused(model, tmp_path, spoil, words):
    model.save_pretrained(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError, match=words):
        Nudging.from_pretrained(tmp_path)


def test_all_that_is_wrong_with_weights_comes_at_once(model, tmp_path):
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    weights["more"] = weights.pop("mean")
    weights["std"] = weights["std"].to(torch.int8)
    weights["background_error_std"] = weights["background_error_std"][:2].clone()
    save_file(weights, path)
    with pytest.raises(DataError) as error:
        Nudging.from_pretrained(tmp_path)
    for words in ("1 are missing: mean.", "1 are unknown to the model: more.", "std (int8, wanted"):
        assert words in str(error.value)
    assert "(shape (2,), wanted (5,))" in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_weights_of_another_precision_are_rounded(model, tmp_path, dtype):
    model.save_pretrained(tmp_path)
    convert(tmp_path, dtype)
    again = Nudging.from_pretrained(tmp_path).state_dict()
    for name, values in model.state_dict().items():
        assert again[name].dtype == torch.float32
        torch.testing.assert_close(again[name], values, rtol=1e-2, atol=0)


def test_no_such_folder(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        Nudging.from_pretrained(tmp_path / "none")


def test_other_data_are_refused(model, small_world):
    batch = small_world.batch(1)
    wrong = replace(batch, channels=(*batch.channels[:-1], "t500"))
    with pytest.raises(DataError, match="Train it on this data set"):
        model.assimilate(wrong)
    fresh = Nudging(channels=small_world.channels, grid="9x16")
    with pytest.raises(DataError, match="set_statistics"):
        fresh.assimilate(batch)
    with pytest.raises(DataError, match="1 channels, the statistics 5"):
        Nudging(channels=["t2m"], grid="9x16").set_statistics(small_world.statistics)
    with pytest.raises(ChannelError):
        Nudging(channels=["t2n"], grid="9x16")


def test_it_cannot_be_fitted_in_passing():
    with pytest.raises(TaskError, match="has to be trained first"):
        Nudging.fit([])
