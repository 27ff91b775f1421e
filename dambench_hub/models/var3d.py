"""3D-Var with a balanced B, estimated from the errors of the training split."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.errors import TaskError
from dambench_hub.models.background_errors import require_same
from dambench_hub.models.balanced_covariance import (
    BalancedCovariance,
    covariance_files,
    covariance_from_files,
    covariance_kinds,
    fit_balanced_covariance,
)
from dambench_hub.models.base import Assimilator
from dambench_hub.models.fitted_files import load_fitted, save_fitted
from dambench_hub.models.point_observations import point_observations
from dambench_hub.observations.operators import GridSelection


class Var3D(Assimilator):
    """x^a = x^b + B Hᵀ (H B Hᵀ + R)⁻¹ (y − H x^b), after the mean error is taken from x^b.

    With a linear H this minimises J(x) = ‖x − x^b‖²_B + ‖y − H x‖²_R. B keeps the balance of mass
    and wind that the training errors had, and their growth with latitude. It has one of two forms,
    of which `fit` takes the first where its memory allows, up to about 48×96 with 69 channels:

    - zonal, homogeneous along circles of latitude and nothing else: solved exactly in the space of
      the observations (`estimation.zonal_covariance`);
    - spectral, by degree and order in bands of latitude: solved by iteration in the space of
      controls (`estimation.spectral_covariance`).

    Args:
        channels: Names of the C channels.
        covariance: B.
        bias: Mean background error, (C, Y, X), units of the channels.
        background_scale: s, standard deviation of the background's errors over that of B; less than
            1 where backgrounds are better than those of the training split, as in a good cycle.
        members: Samples of the posterior to draw, none or at least 2. Their mean is the analysis,
            their standard deviation (with which they are drawn) is its error as B and R have it.
        seed: Of the draws; valid times are the other part of their key.

    Raises:
        TaskError: When `background_scale` is not positive.

    References:
        Lorenc (1986), Q. J. R. Meteorol. Soc. 112, 1177-1194; Courtier et al. (1998), Q. J. R.
        Meteorol. Soc. 124, 1783-1807.
    """

    name = "var3d"

    def __init__(
        self,
        channels: tuple[str, ...],
        covariance: BalancedCovariance,
        bias: np.ndarray,
        *,
        background_scale: float = 1.0,
        members: int = 0,
        seed: int = 0,
    ) -> None:
        if not background_scale > 0:
            raise TaskError(f"background_scale must be positive, got {background_scale}.")
        self.channels, self.covariance, self.bias = tuple(channels), covariance, bias
        self.background_scale = background_scale
        self.members, self.seed = members, seed

    @classmethod
    def fit(cls, training: Iterable[Batch], covariance: str | None = None, **options: Any) -> Self:
        """B and the mean error from background − reference; some hundred samples are enough.

        Args:
            training: Batches of the training split, with their references.
            covariance: Form of B, `zonal` or `spectral`; None goes by the size of the grid.
            options: Of the constructor, by name.

        Raises:
            TaskError: When there is no such form, no training sample, or one without its reference.
        """
        return cls(*fit_balanced_covariance(training, "3D-Var", covariance), **options)

    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """See `Assimilator.assimilate`; draws are keyed by `seed`, the generator is not used.

        Raises:
            DataError: When the batch has other channels or another grid than B.
        """
        require_same(self.channels, self.covariance.grid, batch)
        mean = np.empty(batch.background.shape, batch.background.dtype)
        draws = []
        for n, hours in enumerate(map(int, hours_since_epoch(batch.time))):
            H, observations = point_observations(batch, n)
            error_std = batch.observation_error_std / self.background_scale
            K = self.covariance.gain(H.index, error_std, H.seen)
            background = batch.background[n] - self.bias
            mean[n] = background + K((observations - H(background))[None])[0]
            if self.members:
                draws.append(self._errors(H, K, batch.observation_error_std, hours))
        if not self.members:
            return Analysis(mean=mean, time=batch.time)
        errors = np.stack(draws)
        std = errors.std(axis=1, ddof=1)
        return Analysis(mean=mean, std=std, members=mean[:, None] + errors, time=batch.time)

    def _errors(self, H: GridSelection, K: Any, error_std: np.ndarray, hours: int) -> np.ndarray:
        """Draws of the analysis error, (I − K H) e_b − K ε, with mean 0, float32, (M, C, Y, X)."""
        if self.members < 2:
            raise TaskError(f"An ensemble needs two members at least, got {self.members}.")
        generator = np.random.default_rng([self.seed, hours])
        background = self.background_scale * self.covariance.draw(self.members, generator)
        noise = generator.standard_normal((self.members, *H.observation_shape))
        errors = background - K(H(background) + error_std[:, None] * noise)
        errors -= errors.mean(axis=0)
        return errors * np.float32(np.sqrt(self.members / (self.members - 1)))

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `config.json`, for `load`."""
        config, arrays = covariance_files(self.covariance)
        config |= {"method": self.name, "channels": self.channels, "options": self.options}
        save_fitted(folder, config, arrays | {"bias": self.bias})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            DataError: When a file is missing or damaged.
        """
        return load_fitted(
            folder, lambda config: covariance_kinds(config) | {"bias": "f"}, cls._from_files
        )

    @classmethod
    def _from_files(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        B = covariance_from_files(config, arrays)
        return cls(tuple(config["channels"]), B, arrays["bias"], **config["options"])
