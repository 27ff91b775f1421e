"""`TrainingState`: all that changes while a method is trained; saved, and loaded to go on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer

from dambench_hub.errors import TrainingError
from dambench_hub.models.learned import LearnedAssimilator
from dambench_hub.models.pretrained import weight_problems
from dambench_hub.training.checkpoints import (
    checkpoint_steps,
    load_optimizer,
    optimizer_tensors,
    prune_checkpoints,
    read_checkpoint,
    write_checkpoint,
)
from dambench_hub.training.config import TrainConfig
from dambench_hub.training.selection import Validation
from dambench_hub.training.weight_average import WeightAverage


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: Optimiser steps done.
        seconds: Time spent, over all runs.
        best_step: Step of the best validation, None before the first.
        best_mse: Its error.
        best_skill: Its skill in %; None in trainings that began when the smallest error was best.
    """

    step: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_mse: float | None = None
    best_skill: float | None = None

    def is_best(self, validation: Validation) -> bool:
        """Whether a validation is better than all before: by skill, else by error."""
        if self.best_skill is not None and validation.skill is not None:
            return validation.skill > self.best_skill
        return self.best_mse is None or validation.mse < self.best_mse


class TrainingState:
    """Weights, their average, the optimiser's memory, the loss scale and the progress.

    There are no random states: nothing in training depends on what was drawn before.

    Args:
        model: The method to train, as its training begins.
        config: How it is trained.
        accelerator: Processes, device and number format.

    Attributes:
        wrapped: The model as it has to be called for its loss, which may be distributed.
        parameters: Trained parameters by name.
    """

    def __init__(
        self, model: LearnedAssimilator, config: TrainConfig, accelerator: Accelerator
    ) -> None:
        self.model = model.to(accelerator.device)
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        first, second = config.betas
        optimizer = torch.optim.AdamW(
            self.parameters.values(), betas=(first, second), weight_decay=config.weight_decay
        )
        self.wrapped: torch.nn.Module
        self.optimizer: AcceleratedOptimizer
        self.wrapped, self.optimizer = accelerator.prepare(self.model, optimizer)
        self.scaler = accelerator.scaler
        self.average = WeightAverage(model, config.ema_decay) if config.ema_decay else None
        self.progress = Progress()

    @property
    def has_batch_norms(self) -> bool:
        """Whether a loss depends on which samples are computed together."""
        norms = torch.nn.modules.batchnorm._BatchNorm
        return any(isinstance(module, norms) for module in self.model.modules())

    def require_finite(self) -> None:
        """Refuse weights that must not be saved.

        Raises:
            TrainingError: When a weight is not a finite number.
        """
        for name, values in self.model.state_dict().items():
            if not bool(values.isfinite().all()):
                raise TrainingError(
                    f"The weights {name} are not finite after step {self.progress.step}, so they "
                    "are not saved. Choose a smaller learning_rate and another --out."
                )

    def save(self, folder: Path, keep: int) -> None:
        """Write the state; then remove all but the last `keep` and that of the best model.

        Raises:
            DambenchError: When the disk is full or the folder cannot be written.
        """
        tensors = {
            "model": self.model.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer, list(self.parameters)),
            "average": self.average.weights if self.average else {},
        }
        numbers: dict[str, Any] = asdict(self.progress)
        if self.scaler:
            numbers["scaler"] = self.scaler.state_dict()
        write_checkpoint(folder, self.progress.step, tensors, numbers)
        kept = set(checkpoint_steps(folder)[-keep:])
        if self.progress.best_step is not None:
            kept.add(self.progress.best_step)
        prune_checkpoints(folder, kept)

    def load(self, folder: Path, step: int) -> None:
        """Go on from a state that is complete.

        Raises:
            TrainingError: When it is that of another version of the method.
        """
        tensors, numbers = read_checkpoint(folder, step)
        try:
            if problems := weight_problems(tensors["model"], self.model.state_dict()):
                raise ValueError(" ".join(problems))
            self.model.load_state_dict(tensors["model"])
            load_optimizer(self.optimizer, list(self.parameters), tensors["optimizer"])
            if self.average:
                self.average.load(tensors["average"])
            if self.scaler:
                self.scaler.load_state_dict(numbers["scaler"])
            numbers = {"best_skill": None} | numbers  # older states do not have it
            self.progress = Progress(**{f.name: numbers[f.name] for f in fields(Progress)})
        except (RuntimeError, KeyError, ValueError) as error:
            raise TrainingError(
                f"The training state of step {step} in {folder} is that of another version of "
                f"{self.model.name} ({error}). config.yaml names the version to go on with."
            ) from error
