"""Scores as the pages show them: what they are called, what they mean, how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.scoring.evaluation import Result
from dambench_hub.scoring.precision import number, percent

ENSEMBLE_RATIO = "1 is best; below it an ensemble is too sure of itself, above not sure enough"
UNCERTAIN = "of ensembles, and of analyses with a predicted standard deviation"


@dataclass(frozen=True)
class Measure:
    """A score.

    Attributes:
        title: What it is called.
        hint: What it means.
        better: ↓ where smaller is better, ↑ where larger is, empty where neither.
        units: What it is in: `%`, nothing, or `physical` for the units of the channel; scores over
            all channels are in these where there is one channel.
    """

    title: str
    hint: str
    better: str = "↓"
    units: str = ""

    def units_of(self, channels: Sequence[str]) -> str:
        """The units as they are printed, for these channels."""
        return pretty(parse_channel(channels[0]).units) if self.units == "physical" else self.units


OVERALL = {
    "station_rmse": Measure(
        "RMSE at stations",
        "root mean square error at stations that no method has seen; where stations stand close "
        "together, each counts less",
        units="physical",
    ),
    "skill": Measure(
        "skill", "share of the background's RMSE that is gone, mean over variables", "↑", "%"
    ),
    "mse": Measure("MSE", "mean squared error, in units of each channel's variance"),
    "mae": Measure("MAE", "mean absolute error, in units of each channel's standard deviation"),
    "specdiv": Measure("SpecDiv", "divergence of the smallest scales' power spectrum, nats"),
    "crps": Measure(
        "CRPS",
        f"{UNCERTAIN}: mean over channels, in units of each channel's standard deviation",
    ),
    "spread_skill": Measure(
        "spread/skill", f"of ensembles: mean over channels; {ENSEMBLE_RATIO}", ""
    ),
}
"""Scores over all channels."""

BY_CHANNEL = {
    "rmse": Measure("RMSE", "root mean square error", units="physical"),
    "bias": Measure("bias", "mean error, sorted by its size", "", "physical"),
    "station_mae": Measure("MAE", "mean absolute error at stations", units="physical"),
    "crps": Measure("CRPS", f"continuous ranked probability score {UNCERTAIN}", units="physical"),
    "spread_skill": Measure("spread/skill", f"of ensembles; {ENSEMBLE_RATIO}", ""),
}
"""Scores of each channel."""


def printed(name: str, value: float) -> str:
    """A score as text, without its units."""
    if name == "skill":
        return percent(value, digits=2)
    return f"−{number(-value)}" if value < 0 else number(value)


def sort_key(name: str, value: float) -> float:
    """What a score is sorted by, the best first where smaller is better."""
    if name == "bias":
        return abs(value)
    return abs(value - 1) if name == "spread_skill" else value


def scored(results: list[Result]) -> list[str]:
    """Names of those of `BY_CHANNEL` that any of the results has."""
    return [name for name in BY_CHANNEL if any(name in one.scores for one in results)]


def by_channel(result: Result, name: str) -> dict[str, float]:
    """A score of each channel; empty if the result does not have it."""
    values: dict[str, Any] = result.scores.get(name, {})
    return values
