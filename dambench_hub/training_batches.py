"""What a process is shown while it trains."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dambench_hub.augmentation import rolled
from dambench_hub.data.batch import Batch
from dambench_hub.data.dataset import Data
from dambench_hub.data.modality_controls import controlled
from dambench_hub.training_plan import TrainingPlan, epoch_key

TRAINING = "train"


def training_batches(
    data: Data, plan: TrainingPlan, first_step: int, device: torch.device
) -> Iterator[tuple[Batch, torch.Generator]]:
    """Micro-batches of this process, and the generator that seeds their noise.

    Order, observations, augmentation and noise are functions of the seed and the epoch alone.

    Args:
        data: Data set with the split `train`.
        plan: Which samples, in which order.
        first_step: The step to begin with.
        device: Where the batches go. One is valid until the next is asked for.
    """
    config = plan.config
    begun, first = divmod(first_step, plan.steps_per_epoch)
    for epoch in range(begun, config.epochs):
        key = epoch_key(config.seed, epoch)
        generator = torch.Generator().manual_seed(key)
        batches = data.batches(
            config.task,
            TRAINING,
            plan.micro_batch_size,
            indices=plan.share(epoch, first if epoch == begun else 0),
            redraw=key if config.redraw else None,
            buffers=2,
        )
        if config.modality_control != "none":
            batches = controlled(batches, data, TRAINING, config.modality_control)
        for batch in batches:
            batch = batch.to_torch(device)
            yield rolled(batch, key) if config.roll_longitude else batch, generator
