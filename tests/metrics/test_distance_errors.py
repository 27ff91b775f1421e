"""Errors by distance: against distances of all pairs, a partition, and what an analysis copies."""

import numpy as np
import pytest

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import ScoreError
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.distance_errors import CLASSES, DistanceErrors

GRID = Grid(33, 64)
CHANNELS = ("z500", "t850")


def distance_errors(*batches):
    score = DistanceErrors(CHANNELS, GRID)
    for batch in batches:
        score.update(*batch)
    return score.compute()


def drawn(rng, samples=3):
    """Analysis, reference, and few observed points, other ones at each time."""
    analysis, reference = rng.normal(size=(2, samples, 2, *GRID.shape))
    return analysis, reference, rng.random((samples, *GRID.shape)) < 0.01


def test_errors_are_those_of_plain_distances(rng):
    analysis, reference, observed = drawn(rng)
    points = GRID.unit_vectors()
    weights = np.repeat(GRID.weights, 64)
    collected = {name: [] for name in CLASSES}
    for x_hat, x, mask in zip(analysis, reference, observed, strict=True):
        cosines = (points @ points[mask.ravel()].T).max(axis=1)
        distance = EARTH_RADIUS_KM * np.arccos(np.minimum(cosines, 1))
        for p, square in enumerate(((x_hat - x) ** 2)[0].ravel()):
            if mask.ravel()[p]:
                name = "at"
            else:
                name = "near" if distance[p] <= 500 else "far" if distance[p] > 1500 else "between"
            collected[name].append((square, weights[p]))
    found = distance_errors((analysis, reference, observed))
    for name, values in collected.items():
        squares, area = np.array(values).T
        assert found[name]["z500"] == pytest.approx(np.sqrt(np.average(squares, weights=area)))


def test_an_analysis_that_copies_observations_is_right_there_only(rng):
    background, reference, observed = drawn(rng)
    analysis = np.where(observed[:, None], reference, background)
    found = distance_errors((analysis, reference, observed))
    of_background = distance_errors((background, reference, observed))
    assert found["at"] == {"z500": 0, "t850": 0}
    assert all(found[name] == of_background[name] for name in ("near", "between", "far"))


def test_the_classes_add_to_the_sphere(rng):
    analysis, reference, observed = drawn(rng, 1)
    score = DistanceErrors(CHANNELS, GRID)
    score.update(analysis, reference, observed)
    scorer = Scorer(CHANNELS)
    scorer.update(analysis, reference)
    square, weight = score.mean("square"), score.mean("weight")
    np.testing.assert_allclose(weight.sum(axis=0), GRID.size, rtol=1e-12)
    rmse = np.sqrt(square.sum(axis=0) / GRID.size)
    np.testing.assert_allclose(rmse, list(scorer.compute()["rmse_pooled"].values()), rtol=1e-12)


def test_each_channel_may_have_its_own_observations(rng):
    analysis, reference, observed = drawn(rng)
    both = np.stack([observed, ~observed], axis=1)
    found = distance_errors((analysis, reference, both))
    together = distance_errors((analysis, reference, observed))
    inverse = distance_errors((analysis, reference, ~observed))
    for name in "at", "near", "between", "far":
        assert found[name].get("z500") == together[name].get("z500")
        assert found[name].get("t850") == inverse[name].get("t850")
    assert "t850" not in found["far"]


def test_without_observations_all_is_far(rng):
    analysis, reference, observed = drawn(rng)
    found = distance_errors((analysis, reference, np.zeros_like(observed)))
    assert found["at"] == found["near"] == found["between"] == {}
    assert set(found["far"]) == set(CHANNELS)


def test_wrong_observations_are_refused(rng):
    analysis, reference, observed = drawn(rng)
    with pytest.raises(ScoreError, match="must be boolean.*float64"):
        distance_errors((analysis, reference, observed.astype(float)))
    with pytest.raises(ScoreError, match="shape .2, .* for fields of .3, "):
        distance_errors((analysis, reference, observed[1:]))
