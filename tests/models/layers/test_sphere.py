"""Blocks that methods share."""

import pytest
import torch

from dambench_hub.errors import TaskError
from dambench_hub.models.layers.checks import require_choice, require_odd, require_positive
from dambench_hub.models.layers.sphere import (
    normalisation,
    pad_sphere,
    pad_to_multiple,
    resize_sphere,
    run_block,
)


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
    padded = pad_to_multiple(x, 4)
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


def test_checkpointing_shows_batch_normalisation_each_batch_once():
    x, means = torch.randn(4, 8, 3, 4, requires_grad=True), []
    for checkpointing in (False, True):
        norm = normalisation("batch", 8)
        run_block(norm, x, checkpointing=checkpointing).square().sum().backward()
        means.append(norm.running_mean)
        assert norm.momentum == 0.1
    assert torch.equal(*means)


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_normalisations_have_any_scale_of_input(norm):
    x = 5 + 3 * torch.randn(2, 16, 9, 16)
    result = normalisation(norm, 16)(x)
    if norm == "none":
        assert torch.equal(result, x)
    else:
        assert result.mean().abs() < 1e-4 and abs(result.std() - 1) < 1e-2


@pytest.mark.parametrize(("width", "groups"), [(16, 8), (12, 4), (5, 1)])
def test_groups_divide_the_width(width, groups):
    assert normalisation("group", width).num_groups == groups


def test_resizing_is_linear_between_grid_points_and_around_the_date_line():
    latitude = torch.linspace(90, -90, 5)[:, None].expand(1, 1, 5, 4)
    fine = resize_sphere(latitude, 9, 8)
    torch.testing.assert_close(fine[0, 0, :, 0], torch.linspace(90, -90, 9))
    x = torch.randn(1, 1, 5, 4)
    fine = resize_sphere(x, 9, 8)
    torch.testing.assert_close(fine[..., ::2, ::2], x)
    torch.testing.assert_close(fine[..., ::2, 7], (x[..., 3] + x[..., 0]) / 2)
    torch.testing.assert_close(resize_sphere(fine, 5, 4), x)
    assert resize_sphere(x, 5, 4) is x


def test_sizes_that_make_no_sense_are_refused():
    require_positive(width=1)
    require_odd(kernel=3)
    for check, sizes in ((require_positive, {"width": 1.5}), (require_odd, {"kernel": 2})):
        with pytest.raises(TaskError, match=next(iter(sizes))):
            check(**sizes)


def test_an_unknown_choice_is_refused():
    with pytest.raises(TaskError, match="Did you mean 'noise'"):
        require_choice("prediction", "noize", ("noise", "velocity"))
