"""The observations of one sample at points, and their operator."""

from __future__ import annotations

import numpy as np

from dambench_hub.data.batch import Batch
from dambench_hub.observations.operators import GridSelection


def point_observations(batch: Batch, n: int) -> tuple[GridSelection, np.ndarray]:
    """H and y of one sample, with y and H x both 0 where a channel is not seen.

    So innovations y − H x^b are 0 there, as are the anomalies of members.

    Args:
        batch: Of numpy arrays.
        n: Number of the sample in the batch.

    Returns:
        H, with `H.seen`; y, float64, (C, P), finite.
    """
    values = batch.observation_values[n].astype(np.float64)
    seen = ~np.isnan(values)
    H = GridSelection(len(batch.channels), batch.grid, batch.observation_index[n], seen)
    return H, np.where(seen, values, 0.0)
