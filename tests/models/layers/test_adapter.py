"""The modality adapter: missing values, positions, interpolation, size."""

import numpy as np
import pytest
import torch

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models.layers.adapter import ModalityAdapter, interpolation
from dambench_hub.models.layers.noise import Noise

TINY = {"width": 32, "heads": 2, "layers": 1}
BOTH = ("precipitation", "olr")


def adapter(grid="9x16", context_shape=(6, 9, 16), modalities=BOTH, trained=True, **settings):
    """In evaluation mode; `trained` fills the last layer, which starts at zero."""
    torch.manual_seed(0)
    model = ModalityAdapter(
        grid=Grid.parse(grid),
        context_shape=context_shape,
        modalities=modalities,
        **{**TINY, **settings},
    )
    if trained:
        torch.nn.init.normal_(model.projection.weight, std=0.1)
    return model.eval()


def fields(size=2, grid="9x16", missing=0.3):
    """Departures."""
    generator = torch.Generator().manual_seed(1)
    shape = (size, *Grid.parse(grid).shape)
    rain, olr = torch.randn(2, *shape, generator=generator)
    gaps = torch.rand(shape, generator=generator) < missing
    return {"precipitation": torch.where(gaps, torch.nan, rain), "olr": olr}


def noise(size=2, seed=0):
    return Noise(seed, np.datetime64("2001-01-01", "h") + np.arange(size) * 24)


@pytest.mark.parametrize("grid", ["121x240", "61x120", "33x64", "32x64", "9x16", "10x15"])
def test_any_grid_and_any_context_grid(grid):
    y, x = Grid.parse(grid).shape
    for shape in (4, y, x), (3, -(-y // 2), x // 2), (5, -(-y // 8) * 2, -(-x // 8) * 2):
        context = adapter(grid, shape, width=8)(fields(1, grid), noise(1))
        assert context.shape == (1, *shape)
        assert context.isfinite().all()


def test_33_rows_are_padded_to_40():
    assert adapter("33x64").tokens == (5, 8)
    assert adapter("121x240").tokens == (16, 30)


@pytest.mark.parametrize("channels", [16, 128, 512])
def test_it_is_smaller_than_one_and_a_half_million_parameters(channels):
    """The context widths of SDA and SLAMS, of FNP, and of ConvCNP, on the full grid."""
    with torch.device("meta"):
        model = ModalityAdapter(
            grid=Grid(121, 240), context_shape=(channels, 121, 240), modalities=BOTH
        )
    added = sum(parameter.numel() for parameter in model.parameters())
    embedding, attention = 2 * 64 * 128 + 128, 4 * (128 * 128 + 128) + 2 * 128
    feed_forward = 2 * 128 * 512 + 512 + 128 + 2 * 128
    per_modality = embedding + 480 * 128 + attention
    wanted = 2 * per_modality + 2 * (attention + feed_forward) + 256 * channels + channels
    assert added == wanted < 1.5e6


def test_it_starts_at_zero():
    assert not adapter(trained=False)(fields(), noise()).any()


def test_a_missing_value_is_neither_zero_nor_arithmetic():
    model, there = adapter(), fields(missing=0.0)
    there["precipitation"][:, 3, 5] = 0.0
    gone = {name: values.clone() for name, values in there.items()}
    gone["precipitation"][:, 3, 5] = torch.nan
    assert model(gone, noise()).isfinite().all()
    assert not torch.allclose(model(gone, noise()), model(there, noise()))
    infinite = {**gone, "precipitation": gone["precipitation"].nan_to_num(nan=torch.inf)}
    assert torch.equal(model(gone, noise()), model(infinite, noise()))


def test_gradients_are_finite_with_nothing_there():
    model = adapter().train()
    nothing = {name: torch.full((2, 9, 16), torch.nan) for name in BOTH}
    model(nothing, noise()).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("name", BOTH)
def test_each_modality_matters_and_one_may_be_missing(name):
    model, whole = adapter(), fields()
    without = {**whole, name: torch.full_like(whole[name], torch.nan)}
    context = model(without, noise())
    assert context.isfinite().all()
    assert not torch.allclose(context, model(whole, noise()))


def test_samples_do_not_see_each_other():
    model, both = adapter(), fields(2)
    alone = {name: values[1:] for name, values in both.items()}
    torch.testing.assert_close(model(both, noise())[1:], model(alone, noise(1)))


def test_dropout_withholds_a_modality_of_a_sample_in_training_only():
    model, whole = adapter(dropout=0.5), fields(1).items()
    states = [
        {name: values if name in kept else torch.full_like(values, torch.nan)}
        for kept in ((), ("precipitation",), ("olr",), BOTH)
        for name, values in whole
    ]
    states = [states[i] | states[i + 1] for i in range(0, 8, 2)]
    possible = torch.stack([model(state, noise(1)) for state in states])
    seen = []
    model.train()
    for seed in range(40):
        context = model(dict(whole), noise(1, seed))
        distances = (possible - context).abs().amax(dim=(1, 2, 3, 4))
        assert distances.min() < 1e-6
        seen.append(int(distances.argmin()))
        assert torch.equal(context, model(dict(whole), noise(1, seed)))
    assert set(seen) == {0, 1, 2, 3}


def test_nothing_is_drawn_outside_training():
    drawn, untouched = noise(), noise()
    adapter()(fields(), drawn)
    adapter(dropout=0.0).train()(fields(), drawn)
    assert torch.equal(drawn.normal(3), untouched.normal(3))


def test_attention_can_be_shared():
    separate, shared = adapter(), adapter(share_attention=True)
    saved = 4 * (32 * 32 + 32) + 2 * 32
    count = [sum(p.numel() for p in model.parameters()) for model in (separate, shared)]
    assert count[0] - count[1] == saved
    assert shared(fields(), noise()).isfinite().all()


def test_one_modality_is_enough():
    model = adapter(modalities=["olr"])
    assert model({"olr": fields()["olr"]}, noise()).shape == (2, 6, 9, 16)


def test_checkpointing_and_bfloat16_change_little():
    model, batch = adapter().train(), fields()
    gradients = []
    for model.checkpointing in (False, True):
        model.zero_grad()
        model(batch, noise()).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])
    full = model.eval()(batch, noise())
    with torch.autocast("cpu", torch.bfloat16):
        half = model(batch, noise())
    torch.testing.assert_close(half.float(), full, rtol=0.1, atol=0.05)


def test_interpolation_is_exact_for_what_is_linear():
    matrix = interpolation(16, 1 / 4, 4, periodic=False)
    centres = 4 * (torch.arange(4) + 0.5) - 0.5
    inside = slice(2, 14)
    torch.testing.assert_close((matrix @ centres)[inside], torch.arange(16.0)[inside])
    torch.testing.assert_close(matrix.sum(1), torch.ones(16))
    assert torch.equal(matrix[0], torch.tensor([1.0, 0, 0, 0]))  # goes on beyond the last centre


@pytest.mark.parametrize("sources", [1, 2, 5])
def test_interpolation_wraps_around(sources):
    matrix = interpolation(8 * sources, 1 / 8, sources, periodic=True)
    torch.testing.assert_close(matrix.sum(1), torch.ones(8 * sources))
    torch.testing.assert_close(matrix.roll(8, 0), matrix.roll(-1, 1) if sources > 1 else matrix)


def test_interpolation_to_the_same_cells_changes_nothing():
    assert torch.equal(interpolation(5, 1.0, 5, periodic=True), torch.eye(5))
    assert torch.equal(interpolation(5, 1.0, 5, periodic=False), torch.eye(5))


def test_an_absent_modality_is_told():
    with pytest.raises(DataError, match="the batch has no olr. Use the task multimodal"):
        adapter()({"precipitation": fields()["precipitation"]}, noise())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modalities": ["precipitatoin"]}, "Did you mean 'precipitation'"),
        ({"modalities": []}, "each once"),
        ({"modalities": ["olr", "olr"]}, "each once"),
        ({"heads": 3}, "must divide"),
        ({"width": 0}, "adapter_width is at least 1"),
        ({"patch": 0}, "adapter_patch is at least 1"),
        ({"layers": 0}, "adapter_layers is at least 1"),
        ({"dropout": 1.0}, "modality_dropout is at least 0"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(TaskError, match=words):
        adapter(**settings)
