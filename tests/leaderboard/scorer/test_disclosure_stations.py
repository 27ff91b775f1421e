"""Of stations that are not public, no file and no number tells what one of them measured.

The attack is that of test_disclosure.py: one value moved far up in one prediction and far down in
another, so that the norms of all errors differ by twice what the error of that value was.
"""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.scorer.disclosure import DIGITS, disclosed
from dambench_hub.leaderboard.scorer.hidden_references import HiddenReferences
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score

EVE = Person("hf:6", "eve")
FAR = 30.0
"""How far a value is moved, in standard deviations."""


def write(path, data):
    fields = np.stack([data.background("test", index) for index in range(3)])
    write_predictions(path, [Analysis(fields)], task="synop", data=data, model_name="m")
    return path


@pytest.fixture(scope="module")
def exact(hidden_stations, tmp_path_factory):
    """The exact result of the background, and what it was scored with."""
    data = HiddenReferences(*hidden_stations)
    return score(write(tmp_path_factory.mktemp("x") / "x.nc", hidden_stations[0]), data), data


def test_what_is_withheld_is_the_private_data_sets(hidden_stations):
    public, private = hidden_stations
    both = HiddenReferences(public, private)
    kept = both.reports("test", 0, withheld=True)
    np.testing.assert_array_equal(kept.value, private.reports("test", 0, withheld=True).value)
    assert np.all(public.reports("test", 0, withheld=True).value == 0)
    np.testing.assert_array_equal(both.reports("test", 0).value, public.reports("test", 0).value)


def test_errors_in_all_and_few_digits_are_told(exact):
    told = disclosed(*exact, "secret")
    assert set(told.scores) == {"rmse", "skill", "station_rmse"}
    assert told.station_errors is None and told.main_score == told.scores["station_rmse"]
    numbers = [told.scores["skill"], told.main_score, told.scores["rmse"]["t2m"]]
    assert numbers == [float(f"{number:.{DIGITS}g}") for number in numbers]


def test_rounding_moves_no_score_on_average(exact):
    result, data = exact
    told = [disclosed(result, data, f"secret {number}").main_score for number in range(300)]
    assert np.mean(told) == pytest.approx(result.main_score, rel=0.03) and len(set(told)) > 1
    assert disclosed(result, data, "a").to_dict() == disclosed(result, data, "a").to_dict()


def moved(result, row, shift):
    """The exact result of an analysis that is moved at one report."""
    errors = result.station_errors
    analysis = errors.analysis.copy()
    analysis[row] += shift
    rmse = float(np.sqrt(np.average(analysis**2, weights=errors.weight)))
    return replace(
        result,
        value_hash=f"{row} {shift}",
        scores={**result.scores, "rmse": {"t2m": rmse}, "station_rmse": rmse},
        main_score=rmse,
        station_errors=replace(errors, analysis=analysis),
    )


def misses(exact, tell):
    """How far the attack is from the truth at each report, standard deviations."""
    result, data = exact
    errors, std = result.station_errors, data.statistics.std[0]
    found = []
    for row in range(len(errors.weight)):
        up, down = (tell(moved(result, row, sign * FAR * std)).main_score for sign in (1, -1))
        weight = errors.weight[row] / errors.weight.sum()
        found.append((up**2 - down**2) / (4 * FAR * std * weight) / std)
    return np.array(found) - errors.analysis / std


def test_no_number_tells_what_a_station_measured(exact):
    assert np.sqrt(np.mean(misses(exact, lambda one: one) ** 2)) < 1e-6, "else it shows nothing"
    told = misses(exact, lambda one: disclosed(one, exact[1], "secret"))
    assert np.sqrt(np.mean(told**2)) > 0.1


@pytest.mark.parametrize("hides", [True, False])
def test_the_worker_keeps_errors_at_stations_that_are_public_alone(
    hidden_stations, tmp_path, hides
):
    public, private = hidden_stations
    site = Site.open(public.folder, f"sqlite:///{tmp_path}/board.db", tmp_path / "board")
    path = write(site.inbox / "a.nc", public)
    one = site.submissions.receive(EVE, "m", "synop", file=path.name, bytes=1, sha256="a")
    worker = Worker(site, private=private if hides else None, opener=open_prediction)
    assert worker.step() and site.submissions.get(one.id).state == "published"
    kept = DiagnosticsFiles(site.diagnostics).read_stations(one.id)
    assert (kept is None) == hides and len([*site.diagnostics.iterdir()]) == (not hides)
    scores = site.store.result(one.id).scores
    assert ("stations" in scores, "rmse_low" in scores) == (not hides, not hides)
    if kept is not None:
        np.testing.assert_array_equal(kept.analysis, kept.background)
        worker.sweep()
        assert [*site.diagnostics.iterdir()]
        site.submissions.withdraw(one.id, EVE, "for the test")
        worker.sweep()
        assert not [*site.diagnostics.iterdir()]
    site.store.close()
