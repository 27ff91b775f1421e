"""3D-Var with a balanced B, estimated from the errors of the training split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.errors import TaskError
from dambench_hub.estimation.joint_covariance import DeparturePoints, JointCovariance, JointGain
from dambench_hub.estimation.spectral_covariance import SpectralCovariance
from dambench_hub.estimation.training_departures import TrainingDepartures
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
from dambench_hub.models.modality_fields import (
    departure_fields,
    departure_files,
    departure_kinds,
    departures_from_files,
    modality_names,
)
from dambench_hub.models.point_observations import PointObservations, point_observations


class Var3D(Assimilator):
    """x^a = x^b + B Hᵀ (H B Hᵀ + R)⁻¹ (y − H x^b), after the mean error is taken from x^b.

    With a linear H this minimises J(x) = ‖x − x^b‖²_B + ‖y − H x‖²_R. B keeps the balance of mass
    and wind that the training errors had, and their growth with latitude. It has one of two forms,
    of which `fit` takes the first where its memory allows, up to about 48×96 with 69 channels:

    - zonal, homogeneous along circles of latitude and nothing else: solved exactly in the space of
      the observations (`estimation.zonal_covariance`);
    - spectral, by degree and order in bands of latitude: solved by iteration in the space of
      controls (`estimation.spectral_covariance`).

    Tables of reports are assimilated through their H, in both forms.

    With B in its zonal form, and where channels share grid points, modalities of the batch are
    assimilated, too, by their departures: B is then one of errors and departures of
    the training days together, which says what each tells of the other and how noisy departures
    are (`estimation.joint_covariance`). Batches that have none are analysed as without.

    On every third validation day of `mini`, departures of outgoing longwave radiation with white
    noise of 0 and 0.3 of their variance bring the skill by 0.76 and 0.89 points (MSE −4.5 and
    −4.8 %, area-weighted, on all 10 days). Those of precipitation, alone with 0.2, bring 0.01
    (MSE −0.02 %): they are left out by default.

    Args:
        channels: Names of the C channels.
        covariance: B.
        bias: Mean background error, (C, Y, X), units of the channels.
        departures: Of the modalities on the days of B's errors; None where there were none.
        background_scale: s, standard deviation of the background's errors over that of B; less than
            1 where backgrounds are better than those of the training split, as in a good cycle.
            Departures keep their variance where it is less than 1.
        modalities: Which ones are assimilated, as far as training and batch have them.
        departure_noise: White noise of departures beside that which training tells of, its variance
            as a share of theirs.
        members: Samples of the posterior to draw, none or at least 2. Their mean is the analysis,
            their standard deviation (with which they are drawn) is its error as B and R have it.
        seed: Of the draws; valid times are the other part of their key.

    Raises:
        TaskError: When `background_scale` is not positive, `departure_noise` negative, or there is
            no such modality.

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
        departures: TrainingDepartures | None,
        *,
        background_scale: float = 1.0,
        modalities: str | Sequence[str] = ("olr",),
        departure_noise: float = 0.3,
        members: int = 0,
        seed: int = 0,
    ) -> None:
        if not background_scale > 0:
            raise TaskError(f"background_scale must be positive, got {background_scale}.")
        if not departure_noise >= 0:
            raise TaskError(f"departure_noise must not be negative, got {departure_noise}.")
        self.channels, self.covariance, self.bias = tuple(channels), covariance, bias
        self.departures, self.departure_noise = departures, departure_noise
        self.modalities = modality_names(modalities)
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
        draws, departures = [], self._departures(batch)
        for n, hours in enumerate(map(int, hours_since_epoch(batch.time))):
            seen = point_observations(batch, n)
            points = DeparturePoints.present(departures[n])
            K = self._gain(seen, points)
            background = batch.background[n] - self.bias
            innovation = seen.values - seen.H(background)
            mean[n] = background + K(innovation[None], points(departures[n][None]))[0]
            if self.members:
                draws.append(self._errors(seen, K, points, hours))
        if not self.members:
            return Analysis(mean=mean, time=batch.time)
        errors = np.stack(draws)
        std = errors.std(axis=1, ddof=1)
        return Analysis(mean=mean, std=std, members=mean[:, None] + errors, time=batch.time)

    @cached_property
    def joint(self) -> JointCovariance | None:
        """B of errors and departures; None without departures, and in the spectral form."""
        if self.departures is None or isinstance(self.covariance, SpectralCovariance):
            return None
        chosen = self.departures.only(self.modalities)
        return JointCovariance(self.covariance, chosen) if chosen.names else None

    def _departures(self, batch: Batch) -> np.ndarray:
        """Departures less their mean, (B, F, Y, X); NaN where there is none, or B knows of none."""
        at_own = batch.reports is not None or batch.observation_index.ndim == 3
        if self.joint is None or at_own:
            return departure_fields(batch, ())
        known = self.joint.departures
        fields = departure_fields(batch, known.names) - known.mean
        return np.where(known.variance[..., None] > 0, fields, np.nan)

    def _gain(self, seen: PointObservations, points: DeparturePoints) -> JointGain:
        """K, for innovations and departures."""
        error_std, index = seen.error_std / self.background_scale, seen.shared_points
        if self.joint is None or index is None or not len(points.index):
            K = seen.gain(self.covariance, error_std)
            return lambda innovation, _: K(innovation)
        factor = max(1.0, self.background_scale**-2)
        noise = self.departure_noise
        return self.joint.gain(index, error_std, points, seen.H.seen, factor=factor, noise=noise)

    def _errors(
        self, seen: PointObservations, K: JointGain, points: DeparturePoints, hours: int
    ) -> np.ndarray:
        """Draws of the analysis error, e_b − K (H e_b − ε), with mean 0, float32, (M, C, Y, X)."""
        if self.members < 2:
            raise TaskError(f"An ensemble needs two members at least, got {self.members}.")
        generator = np.random.default_rng([self.seed, hours])
        background, equivalents = self._background_errors(points, generator)
        noise = generator.standard_normal((self.members, *seen.values.shape))
        noise *= seen.error_std[:, None]
        errors = background - K(seen.H(background) + noise, equivalents)
        errors -= errors.mean(axis=0)
        return errors * np.float32(np.sqrt(self.members / (self.members - 1)))

    def _background_errors(
        self, points: DeparturePoints, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws of e_b, (M, C, Y, X), and of its departures with their sign changed, (M, Q)."""
        M, scale = self.members, self.background_scale
        if self.joint is None or not len(points.index):
            return scale * self.covariance.draw(M, generator), np.empty((M, 0))
        background, fields = self.joint.draw(M, generator)
        equivalents = scale * points(fields)
        if scale < 1:  # the rest of their variance is not of the background
            others = points(self.joint.draw(M, generator)[1])
            equivalents = equivalents + np.sqrt(1 - scale**2) * others
        std = max(1.0, scale) * np.sqrt(self.departure_noise) * self.joint.std_at(points)
        return scale * background, equivalents + std * generator.standard_normal(equivalents.shape)

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `config.json`, for `load`."""
        config, arrays = covariance_files(self.covariance)
        config |= {"method": self.name, "channels": self.channels, "options": self.options}
        seen, of_modalities = departure_files(self.departures)
        save_fitted(folder, config | seen, arrays | {"bias": self.bias} | of_modalities)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            DataError: When a file is missing or damaged.
        """
        return load_fitted(
            folder,
            lambda config: covariance_kinds(config) | {"bias": "f"} | departure_kinds(config),
            cls._from_files,
        )

    @classmethod
    def _from_files(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        B, departures = covariance_from_files(config, arrays), departures_from_files(config, arrays)
        channels = tuple(config["channels"])
        return cls(channels, B, arrays["bias"], departures, **config["options"])
