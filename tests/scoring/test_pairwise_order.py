"""All pairs of a board: sure signs where differences are plain, none where chance explains them."""

import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.holm import holm
from dambench_hub.scoring.paired_difference import paired_difference
from dambench_hub.scoring.pairwise_order import pairwise_order
from dambench_hub.scoring.seed_variance import SeedVariance

TIME = np.datetime64("2024-01-01", "D") + 6 * np.arange(60)


def test_plain_differences_give_the_order_of_the_scores(rng):
    quality = rng.permutation(5)
    scores = 10.0 * quality[:, None] + rng.normal(size=(5, 60)) + 100 * rng.normal(size=60)
    order = pairwise_order(scores, TIME)
    np.testing.assert_array_equal(order, np.sign(quality[:, None] - quality))


def test_two_methods_are_one_test(rng):
    for shift in np.linspace(0, 1, 21):
        one, other = rng.normal(size=(2, 60))
        sure = paired_difference(one + shift, other, TIME).p_value <= 0.1
        assert bool(pairwise_order([one + shift, other], TIME, level=0.9)[0, 1]) == sure


def test_more_methods_need_plainer_differences(rng):
    """Signs of a few rows stay when others leave the board, never the other way round."""
    scores = rng.normal(size=(12, 60)) + 0.15 * np.arange(12)[:, None]
    among_all, among_few = pairwise_order(scores, TIME), pairwise_order(scores[::3], TIME)
    kept = among_all[::3, ::3]
    assert np.all(among_few[kept != 0] == kept[kept != 0])
    assert np.count_nonzero(among_few) > np.count_nonzero(kept)


def test_of_equal_methods_one_board_in_twenty_tells_any_apart(rng):
    wrong = sum(bool(np.any(pairwise_order(rng.normal(size=(4, 60)), TIME))) for _ in range(600))
    assert 0.01 < wrong / 600 <= 0.06


def test_training_noise_hides_what_days_say(rng):
    scores = rng.normal(size=(3, 60)) + 2.0 * np.arange(3)[:, None]
    noisy = SeedVariance(variance=25.0, degrees_of_freedom=6)
    assert np.all(pairwise_order(scores, TIME)[~np.eye(3, dtype=bool)])
    assert not np.any(pairwise_order(scores, TIME, between_seeds=noisy))
    untrained = pairwise_order(scores, TIME, between_seeds=noisy, seeds=[1, np.inf, np.inf])
    np.testing.assert_array_equal(untrained, [[0, 0, 0], [0, 0, -1], [0, 1, 0]])


def test_pairs_are_those_of_paired_difference(rng):
    scores = rng.normal(size=(6, 60)) + 0.2 * np.arange(6)[:, None]
    noisy, seeds = SeedVariance(variance=0.01, degrees_of_freedom=5), [1, 3, np.inf, 1, 2, 1]
    order = pairwise_order(scores, TIME, between_seeds=noisy, seeds=seeds)
    pairs = [(i, j) for i in range(6) for j in range(i)]
    found = [
        paired_difference(
            scores[i], scores[j], TIME, between_seeds=noisy, seeds=(seeds[i], seeds[j])
        )
        for i, j in pairs
    ]
    sure = holm(np.array([difference.p_value for difference in found])) <= 0.05
    assert 0 < sum(sure) < len(sure)
    for pair, difference, apart in zip(pairs, found, sure, strict=True):
        assert order[pair] == apart * np.sign(difference.mean)


def test_rows_of_one_method_are_not_compared(rng):
    """Nor do they cost the other pairs anything."""
    scores = rng.normal(size=(4, 60)) + np.array([0, 9, 0, 9])[:, None]
    order = pairwise_order(scores, TIME, methods=["a", "a", "b", "c"])
    np.testing.assert_array_equal(
        order, [[0, 0, 0, -1], [0, 0, 1, 0], [0, -1, 0, -1], [1, 0, 1, 0]]
    )
    close = rng.normal(size=(30, 60)) + np.repeat(np.linspace(0, 1, 10), 3)[:, None]
    methods = np.repeat(np.arange(10), 3)
    among_all, among_methods = (
        pairwise_order(close, TIME, methods=m) for m in (None, methods.tolist())
    )
    others = methods[:, None] != methods
    assert not among_methods[~others].any()
    assert np.all(among_methods[others & (among_all != 0)] == among_all[others & (among_all != 0)])


def test_one_method_or_none_has_no_pairs():
    assert pairwise_order(np.zeros((1, 60)), TIME).tolist() == [[0]]
    assert pairwise_order(np.zeros((0, 60)), TIME).shape == (0, 0)


def test_wrong_input_stops_at_the_door():
    with pytest.raises(ScoreError, match=r"got \(60,\)"):
        pairwise_order(np.zeros(60), TIME)
    with pytest.raises(ScoreError, match="E numbers of seeds"):
        pairwise_order(np.zeros((2, 60)), TIME, seeds=[1])
    with pytest.raises(ScoreError, match="seeds from 1 on"):
        pairwise_order(np.zeros((2, 60)), TIME, seeds=[1, 0])
    with pytest.raises(ScoreError, match="3 methods and 0.95"):
        pairwise_order(np.zeros((2, 60)), TIME, methods=["a", "b", "c"])
    with pytest.raises(ScoreError, match="level between 0 and 1"):
        pairwise_order(np.zeros((2, 60)), TIME, level=95)
