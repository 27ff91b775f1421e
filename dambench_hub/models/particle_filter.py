"""Particle filters: bootstrap, and localised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.estimation.ensemble_transform import Update, updated
from dambench_hub.estimation.particles import (
    effective_size,
    localised_weights,
    weighted_moments,
    weighted_transform,
)
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.ensemble_method import EnsembleMethod, require_share
from dambench_hub.models.prior import Prior

FEW = 64
"""Particles that a prediction file can hold."""


@dataclass(frozen=True, eq=False)
class ParticleAnalysis(Analysis):
    """An analysis by weighted particles.

    Attributes:
        effective_size: 1 / Σ w², between 1 and N: (B, Y, X) where localised, else the same
            everywhere. Near 1 the filter is degenerate: one particle has all the weight.
    """

    effective_size: np.ndarray | None = None


class ParticleFilter(EnsembleMethod):
    """Particles weighted by the likelihood of the observations; the analysis is their mean.

    Localised, each column has weights of its own, from the observations around it with the taper of
    the LETKF, and observation errors are taken as larger as need be for a share of the particles to
    be effective (`tempered_weights`). The bootstrap filter has one weight for a particle, by Bayes'
    theorem and no more. With as many observations as a globe has it is degenerate, whatever N: one
    particle has all the weight, which each analysis reports as its `effective_size`.

    Defaults are for a climatological ensemble, and chosen on every third validation day of an
    earlier `mini`: L of 700 and 1000 km, α of 1 and 1.5 and shares of 0.03, 0.05, 0.1 and
    0.3 were compared, not all with each other. They left 58.9 % of the background's MSE.

    Members have the mean and covariance of the weighted particles, by `weighted_transform`. They
    come with an ensemble of the batch, which they continue, and with up to 64 particles.

    Args:
        climatology: Training errors.
        members: N, of a climatological ensemble.
        localised: Whether columns have weights of their own; else the bootstrap filter.
        localisation_km: L, see `Localisation`. By default 700 km, or the grid spacing where that is
            more.
        effective_share: Of the particles that must be effective in each column, 0 … 1; 0 leaves the
            observation errors as they are. The bootstrap filter has no use of it.
        climatological_scale: α, of a climatological ensemble.
        inflation: λ, factor of the background's anomalies.
        additive_inflation: Of an ensemble of the batch, see `EnsembleMethod`.
        seed: Of all that is drawn.

    Raises:
        TaskError: When a value is out of range.

    References:
        Gordon, Salmond and Smith (1993), IEE Proc. F 140, 107-113; Farchi and Bocquet (2018),
        Nonlin. Processes Geophys. 25, 765-807 (localisation).
    """

    name = "particle_filter"
    usual_localisation_km = 700.0

    def __init__(
        self,
        climatology: ClimatologicalEnsemble,
        *,
        members: int = 200,
        localised: bool = True,
        localisation_km: float | None = None,
        effective_share: float = 0.05,
        climatological_scale: float = 1.0,
        inflation: float = 1.0,
        additive_inflation: float = 0.2,
        seed: int = 0,
    ) -> None:
        super().__init__(
            climatology,
            members=members,
            localisation_km=localisation_km,
            climatological_scale=climatological_scale,
            inflation=inflation,
            additive_inflation=additive_inflation,
            seed=seed,
        )
        require_share("effective_share", "the particles", effective_share)
        self.localised, self.effective_share = localised, effective_share

    def assimilate(self, batch: Batch, generator: Any = None) -> ParticleAnalysis:
        """See `Assimilator.assimilate`; draws are keyed by `seed`, the generator is not used.

        Raises:
            DataError: As `priors`.
        """
        analyses = []
        for prior in self.priors(batch):
            N = len(prior.members)
            weights = list(self.weights(prior))
            mean, std = weighted_moments(prior.members, weights)
            members = None
            if batch.background_members is not None or N <= FEW:
                transforms = ((columns, weighted_transform(w)) for columns, w in weights)
                members = updated(prior.members, transforms)
            size = np.full(batch.grid.size, float(N))
            for columns, w in weights:
                size[columns] = effective_size(w)
            analyses.append((mean, std, members, size))
        mean, std, members, size = zip(*analyses, strict=True)
        state = batch.background.shape
        return ParticleAnalysis(
            mean=np.stack(mean).reshape(state),
            std=np.stack(std).reshape(state),
            members=None if members[0] is None else np.stack(members).reshape(-1, N, *state[1:]),
            time=batch.time,
            effective_size=np.stack(size).reshape(len(batch), *batch.grid.shape),
        )

    def weights(self, prior: Prior) -> Iterator[Update]:
        """Numbers of columns, and their weights w, (J, N)."""
        localisation, least = prior.localisation, self.effective_share * len(prior.members)
        if not self.localised:
            localisation, least = replace(localisation, length=np.inf), 1.0
        innovations = prior.observations.values - prior.observed
        return localised_weights(innovations, prior.variance, prior.place, localisation, least)
