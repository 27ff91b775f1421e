"""Two methods: which is better, by how much, and when nobody can say."""

import numpy as np
import pytest

from dambench_hub.leaderboard.accounts.person import local_person
from dambench_hub.leaderboard.store.ranking import Entry
from dambench_hub.leaderboard.web.paired_comparison import TOO_FEW, PairedComparison
from dambench_hub.scoring.seed_variance import SeedVariance

HOURS = tuple(72 * day for day in range(120))
CHANNELS = ("z500", "t850", "q700", "v50")


@pytest.fixture
def compare(make_result, rng):
    """`compare(one, other)` compares two skills on days that both share."""
    shared, weather = 5 * rng.normal(size=120), rng.gamma(5, size=(120, 4))

    def compare(one, other, *, names=("one", "other"), spread=None, pairs=1, ratio=0.8, **changes):
        entries = []
        for name, skill in zip(names, (one, other), strict=True):
            days = skill + shared + rng.normal(size=120)
            known = {"main_score": skill, "skill_by_day": tuple(days.tolist()), "hours": HOURS}
            scores = {"rmse": dict.fromkeys(CHANNELS, 1.0)}
            result = make_result(**{"scores": scores, **known, **changes})
            entries.append(Entry(1, name, "2026-01-01", result, name, local_person()))
        noise = np.exp(0.1 * rng.normal(size=(2, 120, 4)))
        errors = tuple(np.array([ratio**2, 1.0])[:, None, None] * weather * noise)
        return PairedComparison(*entries, names, errors, spread, pairs)

    return compare


def test_a_plain_difference_is_told_with_its_direction(compare):
    better, worse = compare(40, 30), compare(30, 40)
    assert "one is better than other" in better.verdict and "+10." in better.verdict
    assert "one is worse than other" in worse.verdict and "points" in worse.verdict


def test_what_chance_explains_is_not_told_apart(compare):
    assert "cannot be told apart" in compare(30, 30).verdict
    noisy = compare(31, 30, spread=SeedVariance(4.0, 5))
    assert "is better" in compare(31, 30).verdict and "cannot be told" in noisy.verdict


def test_more_pairs_ask_for_more(compare, rng):
    def width(pairs):
        rng.bit_generator.state = state
        low, high = compare(30, 30, pairs=pairs).verdict.split("interval ")[1].split(" to ")
        number = [float(text.split(",")[0].replace("−", "-")) for text in (low, high)]
        return number[1] - number[0]

    state = rng.bit_generator.state
    assert width(3) > width(1)


def test_two_seeds_of_one_method_are_not_compared(compare):
    assert "trainings of one method" in compare(40, 30, names=("fnp-0", "fnp-1")).verdict


def test_channels_differ_by_what_their_errors_say(compare):
    rows = compare(40, 30, ratio=0.8).channels
    assert len(rows) == 3, "those of the headline"
    assert all(row.certain and "gain" in row.difference for row in rows)
    for row in rows:
        low, high = (float(end.replace("−", "-")) for end in row.interval.split(" to "))
        assert low < -20 < high
        assert float(row.first) / float(row.second) == pytest.approx(0.8, abs=0.03)
    assert not any(row.certain for row in compare(40, 30, ratio=1.0).channels)


def test_without_days_nothing_is_said(compare):
    few = compare(40, 30, hours=tuple(range(120)))
    assert (few.verdict, few.channels) == (TOO_FEW, [])
    hidden = compare(40, 30, skill_by_day=())
    assert hidden.verdict == TOO_FEW
    unkept = compare(40, 30)
    object.__setattr__(unkept, "errors", (None, None))
    assert unkept.channels == []
