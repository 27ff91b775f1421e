"""Intervals on one scale, lines that join what is not told apart, and what they mean in words."""

import re

import numpy as np
import pytest

from dambench_hub.leaderboard.web.standing_cells import StandingCells, footnotes, ranks, span
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.standings import Standing


def cells_of(ranking):
    return StandingCells(ranking, ranking.standings)


def places(html):
    return [float(value) for value in re.findall(r"--(?:low|mean|high|zero): ([0-9.]+)", html)]


def test_all_intervals_and_the_background_lie_on_one_scale(make_ranking):
    ranking = make_ranking({"a": 50.0, "b": 20.0, "background": -3.0})
    found = [places(cells_of(ranking).interval(row)) for row in range(3)]
    assert len({zero for *_, zero in found}) == 1
    for (low, high, mean, _), row in zip(found, ranking.standings.rows, strict=True):
        assert 0 < low < mean < high < 1
        assert (mean - low) / (high - low) == pytest.approx(0.5, abs=0.02)
        assert span(row.interval) in cells_of(ranking).interval(0) or row.interval.mean < 50
    scale = (found[0][2] - found[1][2]) / 30
    assert (found[0][2] - found[0][3]) / 50 == pytest.approx(scale, rel=0.01)


def test_what_is_far_below_the_background_does_not_shrink_the_rest(make_ranking):
    near, far = (cells_of(make_ranking({"a": 50.0, "bad": skill})) for skill in (-20.0, -20000.0))
    assert np.allclose(places(near.interval(0)), places(far.interval(0)), atol=0.01)
    assert places(far.interval(1))[:3] == [0, 0, 0]


def test_lines_tell_their_ranks_in_words(make_ranking):
    cells = cells_of(make_ranking({"a": 50.0, "b": 49.99, "c": 10.0}))
    assert cells.lanes == 1
    assert 'title="cannot be told apart: ranks 1–2"' in cells.tie(1)
    assert "<i" in cells.tie(0) and "<i" not in cells.tie(2)


def test_a_rank_that_is_sure_is_one_number():
    sure, unsure = (Standing(Interval(1.0, 0.0, 2.0), 2, worst) for worst in (2, 11))
    assert (ranks(sure), ranks(unsure)) == ("2", "2–11")
    assert span(Interval(1.0, -0.04, 2.06)) == "0.0 to 2.1"


def test_footnotes_say_what_chance_was_counted(make_ranking):
    days, seeds = (
        " ".join(footnotes(make_ranking(s))) for s in ({"a": 1.0}, {"a-0": 2.0, "a-1": 1.0})
    )
    assert "no method of this board was trained with several seeds" in days
    assert "differ by 0.7 points" in seeds
    few = footnotes(make_ranking({"a": 1.0}, hours=tuple(range(120))))
    assert len(few) == 1 and "too few" in few[0]
    assert footnotes(make_ranking({})) == []
