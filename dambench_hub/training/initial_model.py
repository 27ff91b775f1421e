"""The model that a training starts from: weights, statistics, and how it computes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import nn

from dambench_hub.data.dataset import Data
from dambench_hub.errors import TrainingError
from dambench_hub.models.learned import LearnedAssimilator
from dambench_hub.models.multi_modal import MultiModal
from dambench_hub.models.pretrained import read_config, read_method, read_weights, resolve_folder
from dambench_hub.models.registry import method_class
from dambench_hub.training.config import TrainConfig


def initial_model(config: TrainConfig, data: Data) -> LearnedAssimilator:
    """The method to train.

    Raises:
        TrainingError: When the model to start from is of another method.
        DambenchError: When a hyper-parameter is out of range, or that model does not fit.
    """
    torch.manual_seed(config.seed)
    model_class = cast(type[LearnedAssimilator], method_class(config.method))
    model = model_class(
        channels=list(data.channels), grid=str(data.grid), **config.hyper_parameters
    )
    if config.initial is not None:
        load_weights(model, resolve_folder(config.initial))
    model.set_statistics(data.statistics)
    model.set_checkpointing(config.checkpointing)
    if config.compile:
        compile_parts(model)
    return model


def load_weights(model: LearnedAssimilator, folder: Path) -> None:
    """Take the weights of a trained model of the same method, or of a multi-modal method's host.

    Raises:
        TrainingError: When it is a model of another method.
        DataError: When its weights have other names or shapes, or cannot be read.
    """
    method = read_method(folder)
    if method == model.name:
        read_config(folder, type(model))  # refuses weights of which the names alone would fit
        model.load_state_dict(read_weights(folder, model.state_dict()))
    elif isinstance(model, MultiModal) and method == model.host_class.name:
        model.set_host_weights(read_weights(folder, model.host.state_dict()))
    else:
        raise TrainingError(
            f"initial: {folder} holds the method {method}, which {model.name} cannot start from."
        )


def compile_parts(module: nn.Module) -> None:
    """Compile what works on tensors, in place: the names of the weights stay as they are."""
    for child in module.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict | LearnedAssimilator):
            compile_parts(child)
        else:
            child.compile()
