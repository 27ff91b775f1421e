import re

import pytest

from dambench_hub.leaderboard.web.interval_scale import IntervalScale
from dambench_hub.scoring.interval import Interval


def places(cell):
    return {name: float(value) for name, value in re.findall(r"--(\w+): ([\d.]+)", cell)}


def test_ends_mean_and_background_lie_in_order_within_the_cell():
    scale = IntervalScale.of([Interval(2.0, 1.0, 4.0), Interval(3.0, 2.0, 5.0)], 2.5)
    found = places(scale.cell(Interval(2.0, 1.0, 4.0), "1 to 4"))
    assert 0 < found["low"] < found["mean"] < found["zero"] < found["high"] < 1
    assert found["mean"] - found["low"] == pytest.approx(1 / 4.32, abs=1e-3)


def test_what_lies_below_the_end_of_the_scale_stands_at_it():
    far = Interval(-500.0, -900.0, -100.0)
    found = places(IntervalScale.of([far, Interval(5.0, 4.0, 6.0)], 0.0, -10.0).cell(far, "far"))
    assert found["low"] == found["mean"] == found["high"] == 0


def test_a_background_alone_has_a_scale():
    only = Interval(0.0, 0.0, 0.0)
    assert places(IntervalScale.of([only], 0.0).cell(only, ""))["mean"] == 0.5
