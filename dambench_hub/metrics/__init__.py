"""The scores: `Scorer`, fed batch by batch. Numpy only."""

from dambench_hub.metrics.scorer import Scorer, as_array

__all__ = ["Scorer", "as_array"]
