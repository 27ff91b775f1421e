"""The batches that a process trains on: order, observations, controls and augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Batch
from dambench_hub.data.dataset import Data
from dambench_hub.data.modality_controls import controlled
from dambench_hub.observations.table import ObservationTable
from dambench_hub.storage.manifest import TRAIN_SPLIT
from dambench_hub.training.plan import TrainingPlan, epoch_key


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
            TRAIN_SPLIT,
            plan.micro_batch_size,
            indices=plan.share(epoch, first if epoch == begun else 0),
            redraw=key if config.redraw else None,
            buffers=2,
        )
        if config.modality_control != "none":
            batches = controlled(batches, data, TRAIN_SPLIT, config.modality_control)
        for batch in batches:
            batch = batch.to_torch(device)
            yield rolled(batch, key) if config.roll_longitude else batch, generator


def rolled(batch: Batch, key: int) -> Batch:
    """Each sample turned about the Earth's axis by a random longitude, with its observations.

    Args:
        batch: Of torch tensors (`Batch.to_torch`).
        key: The longitude of a sample depends on it and on its valid time alone.
    """
    longitudes = batch.grid.longitudes
    shifts = [
        int(np.random.default_rng([key, int(hours)]).integers(longitudes))
        for hours in hours_since_epoch(batch.time)
    ]

    def fields(values: torch.Tensor) -> torch.Tensor:
        return torch.stack([v.roll(s, -1) for v, s in zip(values, shifts, strict=True)])

    def named(values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: fields(field) for name, field in values.items()}

    degrees = [360 / longitudes * shift for shift in shifts]
    # Rows stay, columns move; observations stay in ascending order of their grid points.
    at = batch.observation_index
    shift = at.new_tensor(shifts).reshape(-1, *[1] * (at.ndim - 1))
    turned = at - at % longitudes + (at + shift) % longitudes
    turned, order = turned.sort(dim=-1)
    order = order if order.ndim == 3 else order[:, None]
    values = batch.observation_values
    members = batch.background_members
    return replace(
        batch,
        background=fields(batch.background),
        background_members=None if members is None else fields(members),
        reference=None if batch.reference is None else fields(batch.reference),
        modalities=named(batch.modalities),
        background_modalities=named(batch.background_modalities),
        background_members_modalities=named(batch.background_members_modalities),
        observation_index=turned,
        observation_values=values.gather(2, order.expand(values.shape)),
        reports=None if batch.reports is None else tuple(map(_turned, batch.reports, degrees)),
    )


def _turned(table: ObservationTable, degrees: float) -> ObservationTable:
    """The table with its stations moved to the east."""
    return table.replace(longitude=(table.longitude + degrees) % 360)
