"""The CRPS of a Gaussian against its integral, ensembles drawn from it, and its limits."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import ScoreError
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.ensemble import fair_crps
from dambench_hub.metrics.gaussian import GaussianCrps, gaussian_crps

GRID = Grid(9, 16)
CHANNELS = ("t850", "u850")


def gaussian_scores(*batches):
    score = GaussianCrps(CHANNELS, GRID)
    for batch in batches:
        score.update(*batch)
    return score.compute()["crps"]


@pytest.mark.parametrize(("mean", "deviation", "x"), [(0, 1, 0), (2, 0.5, 3.1), (-1, 4, -9)])
def test_it_is_the_integral_over_thresholds(mean, deviation, x):
    """∫ (P(X ≤ t) − 1[x ≤ t])² dt."""
    below, _ = quad(lambda t: norm.cdf(t, mean, deviation) ** 2, -60, x)
    above, _ = quad(lambda t: norm.sf(t, mean, deviation) ** 2, x, 60)
    assert gaussian_crps(mean, deviation, x) == pytest.approx(below + above, rel=1e-7)


def test_a_large_ensemble_drawn_from_it_has_the_same(rng):
    mean, deviation, x = rng.normal(size=20), rng.uniform(0.5, 2, 20), rng.normal(size=20)
    members = mean + deviation * rng.normal(size=(100_000, 20))
    np.testing.assert_allclose(gaussian_crps(mean, deviation, x), fair_crps(members, x), atol=0.02)


def test_without_spread_it_is_the_absolute_error():
    assert gaussian_crps(1.0, 0.0, 3.5) == 2.5
    assert gaussian_crps(1.0, 0.0, 1.0) == 0
    assert gaussian_crps(1.0, 1e-12, 3.5) == pytest.approx(2.5, rel=1e-11)


def test_the_true_deviation_has_the_least_score(rng):
    """And that is s/√π, as E|x − x'| / 2 of two draws."""
    x = 2 * rng.normal(size=400_000)
    scores = {s: gaussian_crps(0.0, s, x).mean() for s in (1.0, 1.8, 2.0, 2.2, 4.0)}
    assert min(scores, key=scores.get) == 2.0
    assert scores[2.0] == pytest.approx(2 / np.sqrt(np.pi), rel=5e-3)


def test_zero_deviation_gives_the_crps_of_one_member(rng):
    analysis, reference = rng.normal(size=(2, 3, 2, *GRID.shape))
    scorer = Scorer(CHANNELS)
    scorer.update(analysis[:, None], reference)
    found = gaussian_scores((analysis, np.zeros_like(analysis), reference))
    assert found == pytest.approx(scorer.compute()["crps"], rel=1e-12)


def test_a_negative_deviation_is_refused(rng):
    mean, deviation, reference = np.ones((3, 1, 2, *GRID.shape))
    deviation[0, 1, 2, 3] = -0.5
    with pytest.raises(ScoreError, match=r"not negative, got -0\.5"):
        gaussian_scores((mean, deviation, reference))
