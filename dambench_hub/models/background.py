"""The background itself: what an assimilation must improve on."""

from __future__ import annotations

from typing import Any

from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.models.base import Assimilator


class Background(Assimilator):
    """The analysis without observations, x^a = x^b."""

    name = "background"

    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """The background, unchanged; arrays or tensors as they come."""
        return Analysis(mean=batch.background, time=batch.time)
