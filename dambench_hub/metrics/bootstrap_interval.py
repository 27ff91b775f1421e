"""How far chance of what was drawn could have moved a statistic."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap

RESAMPLES = 9_999


def bootstrap_interval(
    statistic: Callable[..., np.ndarray], count: int, level: float = 0.95
) -> tuple[float, float]:
    """Lower and upper end of a statistic's interval, by the bootstrap over `count` things.

    BCa; where that is not defined, as when all draws are alike, percentiles.

    Args:
        statistic: Called with numbers of things, int, (…, count), and `axis=-1`; gives (…,).
        count: How many things there are, two at least.
        level: Of the interval.

    References:
        Efron (1987), J. Amer. Statist. Assoc. 82, 171-185.
    """
    things = (np.arange(count),)
    drawn = None
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", DegenerateDataWarning)
            drawn = bootstrap(
                things,
                statistic,
                n_resamples=0 if drawn else RESAMPLES,
                bootstrap_result=drawn,
                confidence_level=level,
                method=method,
                rng=np.random.default_rng(0),
                batch=1_000,
            )
        ends = drawn.confidence_interval
        if np.isfinite([ends.low, ends.high]).all():
            break
    return float(ends.low), float(ends.high)
