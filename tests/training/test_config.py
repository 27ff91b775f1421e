"""Configurations: what is known, what is allowed, what a preset gives."""

import inspect
from dataclasses import fields

import pytest
import yaml

from dambench_hub.errors import TaskError, TrainingError
from dambench_hub.models.registry import CLASSICAL, METHODS, method_class
from dambench_hub.training.config import (
    NOT_CHOSEN,
    RULES,
    UPSTREAM,
    TrainConfig,
    make_config,
    read_config,
)

LEARNED = sorted(set(METHODS) - set(CLASSICAL))


def write(folder, text):
    path = folder / "some.yaml"
    path.write_text(text)
    return path


def test_a_flat_file_becomes_a_configuration(tmp_path):
    path = write(tmp_path, "method: conv_cnp\nlearning_rate: 2e-4\nmixed_precision: no\nwidth: 8\n")
    config = read_config(path, ["epochs=3", "betas=[0.8, 0.9]", "initial=runs/x/best"])
    assert config == TrainConfig(
        method="conv_cnp",
        learning_rate=2e-4,
        mixed_precision="no",
        epochs=3,
        betas=[0.8, 0.9],
        initial="runs/x/best",
        hyper_parameters={"width": 8},
    )


def test_a_configuration_survives_its_file(tmp_path):
    config = make_config({"method": "multi_conv_cnp", "adapter_width": 8, "betas": [0.9, 0.95]})
    assert make_config(yaml.safe_load(yaml.safe_dump(config.flat()))) == config
    assert read_config(write(tmp_path, yaml.safe_dump(config.flat()))) == config


def test_the_task_follows_the_method():
    assert make_config({"method": "conv_cnp"}).task == "unimodal"
    assert make_config({"method": "multi_conv_cnp"}).task == "multimodal"
    assert make_config({"method": "conv_cnp", "task": "density-10"}).task == "density-10"


def test_the_papers_recipe_is_the_default():
    config = make_config({"method": "conv_cnp"})
    assert (config.preset, config.epochs, config.batch_size) == ("paper", 40, 8)
    assert (config.schedule, config.learning_rate) == ("paper", 1e-4)


@pytest.mark.parametrize("method", LEARNED)
def test_every_learned_method_has_its_own_recipe(method):
    config = TrainConfig(method=method, preset="upstream", **UPSTREAM[method])
    assert config.epochs >= 20
    assert config.mixed_precision == "no"


def test_a_file_is_stronger_than_the_preset():
    config = make_config({"method": "multi_conv_cnp", "preset": "upstream", "epochs": 2})
    assert (config.epochs, config.betas, config.schedule) == (2, (0.9, 0.9), "one-cycle")


def test_no_hyper_parameter_has_the_name_of_a_training_key():
    own = {field.name for field in fields(TrainConfig)}
    for method in ("conv_cnp", "multi_conv_cnp", "fnp"):
        assert not own & set(inspect.signature(method_class(method)).parameters)


def test_every_key_has_a_rule():
    free = {"method", "hyper_parameters"}  # checked by the registry and by the constructor
    assert {field.name for field in fields(TrainConfig)} == {*RULES, *free}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "method: conv_cnp\nepoch: 3",
            r"some.yaml: method conv_cnp: unknown key 'epoch'.*Did you mean 'epochs'",
        ),
        ("method: conv_cnp\nwidht: 3", "unknown key 'widht'.*Did you mean 'width'"),
        *((f"method: conv_cnp\n{name}: 3x3", "unknown key") for name in NOT_CHOSEN),
        ("method: conv_cnp\nepochs: 0", "epochs is a whole number from 1 on, got 0"),
        ("method: conv_cnp\nepochs: 1.5", "epochs is a whole number"),
        ("method: conv_cnp\nepochs: true", "epochs is a whole number"),
        ("method: conv_cnp\nlearning_rate: fast", "learning_rate is a number greater than 0"),
        ("method: conv_cnp\nlearning_rate: .nan", "learning_rate is a number greater than 0"),
        ("method: conv_cnp\nbetas: [0.9]", "betas is two numbers"),
        ("method: conv_cnp\nbetas: '09'", "betas is two numbers"),
        ("method: conv_cnp\nschedule: papr", "schedule is one of paper, one-cycle"),
        ("method: conv_cnp\nschedule: [1]", "schedule is one of"),
        ("method: conv_cnp\ntask: 3", "task is the name of a task, got 3"),
        ("method: conv_cnp\nredraw: 1", "redraw is true or false, got 1"),
        ("method: conv_cnp\nkeep: 0\nseed: -1", "seed is .* got -1; keep is .* got 0"),
        ("method: conv_cnp\nmodality_control: constant", "set it to none for conv_cnp"),
        ("method: conv_cnp\ncompile: true\ncheckpointing: true", "cannot compile blocks"),
        ("method: multi_conv_cnp\ntask: unimodal", "needs modalities"),
        ("epochs: 3", "`method` is missing"),
        ("method: background", "nothing to train"),
        ("", "holds no `key: value`"),
        ("[1, 2]", "holds no `key: value`"),
        ("method: [", "cannot be read"),
    ],
)
def test_mistakes_name_file_key_and_what_is_allowed(tmp_path, text, words):
    with pytest.raises(TrainingError, match=words) as caught:
        read_config(write(tmp_path, text))
    assert "some.yaml" in str(caught.value)


def test_unknown_names_get_advice(tmp_path):
    with pytest.raises(TaskError, match="some.yaml: Unknown method.*Did you mean 'conv_cnp'"):
        read_config(write(tmp_path, "method: convcnp"))
    with pytest.raises(TaskError, match="Did you mean 'unimodal'"):
        read_config(write(tmp_path, "method: conv_cnp\ntask: unimodl"))
    with pytest.raises(TrainingError, match=r"KEY=VALUE.*got 'epochs'"):
        read_config(write(tmp_path, "method: conv_cnp"), ["epochs"])
    with pytest.raises(TrainingError, match="nowhere.yaml cannot be read"):
        read_config(tmp_path / "nowhere.yaml")
