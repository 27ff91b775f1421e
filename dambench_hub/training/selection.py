"""The score by which the best model of a training is chosen: skill, as boards rank by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from dambench_hub.data.batch import Batch
from dambench_hub.data.dataset import Data
from dambench_hub.data.modality_controls import controlled
from dambench_hub.metrics.rmse_skill import rmse_skill
from dambench_hub.models.learned import LearnedAssimilator
from dambench_hub.training.config import TrainConfig

VALIDATION = "validation"


@dataclass(frozen=True)
class Validation:
    """How a model does on the validation split.

    Attributes:
        skill: In %, as `rmse_skill` has it; larger is better. None where the background is perfect.
        mse: Mean over n, c, y, x of w_y ((x̂ − x) / σ_c)².
        background_mse: The same of the background.
    """

    skill: float | None
    mse: float
    background_mse: float


def validate(
    model: LearnedAssimilator,
    data: Data,
    config: TrainConfig,
    batch_size: int,
    accelerator: Accelerator,
) -> Validation:
    """Compare a model's analyses with the reference, as the background is compared.

    Observations are those of the task, the same at each validation. Every process takes a part of
    the samples; the sums add.

    Args:
        model: On its device; the same in all processes.
        data: Data set with the split `validation`.
        config: Task, control, number of samples and seed.
        batch_size: Samples at a time.
        accelerator: The processes.

    Returns:
        Means over the samples of all processes. NaN or infinite where an analysis is.
    """
    size = data.size(VALIDATION)
    count = min(config.validation_samples or size, size)
    indices = np.linspace(0, size - 1, count).round().astype(int)
    mine = indices[accelerator.process_index :: accelerator.num_processes]
    batches = data.batches(config.task, VALIDATION, batch_size, indices=mine, buffers=2)
    if config.modality_control != "none":
        batches = controlled(batches, data, VALIDATION, config.modality_control)
    generator = torch.Generator().manual_seed(config.seed)
    weights = torch.as_tensor(data.grid.weights, device=accelerator.device)
    squares = torch.zeros(2, len(data.channels), dtype=torch.float64, device=accelerator.device)
    for batch in batches:
        batch = batch.to_torch(accelerator.device)
        analysis = model.assimilate(batch, generator).mean
        for total, state in zip(squares, (analysis, batch.background), strict=True):
            total += _squared_error(state, batch, model.std, weights)
    means = accelerator.reduce(squares, "sum").cpu().numpy() / count
    mse, background_mse = means.mean(axis=1).tolist()
    return Validation(_skill(data.channels, *np.sqrt(means)), mse, background_mse)


def _skill(channels: Sequence[str], rmse: np.ndarray, background_rmse: np.ndarray) -> float | None:
    """`rmse_skill` of errors in units of σ; None where an error is not finite, too."""
    if not np.all(np.isfinite(rmse)):
        return None
    skill: float | None = rmse_skill(channels, rmse, background_rmse, np.ones(len(rmse)))["skill"]
    return skill


def _squared_error(state: Tensor, batch: Batch, std: Tensor, weights: Tensor) -> Tensor:
    """Sum over samples of mean over y, x of w_y ((x̂ − x) / σ_c)², (C,) float64."""
    assert batch.reference is not None  # splits have one
    zonal = ((state - batch.reference) / std[:, None, None]).square().mean(-1)
    return (zonal.double() * weights).mean(-1).sum(0)
