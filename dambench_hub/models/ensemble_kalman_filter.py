"""What ensemble Kalman filters share: members from weights of each column."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.estimation.ensemble_transform import Update, updated
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.ensemble_method import EnsembleMethod, require_share, summary
from dambench_hub.models.prior import Prior


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
