"""Where a task has observations, for scores at, near and far from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dambench_hub.observations import draw_observations

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data
    from dambench_hub.tasks.task import Task


def observed_points(data: Data, task: Task, index: int, reference: np.ndarray) -> np.ndarray:
    """Where there is an observation at a time of the task's split.

    Args:
        data: The data set.
        task: The task; its observations are those stored, or drawn anew.
        index: Number of the example in the split.
        reference: That of the example, (C, Y, X), which observations are drawn from.

    Returns:
        Boolean, (C, Y, X); False also where an instrument is, but does not see the channel.
    """
    settings = task.observation_settings(data.manifest)
    if settings.network == "off_grid":
        cells = settings.stations(data.grid).cells(data.grid)
        points, values = cells, np.zeros((len(data.channels), len(cells)))
    elif settings == data.manifest.observations:
        stored = data.example(task.split, index, ["observation_index", "observations"])
        points, values = stored["observation_index"], stored["observations"]
    else:
        error_std = data.observation_error_std(settings)
        time = data.times(task.split)[index]
        points, values = draw_observations(
            settings, data.grid, reference, error_std, time, channels=data.channels
        )
    observed = np.zeros((len(data.channels), data.grid.size), bool)
    np.put_along_axis(
        observed, np.broadcast_to(points, values.shape).astype(np.intp), np.isfinite(values), axis=1
    )
    return observed.reshape(-1, *data.grid.shape)
