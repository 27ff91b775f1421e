"""Scores of a method's analyses, without a file of predictions between them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dambench_hub.data import Batch, Data, as_numpy
from dambench_hub.metrics import Scorer
from dambench_hub.models.base import Assimilator


def score_analyses(
    method: Assimilator, data: Data, batches: Iterable[Batch], generator: Any
) -> Scorer:
    """Assimilate batches of the data set, whose references the method does not see.

    Args:
        method: Prepared for the device of `generator`.
        data: The data set.
        batches: What is assimilated, with references.
        generator: Of the method's random numbers.

    Returns:
        The scorer, which has seen them all.
    """
    scorer = Scorer(data.channels, data.grid.latitude, data.statistics.std)
    for batch in batches:
        assert batch.reference is not None
        analysis = method.assimilate(batch.without_reference(), generator)
        scorer.update(as_numpy(analysis.mean), batch.reference, batch.background)
    return scorer
