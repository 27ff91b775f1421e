"""The error by which the best model of a training is chosen, the same for all methods."""

from __future__ import annotations

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from dambench_hub.data.batch import Batch
from dambench_hub.data.dataset import Data
from dambench_hub.data.modality_controls import controlled
from dambench_hub.models.learned import LearnedAssimilator
from dambench_hub.training.config import TrainConfig

VALIDATION = "validation"


def validation_error(
    model: LearnedAssimilator,
    data: Data,
    config: TrainConfig,
    batch_size: int,
    accelerator: Accelerator,
) -> tuple[float, float]:
    """Mean over validation samples of the weighted normalised squared error.

    mean over n, c, y, x of w_y ((x̂ − x) / σ_c)², with the observations of the task, which are the
    same at each validation. Every process takes a part of the samples; the sums add.

    Args:
        model: On its device; the same in all processes.
        data: Data set with the split `validation`.
        config: Task, control, number of samples and seed.
        batch_size: Samples at a time.
        accelerator: The processes.

    Returns:
        That of the analysis, and that of the background.
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
    total = torch.zeros(3, dtype=torch.float64, device=accelerator.device)
    for batch in batches:
        batch = batch.to_torch(accelerator.device)
        analysis = model.assimilate(batch, generator).mean
        total += torch.stack(
            [
                _squared_error(analysis, batch, model.std, weights),
                _squared_error(batch.background, batch, model.std, weights),
                total.new_tensor(len(batch)),
            ]
        )
    analysis_sum, background_sum, samples = accelerator.reduce(total, "sum").tolist()
    return analysis_sum / samples, background_sum / samples


def _squared_error(state: Tensor, batch: Batch, std: Tensor, weights: Tensor) -> Tensor:
    """Sum over samples of mean over c, y, x of w_y ((x̂ − x) / σ_c)², float64."""
    assert batch.reference is not None  # splits have one
    zonal = ((state - batch.reference) / std[:, None, None]).square().mean(-1)
    return (zonal.double() * weights).mean((1, 2)).sum()
