"""What ensemble methods share: their ensemble, their observations, and their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.errors import TaskError
from dambench_hub.estimation.ensemble_transform import require_ensemble
from dambench_hub.estimation.inflation import inflate
from dambench_hub.estimation.localisation import Localisation, require_resolved
from dambench_hub.estimation.training_departures import TrainingDepartures
from dambench_hub.models.background_errors import require_same
from dambench_hub.models.base import Assimilator
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.fitted_files import load_fitted, save_fitted
from dambench_hub.models.modality_fields import (
    departure_files,
    departure_kinds,
    departures_from_files,
    modality_names,
)
from dambench_hub.models.point_observations import point_observations
from dambench_hub.models.prior import Prior
from dambench_hub.models.seen_departures import SeenDepartures, see_departures


class EnsembleMethod(Assimilator):
    """A method whose background covariance is that of an ensemble.

    The ensemble is that of the batch, `background_members`; a batch without one gets a
    climatological one. Observations without error are taken to have 1 % of the background error's
    standard deviation, as by optimal interpolation.

    Modalities are assimilated by their departures where a method has the option. Members'
    equivalents are those of the batch, with errors of training days where the members get some; of
    a climatological ensemble they are the background's, with departures of the days that its errors
    are of. The innovation is against their mean, as the analysis is about the members' mean. R is
    what the spread leaves of the training departures' variance, see `see_departures`. A batch whose
    members have no equivalents is analysed as without modalities.

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
        modalities: Which ones are assimilated, as far as training and batch have them.
        departure_error: Factor of R's standard deviation, of modalities.

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
        modalities: str | Sequence[str] = (),
        departure_error: float = 1.0,
    ) -> None:
        if not departure_error > 0:
            raise TaskError(f"departure_error must be positive, got {departure_error:g}.")
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
        self.modalities, self.departure_error = modality_names(modalities), departure_error

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
        columns = batch.grid.unit_vectors()
        for n, hours in enumerate(map(int, hours_since_epoch(batch.time))):
            members = self._ensemble(batch, n, hours)
            seen = point_observations(batch, n)
            places, place = seen.places()
            departures = self._departures(batch, n, hours)
            further = np.empty(0, int) if departures is None else departures.points.index
            points, departure_place = np.unique(further, return_inverse=True)
            yield Prior(
                members=members.reshape(*members.shape[:2], -1),
                observed=seen.H(members).astype(np.float64),
                observations=seen,
                variance=seen.floored_std(self.climatology.std) ** 2,
                place=place,
                localisation=Localisation(
                    columns, np.concatenate([places, columns[points]]), length
                ),
                hours=hours,
                departures=departures,
                departure_place=len(places) + departure_place,
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
        return self._inflated(members)

    @cached_property
    def departures(self) -> TrainingDepartures | None:
        """Those of the modalities that are assimilated; None without any."""
        known = self.climatology.departures
        chosen = None if known is None else known.only(self.modalities)
        return chosen if chosen is not None and chosen.names else None

    def _departures(self, batch: Batch, n: int, hours: int) -> SeenDepartures | None:
        """Modalities of one sample in its ensemble; None where there is none."""
        known = self.departures
        equivalents = None if known is None else self._equivalents(batch, n, hours, known)
        if known is None or equivalents is None:
            return None
        measured = np.stack([batch.modalities[name][n] for name in known.names])
        seen = see_departures(measured, equivalents, known.variance, self.departure_error)
        return seen if len(seen.values) else None

    def _equivalents(
        self, batch: Batch, n: int, hours: int, known: TrainingDepartures
    ) -> np.ndarray | None:
        """Those of the members that `_ensemble` gives, float32, (N, F, Y, X), if they have some."""
        draw, names = self.climatology.draw_equivalents, known.names
        if batch.background_members is None:
            if not set(names) <= batch.background_modalities.keys():
                return None
            centre = np.stack([batch.background_modalities[name][n] for name in names])
            scale = self.inflation * self.climatological_scale
            return draw(centre, known, hours, self.members, scale, self.seed)
        if not set(names) <= batch.background_members_modalities.keys():
            return None
        fields = [batch.background_members_modalities[name][n] for name in names]
        members = np.stack(fields, axis=1)
        if self.additive_inflation:
            nothing, scale = np.zeros_like(members[0]), self.additive_inflation
            members = members + draw(nothing, known, hours, len(members), scale, self.seed)
        return self._inflated(members)

    def _inflated(self, members: np.ndarray) -> np.ndarray:
        """Members with λ times their anomalies, (N, C, Y, X)."""
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
        seen, of_modalities = departure_files(errors.departures)
        save_fitted(folder, config | seen | {"options": self.options}, arrays | of_modalities)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            DataError: When a file is missing or damaged.
        """
        return load_fitted(
            folder, lambda config: _ARRAYS | departure_kinds(config), cls._from_files
        )

    @classmethod
    def _from_files(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        grid = Grid.parse(config["grid"])
        own = {name: arrays[name] for name in _ARRAYS}
        departures = departures_from_files(config, arrays)
        channels = tuple(config["channels"])
        climatology = ClimatologicalEnsemble(channels, grid, **own, departures=departures)
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


def summary(members: np.ndarray, time: np.ndarray) -> Analysis:
    """Mean, standard deviation and members, (B, N, C, Y, X), as an analysis."""
    mean = members.mean(axis=1, dtype=np.float64).astype(members.dtype)
    std = np.empty_like(mean)
    for c in range(members.shape[2]):  # in double precision, and little memory
        std[:, c] = members[:, :, c].std(axis=1, ddof=1, dtype=np.float64)
    return Analysis(mean=mean, std=std, members=members, time=time)
