"""The balanced B that variational methods are fitted to, from training batches and from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.estimation.training_errors import TrainingErrors
from dambench_hub.estimation.zonal_covariance import ZonalCovariance, fit_zonal_covariance
from dambench_hub.models.background_errors import background_errors

ARRAYS = ("scale", "modes", "errors")
"""What a file holds of B, real numbers."""


def fit_balanced_covariance(
    training: Iterable[Batch], what: str
) -> tuple[tuple[str, ...], ZonalCovariance, np.ndarray]:
    """B of background − reference, without the mean error; some hundred samples are enough.

    Args:
        training: Batches of the training split, with their references.
        what: Is fitted, for messages.

    Returns:
        Names of the C channels; B; the mean error, (C, Y, X).

    Raises:
        TaskError: When there is no training sample, or one without its reference.
    """
    errors = TrainingErrors()
    for batch, error, hours in background_errors(training, what):
        channels, grid = batch.channels, batch.grid
        errors.add(error, hours)
    return channels, fit_zonal_covariance(errors.deviations(), grid), errors.bias


def covariance_files(B: ZonalCovariance) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Configuration and arrays of B, for `save_fitted`."""
    config = {"grid": str(B.grid), "half_width_km": B.half_width_km}
    return config, {name: getattr(B, name) for name in ARRAYS}


def covariance_from_files(
    config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> ZonalCovariance:
    """B again, from what `covariance_files` gave."""
    own = {name: arrays[name] for name in ARRAYS}
    return ZonalCovariance(Grid.parse(config["grid"]), half_width_km=config["half_width_km"], **own)
