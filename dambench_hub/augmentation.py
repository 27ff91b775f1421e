"""Training samples that were not in the archive but could have been."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Batch


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

    # Rows stay, columns move; observations stay in ascending order of their grid points.
    at = batch.observation_index
    shift = at.new_tensor(shifts).reshape(-1, *[1] * (at.ndim - 1))
    turned = at - at % longitudes + (at + shift) % longitudes
    turned, order = turned.sort(dim=-1)
    order = order if order.ndim == 3 else order[:, None]
    values = batch.observation_values
    return replace(
        batch,
        background=fields(batch.background),
        reference=None if batch.reference is None else fields(batch.reference),
        modalities={name: fields(field) for name, field in batch.modalities.items()},
        observation_index=turned,
        observation_values=values.gather(2, order.expand(values.shape)),
    )
