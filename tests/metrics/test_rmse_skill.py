"""Skill against a plain loop over variables and levels, its limits, and what must not matter."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, parse_channel
from dambench_hub.errors import ChannelError, ScoreError
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.rmse_skill import RmseSkill, rmse_skill

GRID = Grid(9, 16)
CHANNELS = ("u10", "t2m", "z500", "z850", "q700")
STD = np.array([5.0, 10.0, 1e3, 8e2, 1e-3])


def fields(rng, samples=5, channels=CHANNELS, std=STD):
    """Analysis, reference and background."""
    shape = (samples, len(channels), *GRID.shape)
    reference = rng.normal(size=shape) * std[:, None, None]
    background = reference + rng.normal(size=shape) * std[:, None, None]
    analysis = reference + 0.3 * rng.normal(size=shape) * std[:, None, None]
    return analysis, reference, background


def streamed(batches, **settings):
    score = RmseSkill(**{"channels": CHANNELS, "grid": GRID, "std": STD} | settings)
    for batch in batches:
        score.update(*batch)
    return score


def plain_skill(channels, rmse, background):
    """Means of means, read off the definition."""
    ratios = {}
    for name, one, other in zip(channels, rmse, background, strict=True):
        ratios.setdefault(parse_channel(name).variable.name, []).append(one / other)
    means = [sum(levels) / len(levels) for levels in ratios.values()]
    return 100 * (1 - sum(means) / len(means))


@pytest.mark.parametrize(
    "channels", [STANDARD_CHANNELS, CHANNELS, STANDARD_CHANNELS[::7], ("q50",)], ids=len
)
def test_any_channels_equal_the_plain_loop(channels, rng):
    rmse, background = rng.uniform(1, 2, (2, len(channels)))
    found = rmse_skill(channels, rmse, background, np.ones(len(channels)))
    assert found["skill"] == pytest.approx(plain_skill(channels, rmse, background))
    assert found["skill_left_out"] == []
    other = [n for n, name in enumerate(channels) if name not in ("u10", "v10")]
    without = plain_skill([channels[n] for n in other], rmse[other], background[other])
    assert found["skill_without_10m_wind"] == pytest.approx(without)


def test_errors_are_those_that_the_scorer_pools(rng):
    analysis, reference, background = fields(rng)
    pooled = []
    for field in analysis, background:
        scorer = Scorer(CHANNELS)
        scorer.update(field, reference)
        pooled.append(list(scorer.compute()["rmse_pooled"].values()))
    expected = rmse_skill(CHANNELS, *pooled, STD)
    found = streamed([(analysis, reference, background)]).compute()
    assert found["skill"] == pytest.approx(expected["skill"], rel=1e-12)
    assert found["skill_by_variable"] == pytest.approx(expected["skill_by_variable"])


def test_the_reference_has_all_skill_and_the_background_none(rng):
    _, reference, background = fields(rng)
    perfect = streamed([(reference, reference, background)]).compute()
    assert perfect["skill"] == 100
    assert set(perfect["skill_by_variable"].values()) == {100}
    assert streamed([(background, reference, background)]).compute()["skill"] == 0
    twice = 3 * background - 2 * reference
    assert streamed([(twice, reference, background)]).compute()["skill"] == pytest.approx(-200)


def test_units_do_not_matter(rng):
    scale = rng.uniform(0.01, 100, len(CHANNELS))
    batch = fields(rng)
    scaled = [field * scale[:, None, None] for field in batch]
    found = streamed([scaled], std=STD * scale).compute()
    assert found["skill"] == pytest.approx(streamed([batch]).compute()["skill"])


def test_a_background_without_error_leaves_its_channel_out(rng):
    analysis, reference, background = fields(rng)
    rest = [0, 1, 3, 4]
    kept = streamed(
        [[field[:, rest] for field in (analysis, reference, background)]],
        channels=[CHANNELS[n] for n in rest],
        std=STD[rest],
    ).compute()
    background[:, 2] = reference[:, 2] + 0.9e-3 * STD[2]
    found = streamed([(analysis, reference, background)]).compute()
    assert found["skill_left_out"] == ["z500"]
    assert found["skill"] == kept["skill"]
    background[:, 2] = reference[:, 2] + 1.1e-3 * STD[2]
    assert streamed([(analysis, reference, background)]).compute()["skill_left_out"] == []


def test_nothing_left_has_no_skill():
    alone = rmse_skill(["u10"], [1.0], [2.0], [1.0])
    assert (alone["skill"], alone["skill_without_10m_wind"]) == (50, None)
    nothing = rmse_skill(["u10", "z500"], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0])
    assert nothing["skill"] is None
    assert nothing["skill_left_out"] == ["u10", "z500"]


def test_wrong_input_stops_at_the_door():
    with pytest.raises(ChannelError, match="c0"):
        RmseSkill(["c0"], GRID, [1.0])
    with pytest.raises(ScoreError, match="std must be 5 finite numbers"):
        RmseSkill(CHANNELS, GRID, -STD)
    with pytest.raises(ScoreError, match=r"background_rmse must be 5 .* shape \(4,\)"):
        rmse_skill(CHANNELS, STD, STD[1:], STD)
    with pytest.raises(ScoreError, match="rmse must be 5 finite numbers"):
        rmse_skill(CHANNELS, np.full(5, np.nan), STD, STD)


def test_skills_of_other_sigmas_do_not_add():
    with pytest.raises(ScoreError, match="same channels, grid and settings"):
        streamed([]) + streamed([], std=2 * STD)
