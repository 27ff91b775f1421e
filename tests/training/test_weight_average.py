"""Averaged weights: between the weights that were, and put in only for a while."""

import pytest
import torch
from torch import nn

from dambench_hub.training.weight_average import WeightAverage


@pytest.fixture
def model():
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    return model


def set_weights(model, value):
    with torch.no_grad():
        model.weight.fill_(value)


def test_without_decay_it_is_the_weights(model):
    average = WeightAverage(model, 0.0)
    set_weights(model, 3.0)
    average.update(0)
    assert torch.equal(average.weights["weight"], model.weight)


def test_it_follows_slowly(model):
    set_weights(model, 0.0)
    average = WeightAverage(model, 0.9)
    set_weights(model, 1.0)
    for step in range(1000, 1005):
        average.update(step)
    torch.testing.assert_close(average.weights["weight"], torch.full((1, 2), 1 - 0.9**5))


def test_the_start_is_soon_forgotten(model):
    set_weights(model, 1e3)
    average = WeightAverage(model, 0.9999)
    set_weights(model, 1.0)
    for step in range(200):
        average.update(step)
    assert average.weights["weight"].max() < 1.01


def test_the_model_has_it_only_inside(model):
    set_weights(model, 1.0)
    average = WeightAverage(model, 0.5)
    set_weights(model, 2.0)
    with pytest.raises(RuntimeError), average.applied():
        assert model.weight.unique().item() == 1.0
        raise RuntimeError
    assert model.weight.unique().item() == 2.0
    assert average.weights["weight"].unique().item() == 1.0
    assert list(average.weights) == ["weight"]
