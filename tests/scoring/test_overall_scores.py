"""One number over all channels: means over channels, CRPS in units of each one."""

import pytest

from dambench_hub.scoring.overall_scores import overall_scores


def test_means_are_over_channels_in_units_of_each():
    scores = {
        "skill": 30.0,
        "mse": 0.1,
        "mae": 0.2,
        "specdiv": 0.3,
        "rmse": {"z500": 50.0, "t850": 1.0},
        "crps": {"z500": 30.0, "t850": 0.4},
        "spread_skill": {"z500": 0.9, "t850": 1.2},
    }
    found = overall_scores(scores, {"z500": 1000.0, "t850": 10.0})
    assert found == pytest.approx(
        {"skill": 30, "mse": 0.1, "mae": 0.2, "specdiv": 0.3, "crps": 0.035, "spread_skill": 1.05}
    )


def test_what_is_not_there_is_left_out():
    assert overall_scores({"mse": 0.1, "skill": None, "rmse": {}}, {}) == {"mse": 0.1}
