"""The balanced B that variational methods are fitted to, from training batches and from files.

It has two forms. `zonal` knows each latitude and solves exactly; its memory grows with the fifth
power of the resolution. `spectral` knows bands of latitude, scales, and iterates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.errors import TaskError
from dambench_hub.estimation.covariance_roots import CovarianceRoot
from dambench_hub.estimation.spectral_covariance import SpectralCovariance
from dambench_hub.estimation.spectral_estimation import SpectralErrors, fit_spectral_covariance
from dambench_hub.estimation.training_departures import TrainingDepartures
from dambench_hub.estimation.training_errors import TrainingErrors
from dambench_hub.estimation.zonal_covariance import (
    ZonalCovariance,
    fit_zonal_covariance,
    required_bytes,
)
from dambench_hub.estimation.zonal_root import ZonalRoot
from dambench_hub.models.background_errors import background_errors

BalancedCovariance = ZonalCovariance | SpectralCovariance

ARRAYS = {"zonal": ("scale", "modes", "errors"), "spectral": ("profile", "real", "imaginary")}
"""What a file holds of B, real numbers, for each of its forms."""

LARGEST_ZONAL_BYTES = 2e9
"""Memory of a zonal covariance up to which it is the form that is taken."""


def fits_zonal(channels: tuple[str, ...], grid: Grid) -> bool:
    """Whether a zonal covariance is small enough: on 33×64 it is, on 121×240 it is not."""
    return required_bytes(len(channels), grid) <= LARGEST_ZONAL_BYTES


def fit_balanced_covariance(
    training: Iterable[Batch], what: str, form: str | None = None
) -> tuple[tuple[str, ...], BalancedCovariance, np.ndarray, TrainingDepartures | None]:
    """B of background − reference, without the mean error; some hundred samples are enough.

    Args:
        training: Batches of the training split, with their references.
        what: Is fitted, for messages.
        form: `zonal` or `spectral`; None for the zonal one where it is small enough.

    Returns:
        Names of the C channels; B; the mean error, (C, Y, X); departures of the modalities on the
        days of B's errors, or None where there is none, or B has the spectral form.

    Raises:
        TaskError: When there is no such form, no training sample, or one without its reference.
    """
    if form not in (None, *ARRAYS):
        raise TaskError(
            f"covariance is zonal or spectral, or left out to go by the grid, got {form!r}."
        )
    errors: TrainingErrors | SpectralErrors | None = None
    for batch, error, hours, departures in background_errors(training, what):
        if errors is None:
            channels, grid = batch.channels, batch.grid
            zonal = form == "zonal" if form else fits_zonal(channels, grid)
            errors = TrainingErrors() if zonal else SpectralErrors(channels, grid)
            modalities = tuple(batch.modalities)
        if isinstance(errors, SpectralErrors):
            errors.add(error, hours)
        else:
            errors.add(error, hours, departures)
    assert errors is not None  # or there was an error
    if isinstance(errors, SpectralErrors):
        return channels, fit_spectral_covariance(errors), errors.bias, None
    seen = TrainingDepartures.of(modalities, errors.beside, errors.hours).only(modalities)
    B = fit_zonal_covariance(errors.deviations(), grid)
    return channels, B, errors.bias, seen if seen.names else None


def covariance_root(B: BalancedCovariance) -> CovarianceRoot:
    """U with U Uᵀ = B."""
    return ZonalRoot.of(B) if isinstance(B, ZonalCovariance) else B.root


def covariance_files(B: BalancedCovariance) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Configuration and arrays of B, for `save_fitted`."""
    if isinstance(B, SpectralCovariance):
        return {"covariance": "spectral", "grid": str(B.grid)}, B.arrays
    config = {"covariance": "zonal", "grid": str(B.grid), "half_width_km": B.half_width_km}
    return config, {name: getattr(B, name) for name in ARRAYS["zonal"]}


def covariance_kinds(config: Mapping[str, Any]) -> dict[str, str]:
    """Arrays of B that belong to a configuration, for `load_fitted`."""
    return dict.fromkeys(ARRAYS[config["covariance"]], "f")


def covariance_from_files(
    config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> BalancedCovariance:
    """B again, from what `covariance_files` gave, with the names of the channels."""
    grid = Grid.parse(config["grid"])
    if config["covariance"] == "spectral":
        return SpectralCovariance.from_arrays(tuple(config["channels"]), grid, arrays)
    own = {name: arrays[name] for name in ARRAYS["zonal"]}
    return ZonalCovariance(grid, half_width_km=config["half_width_km"], **own)
