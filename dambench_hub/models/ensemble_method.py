"""What ensemble methods share: their ensemble, their observations, and their files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.errors import TaskError
from dambench_hub.estimation.ensemble_transform import Update, require_ensemble, updated
from dambench_hub.estimation.inflation import inflate
from dambench_hub.estimation.localisation import Localisation, require_resolved
from dambench_hub.estimation.observation_covariance import floored
from dambench_hub.models.background_errors import require_same
from dambench_hub.models.base import Assimilator
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.fitted_files import load_fitted, save_fitted
from dambench_hub.models.point_observations import point_observations


@dataclass(frozen=True, eq=False)
class Prior:
    """One sample, before its analysis.

    Attributes:
        members: x_i, float32, (N, C, Y·X).
        observed: H(x_i), float64, (N, C, P).
        observations: y, float64, (C, P); like `observed` 0 where it is not seen.
        seen: Which channels are seen at which points, boolean, (C, P).
        variance: Diagonal of R, (C,).
        place: Which point of `localisation` each observation is at, (P,) or (C, P).
        localisation: Columns and observed points.
        hours: Valid time, hours since 1970-01-01.
    """

    members: np.ndarray
    observed: np.ndarray
    observations: np.ndarray
    seen: np.ndarray
    variance: np.ndarray
    place: np.ndarray
    localisation: Localisation
    hours: int


class EnsembleMethod(Assimilator):
    """A method whose background covariance is that of an ensemble.

    The ensemble is that of the batch, `background_members`; a batch without one gets a
    climatological one. Observations without error are taken to have 1 % of the background error's
    standard deviation, as by optimal interpolation.

    Args:
        climatology: Training errors.
        members: N, of a climatological ensemble.
        localisation_km: L, see `Localisation`; np.inf for none, None for `usual_localisation_km` or
            the grid spacing, whichever is more.
        climatological_scale: α, of a climatological ensemble.
        inflation: λ, factor of the background's anomalies, whichever ensemble it is.
        additive_inflation: α of training errors that are added to an ensemble of the batch, for
            errors of the model that its members do not have: x_i − b + α (e_i − ē), see
            `ClimatologicalEnsemble`. 0 leaves it as it is.
        seed: Of all that is drawn; valid times are the other part of its key.

    Attributes:
        usual_localisation_km: A good L for this method and the climatological ensemble.

    Raises:
        TaskError: When a value is out of range.

    References:
        Whitaker and Hamill (2012), Mon. Wea. Rev. 140, 3078-3089 (additive inflation).
    """

    uses_ensemble = True
    usual_localisation_km: ClassVar[float]

    def __init__(
        self,
        climatology: ClimatologicalEnsemble,
        *,
        members: int,
        localisation_km: float | None,
        climatological_scale: float,
        inflation: float,
        additive_inflation: float,
        seed: int,
    ) -> None:
        positive, others = (climatological_scale, inflation), (additive_inflation, seed)
        if members < 2 or not (min(positive) > 0 and min(others) >= 0):
            raise TaskError(
                "Wanted members ≥ 2, climatological_scale > 0, inflation > 0, additive_inflation ≥ "
                f"0 and seed ≥ 0, got {members}, {climatological_scale:g}, {inflation:g}, "
                f"{additive_inflation:g} and {seed}."
            )
        self.climatology, self.members, self.localisation_km = climatology, members, localisation_km
        self.climatological_scale, self.inflation = climatological_scale, inflation
        self.additive_inflation, self.seed = additive_inflation, seed

    @classmethod
    def fit(cls, training: Iterable[Batch], **options: Any) -> Self:
        """The method with training errors, see `ClimatologicalEnsemble.fit`.

        Args:
            training: Batches of the training split, with their references.
            options: Of the method, by name.
        """
        return cls(ClimatologicalEnsemble.fit(training), **options)

    def priors(self, batch: Batch) -> Iterator[Prior]:
        """The samples of a batch, one by one.

        Raises:
            DataError: When the batch has other channels or another grid than the training had, an
                ensemble of one, or the localisation is shorter than the grid spacing.
        """
        require_same(self.climatology.channels, self.climatology.grid, batch)
        length = self._length(batch.grid)
        variance = floored(batch.observation_error_std, self.climatology.std) ** 2
        columns = batch.grid.unit_vectors()
        for n, hours in enumerate(map(int, hours_since_epoch(batch.time))):
            members = self._ensemble(batch, n, hours)
            H, observations = point_observations(batch, n)
            points, place = np.unique(H.index, return_inverse=True)
            yield Prior(
                members=members.reshape(*members.shape[:2], -1),
                observed=H(members).astype(np.float64),
                observations=observations,
                seen=H.seen,
                variance=variance,
                place=place.reshape(H.index.shape),
                localisation=Localisation(columns, columns[points], length),
                hours=hours,
            )

    def _length(self, grid: Grid) -> float:
        """L on a grid, km."""
        spacing = np.pi * EARTH_RADIUS_KM / (grid.latitudes - 1)
        if self.localisation_km is None:
            return max(self.usual_localisation_km, spacing)
        require_resolved(self.localisation_km, spacing)
        return self.localisation_km

    def _ensemble(self, batch: Batch, n: int, hours: int) -> np.ndarray:
        """Members of one sample, inflated, float32, (N, C, Y, X)."""
        if batch.background_members is None:
            require_ensemble(self.members)
            scale = self.inflation * self.climatological_scale
            return self.climatology.draw(batch.background[n], hours, self.members, scale, self.seed)
        members = batch.background_members[n]
        require_ensemble(len(members))
        if self.additive_inflation:
            nothing = np.zeros_like(batch.background[n])
            members = members + self.climatology.draw(
                nothing, hours, len(members), self.additive_inflation, self.seed
            )
        if self.inflation == 1:
            return members
        inflated = np.empty_like(members)
        for c in range(members.shape[1]):
            inflated[:, c] = inflate(members[:, c].astype(np.float64), self.inflation)
        return inflated

    def room_for_members(self, batch: Batch) -> np.ndarray:
        """Where the analysed members of a batch go, float32, (B, N, C, Y, X)."""
        brought = batch.background_members
        count = self.members if brought is None else brought.shape[1]
        return np.empty((len(batch), count, *batch.background.shape[1:]), np.float32)

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `config.json`, for `load`."""
        errors = self.climatology
        config = {"method": self.name, "channels": errors.channels, "grid": str(errors.grid)}
        arrays = {name: getattr(errors, name) for name in _ARRAYS}
        save_fitted(folder, config | {"options": self.options}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            DataError: When a file is missing or damaged.
        """
        return load_fitted(folder, lambda _: _ARRAYS, cls._from_files)

    @classmethod
    def _from_files(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        grid = Grid.parse(config["grid"])
        climatology = ClimatologicalEnsemble(tuple(config["channels"]), grid, **arrays)
        return cls(climatology, **config["options"])


_ARRAYS = {"errors": "f", "hours": "i", "bias": "f"}
"""What a file holds, with the kind of its numbers."""


def require_share(option: str, whole: str, value: float) -> None:
    """Refuse an option that is a share of something and not between 0 and 1.

    Raises:
        TaskError: When it is not.
    """
    if not 0 <= value <= 1:
        raise TaskError(f"{option} is a share of {whole}, 0 … 1, got {value:g}.")


class EnsembleKalmanFilter(EnsembleMethod):
    """An ensemble Kalman filter: members x̄ + W A, with weights W of each column.

    Args:
        climatology: Training errors.
        members: N, of a climatological ensemble.
        localisation_km: L, see `EnsembleMethod`.
        climatological_scale: α, of a climatological ensemble.
        inflation: λ, factor of the background's anomalies.
        additive_inflation: Of an ensemble of the batch, see `EnsembleMethod`.
        relaxation: To the background's spread, 0 (none) … 1, see `relax_to_prior_spread`.
        seed: Of all that is drawn.

    Raises:
        TaskError: When a value is out of range.
    """

    def __init__(
        self, climatology: ClimatologicalEnsemble, *, relaxation: float, **options: Any
    ) -> None:
        super().__init__(climatology, **options)
        require_share("relaxation", "the background's spread", relaxation)
        self.relaxation = relaxation

    @abstractmethod
    def updates(self, prior: Prior) -> Iterator[Update]:
        """Weights W of all columns that see an observation."""

    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """See `Assimilator.assimilate`; draws are keyed by `seed`, the generator is not used.

        Raises:
            DataError: As `priors`.
        """
        members = self.room_for_members(batch)
        for analysis, prior in zip(members, self.priors(batch), strict=True):
            out = analysis.reshape(prior.members.shape)
            updated(prior.members, self.updates(prior), self.relaxation, out)
        return summary(members, batch.time)


def summary(members: np.ndarray, time: np.ndarray) -> Analysis:
    """Mean, standard deviation and members, (B, N, C, Y, X), as an analysis."""
    mean = members.mean(axis=1, dtype=np.float64).astype(members.dtype)
    std = np.empty_like(mean)
    for c in range(members.shape[2]):  # in double precision, and little memory
        std[:, c] = members[:, :, c].std(axis=1, ddof=1, dtype=np.float64)
    return Analysis(mean=mean, std=std, members=members, time=time)
