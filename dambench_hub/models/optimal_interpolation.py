"""Optimal interpolation with a homogeneous, isotropic B: no balance, the same at all latitudes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.estimation.conjugate_gradients import conjugate_gradients
from dambench_hub.estimation.isotropic_covariance import (
    BackgroundErrors,
    IsotropicCovariance,
    fit_isotropic_covariance,
)
from dambench_hub.estimation.iterative_gain import observed_profile
from dambench_hub.estimation.observation_covariance import ObservationCovariance
from dambench_hub.models.background_errors import background_errors, require_same
from dambench_hub.models.base import Assimilator
from dambench_hub.models.fitted_files import load_fitted, save_fitted
from dambench_hub.models.point_observations import TableRows, point_observations
from dambench_hub.observations.operators import GridSelection


class OptimalInterpolation(Assimilator):
    """x^a = x^b + B Hᵀ (H B Hᵀ + R)⁻¹ (y − H x^b), after the mean error is taken from x^b.

    The solution is exact: all observations act on all grid points and channels. Where the channels
    are all seen at the same grid points, one Cholesky factorisation for each mode of B does it;
    else, and for tables of reports, conjugate gradients.

    Args:
        channels: Names of the C channels.
        covariance: B.
        bias: Mean background error, (C, Y, X), units of the channels. As R → ∞, the analysis goes
            to background − bias.

    References:
        Gandin (1965), Objective Analysis of Meteorological Fields, Israel Program for Scientific
        Translations; Lorenc (1981), Mon. Wea. Rev. 109, 701-721.
    """

    name = "optimal_interpolation"

    def __init__(
        self, channels: tuple[str, ...], covariance: IsotropicCovariance, bias: np.ndarray
    ) -> None:
        self.channels, self.covariance, self.bias = tuple(channels), covariance, bias

    @classmethod
    def fit(cls, training: Iterable[Batch], **options: Any) -> Self:
        """B and the mean error from background − reference; some hundred samples are enough.

        Raises:
            TaskError: When there is no training sample, or one without its reference.
        """
        errors = None
        for batch, error, hours, _ in background_errors(training, "Optimal interpolation"):
            if errors is None:
                errors = BackgroundErrors(len(batch.channels), batch.grid)
                channels, noise = batch.channels, batch.observation_error_std
            errors.add(error, hours)
        assert errors is not None  # or there was an error
        bias = errors.bias.reshape(-1, *errors.grid.shape)
        return cls(channels, fit_isotropic_covariance(errors, noise), bias, **options)

    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """See `Assimilator.assimilate`; nothing is drawn.

        Raises:
            DataError: When the batch has other channels or another grid than B.
        """
        B = self.covariance
        require_same(self.channels, B.grid, batch)
        mean = np.empty(batch.background.shape, batch.background.dtype)
        for samples in _alike(batch):
            seen = point_observations(batch, samples[0])
            observations = np.stack([point_observations(batch, n).values for n in samples])
            background = batch.background[samples] - self.bias
            R = ObservationCovariance(seen.floored_std(B.scale))
            weights = solve(B, seen.H, R, observations - seen.H(background))
            mean[samples] = background + B(seen.H.adjoint(weights))
        return Analysis(mean=mean, time=batch.time)

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `config.json`, for `load`."""
        B = self.covariance
        config = {"method": self.name, "channels": self.channels, "grid": str(B.grid)}
        save_fitted(
            folder, config, {name: getattr(B, name) for name in _ARRAYS} | {"bias": self.bias}
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            DataError: When a file is missing or damaged.
        """
        kinds = dict.fromkeys((*_ARRAYS, "bias"), "f")
        return load_fitted(folder, lambda _: kinds, cls._from_files)

    @classmethod
    def _from_files(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        bias = arrays.pop("bias")
        B = IsotropicCovariance(Grid.parse(config["grid"]), **arrays)
        return cls(tuple(config["channels"]), B, bias)


def _alike(batch: Batch) -> list[np.ndarray]:
    """Numbers of the samples, those with one network of grid points together."""
    size = len(batch)
    if batch.reports is not None:
        return list(np.arange(size)[:, None])
    index = batch.observation_index.reshape(size, -1)
    unseen = np.isnan(batch.observation_values).reshape(size, -1)
    networks = np.unique(np.hstack([index, unseen]), axis=0, return_inverse=True)[1].reshape(-1)
    return [np.flatnonzero(networks == number) for number in range(networks.max(initial=-1) + 1)]


_ARRAYS = ("scale", "modes", "variances", "length_scales_km")


def solve(
    B: IsotropicCovariance,
    H: GridSelection | TableRows,
    R: ObservationCovariance,
    innovation: np.ndarray,
) -> np.ndarray:
    """(H B Hᵀ + R)⁻¹ d, float64, (*, M, P)."""
    if isinstance(H, GridSelection) and H.index.ndim == 1 and H.seen.all():
        ratio = (R.std / B.scale) ** 2
        if np.allclose(ratio, ratio[0], rtol=1e-9, atol=0):
            return solve_by_modes(B, H, ratio[0], innovation)
    precision = 1 / (observed_profile(H, B.std, B.grid) ** 2 + R.std[:, None] ** 2)
    return conjugate_gradients(
        lambda v: H(B(H.adjoint(v))) + R(v), innovation, precondition=lambda v: precision * v
    )


def solve_by_modes(
    B: IsotropicCovariance, H: GridSelection, ratio: float, innovation: np.ndarray
) -> np.ndarray:
    """The same where all channels are seen at the same points and R = ratio · D².

    Then H B Hᵀ + R = D U (⊕_k H C_k Hᵀ + ratio · I) Uᵀ D: one P×P system for each mode.
    """
    kernels = B.kernels(H.index)
    noise = ratio * np.eye(len(H.index))
    weights = B.modes.T @ (innovation / B.scale[:, None])
    for k, variance in enumerate(B.variances):
        factor = cho_factor(np.tensordot(variance, kernels, 1) + noise, overwrite_a=True)
        weights[..., k, :] = cho_solve(factor, weights[..., k, :].T).T
    return B.modes @ weights / B.scale[:, None]
