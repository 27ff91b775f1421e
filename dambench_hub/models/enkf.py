"""The stochastic ensemble Kalman filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dambench_hub.estimation.ensemble_transform import Update
from dambench_hub.estimation.perturbed_observations import enkf_updates, observation_perturbations
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.ensemble_kalman_filter import EnsembleKalmanFilter
from dambench_hub.models.prior import Prior


class EnKF(EnsembleKalmanFilter):
    """Each member is analysed with perturbed observations, column by column; see `enkf_updates`.

    The perturbations of an observation are the same for all columns. With a climatological ensemble
    the mean is that of the `letkf` with the same options; members differ. Defaults are the LETKF's.

    Args:
        climatology: Training errors.
        members: N, of a climatological ensemble.
        localisation_km: L, see `Localisation`; np.inf for none. By default 850 km, or the grid
            spacing where that is more.
        climatological_scale: α, of a climatological ensemble.
        inflation: λ, factor of the background's anomalies.
        additive_inflation: Of an ensemble of the batch, see `EnsembleMethod`.
        relaxation: To the background's spread, 0 (none) … 1, see `relax_to_prior_spread`.
        seed: Of all that is drawn.
        modalities: Which ones are assimilated, as far as training and batch have them.
        departure_error: Factor of R's standard deviation, of modalities.

    Raises:
        TaskError: When a value is out of range.

    References:
        Burgers, van Leeuwen and Evensen (1998), Mon. Wea. Rev. 126, 1719-1724.
    """

    name = "enkf"
    usual_localisation_km = 850.0

    def __init__(
        self,
        climatology: ClimatologicalEnsemble,
        *,
        members: int = 40,
        localisation_km: float | None = None,
        climatological_scale: float = 0.4,
        inflation: float = 1.0,
        additive_inflation: float = 0.2,
        relaxation: float = 0.8,
        seed: int = 0,
        modalities: str | Sequence[str] = ("olr", "precipitation"),
        departure_error: float = 0.8,
    ) -> None:
        super().__init__(
            climatology,
            members=members,
            localisation_km=localisation_km,
            climatological_scale=climatological_scale,
            inflation=inflation,
            additive_inflation=additive_inflation,
            relaxation=relaxation,
            seed=seed,
            modalities=modalities,
            departure_error=departure_error,
        )

    def updates(self, prior: Prior) -> Iterator[Update]:
        """Weights I + W of all columns that see an observation."""
        generator = np.random.default_rng([self.seed, prior.hours, 1])
        std = np.broadcast_to(np.sqrt(prior.variance)[:, None], prior.observations.values.shape)
        noise = observation_perturbations(len(prior.members), std, generator)
        further = []
        if prior.departures is not None:
            std = np.sqrt(prior.departures.variance)
            further = prior.further(observation_perturbations(len(prior.members), std, generator))
        return enkf_updates(
            prior.observed - prior.observed.mean(axis=0),
            prior.observations.values + noise - prior.observed,
            prior.variance,
            prior.place,
            prior.localisation,
            further,
        )
