"""The scores of hidden references tell who ranks where, and no value of the reference.

The attack: two predictions that differ in one cell of one channel, moved far up in one and far down
in the other, so that every mean of errors differs by what the error in that cell was.
"""

import csv
import io
import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.inbox import Inbox
from dambench_hub.leaderboard.scorer import disclosure
from dambench_hub.leaderboard.scorer.disclosure import DIGITS, TOLD, disclosed
from dambench_hub.leaderboard.scorer.hidden_references import HiddenReferences
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.exports import rankings_csv
from dambench_hub.leaderboard.store.records import pending_records
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.leaderboard.web import api
from dambench_hub.leaderboard.web.actions import SubmissionActions
from dambench_hub.leaderboard.web.receipt import Receipt
from dambench_hub.metrics.rmse_skill import rmse_skill
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.evaluation import score

BY_TIME = "sample_mse", "skill_by_day", "square_errors"
EVE = Person("hf:6", "eve")
FAR = 30.0
"""How far a cell is moved, in standard deviations."""
CELLS = [(t, c, 2 + c, 3 * t + c) for t in range(2) for c in range(5)]
"""Time, channel, row and column of the cells that the attack is after."""


def write(path, data, cell=None, shift=0.0):
    """The background, but for one cell."""
    fields = np.stack([data.background("test", index) for index in range(5)])
    if cell is not None:
        fields[cell] += shift * data.statistics.std[cell[1]]
    write_predictions(path, [Analysis(fields)], task="multimodal", data=data, model_name="m")
    return path


def told_everywhere(site, id):
    """All scores of a submission that anybody can get at, by the way out."""
    receipt, ranking = Receipt.of(site, id, EVE), site.store.ranking("multimodal")
    (entry,) = [e for e in api.entries(ranking) if e["submission"] == id]
    place = [e["submission"] for e in api.entries(ranking)].index(id)
    row = list(csv.DictReader(io.StringIO(rankings_csv([ranking]))))[place]
    numbers = {name: float(row[name]) for name in ("mse", "mae", "skill")}
    rmse = {name[5:]: float(value) for name, value in row.items() if name.startswith("rmse_")}
    (record,) = [
        parts["result"]
        for parts in (record.parts() for record in pending_records(site.store, "x/y", 1000))
        if parts.get("result", {}).get("submission") == id
    ]
    actions = SubmissionActions(site, Inbox(site.inbox, None, lambda person: set()))
    views = Diagnostics.read(site.diagnostics / f"{id}.safetensors")
    return {
        "export of JSON": json.loads(json.dumps(entry["scores"])),
        "export of CSV": {**numbers, "rmse": rmse},
        "programming interface": receipt.result.to_dict()["scores"],
        "status": {"skill": actions.status(receipt.submission, EVE)["score"]},
        "page": {t.lower(): float(n) for t, n, _ in receipt.figures() if t in ("MSE", "MAE")},
        "record": {**record["scores"], **{k: record[k] for k in BY_TIME if k in record}},
        "pictures' data": {"series": dict(zip(views.shown, views.analysis.series.T, strict=False))},
    }


def slope_of_skill(data, references, channel):
    """By how much skill changes with a channel's pooled RMSE in σ, and the background's such."""
    pairs = [(data.background("test", n), references.reference("test", n)) for n in range(5)]
    errors = np.array([(one - other.astype(float)) ** 2 for one, other in pairs])
    weighted = errors.mean(axis=(0, 3)) @ data.grid.weights / data.grid.latitudes
    background, std = np.sqrt(weighted), data.statistics.std
    alone = np.where(np.arange(len(std)) == channel, background, 0)
    slope = rmse_skill(data.channels, alone, background, std)["skill"] - 100
    in_std = background[channel] / std[channel]
    return slope / in_std, in_std


def errors_found(data, cell, up, down, slope, background):
    """The error at a cell, in standard deviations, as each score lets it be computed."""
    time, channel, row, _ = cell
    name, std = data.channels[channel], data.statistics.std[channel]
    size, weight = data.grid.size, data.grid.weights[row]
    values, times = len(data.channels) * size, 5
    ways = {  # who moves e to e ± D
        "mse": lambda s: times * values * s["mse"] / (4 * FAR),
        "mae": lambda s: times * values * s["mae"] / 2,
        "sample_mse": lambda s: values * s["sample_mse"][time] / (4 * FAR),
        "mse_by_channel": lambda s: times * size * s["mse_by_channel"][name] / (4 * FAR),
        "mae_by_channel": lambda s: times * size * s["mae_by_channel"][name] / 2,
        "rmse": lambda s: times * np.sqrt(size / weight) * s["rmse"][name] / std / 2,
        "rmse_pooled": lambda s: (
            times * size / weight * (s["rmse_pooled"][name] / std) ** 2 / (4 * FAR)
        ),
        "skill": lambda s: (
            times
            * (size / weight)
            * (2 * np.hypot(background, FAR * np.sqrt(weight / size / times)))
            * (s["skill"] / slope / (4 * FAR))
        ),
        "skill_by_day": lambda s: (
            (size / weight) * (2 * background) * (s["skill_by_day"][time] / slope / (4 * FAR))
        ),
        "series": lambda s: size / weight * (float(s["series"][name][time]) / std) ** 2 / (4 * FAR),
    }
    found = {}
    for way, amount in ways.items():
        try:
            found[way] = amount(up) - amount(down)
        except (KeyError, IndexError):  # not told
            continue
    return found


def attack(folder, public, private, cells):
    """By way out and score: how far from the truth the attack is, root mean square, σ."""
    site = Site.open(
        public.folder,
        f"sqlite:///{folder}/board.db",
        folder / "board",
        limits=Limits(scored_per_day=99, scored_per_month=99, tries_per_day=99),
    )
    worker = Worker(site, private=private, opener=open_prediction)

    def told(number, cell, shift):
        path = write(site.inbox / f"{number}.nc", public, cell, shift)
        received = site.submissions.receive(
            EVE, f"m{number}", "multimodal", file=path.name, bytes=1, sha256=path.name
        )
        assert worker.step()
        return received.id

    truth_from, misses = private or public, {}
    slopes = [slope_of_skill(public, truth_from, c) for c in range(len(public.channels))]
    probes = list(enumerate(cells))
    ids = [[told(2 * n + way, cell, (FAR, -FAR)[way]) for way in (0, 1)] for n, cell in probes]
    for cell, pair in zip(cells, ids, strict=True):
        time, channel, *place = cell
        error = public.background("test", time) - truth_from.reference("test", time).astype(float)
        truth = error[(channel, *place)] / public.statistics.std[channel]
        up, down = (told_everywhere(site, id) for id in pair)
        for way_out in up:
            told_both, slope = (up[way_out], down[way_out]), slopes[channel]
            for way, found in errors_found(public, cell, *told_both, *slope).items():
                misses.setdefault((way_out, way), []).append(found - truth)
    site.store.close()
    return {key: float(np.sqrt(np.mean(np.square(miss)))) for key, miss in misses.items()}


def test_no_way_out_tells_a_hidden_value(hidden, tmp_path):
    misses = attack(tmp_path, *hidden, CELLS)
    assert {way_out for way_out, _ in misses} >= {"export of JSON", "export of CSV", "record"}
    assert min(misses.values()) > 0.1, misses


def test_no_errors_by_day_leave_a_hidden_board(hidden, tmp_path, exact):
    """Nor what is computed from them, but for one skill."""
    public, private = hidden
    site = Site.open(public.folder, f"sqlite:///{tmp_path}/board.db", tmp_path / "board")
    path = write(site.inbox / "a.nc", public)
    site.submissions.receive(EVE, "m", "multimodal", file=path.name, bytes=1, sha256="a")
    assert Worker(site, private=private, opener=open_prediction).step()
    ranking = site.store.ranking("multimodal")
    (entry,) = ranking.entries
    assert (entry.result.skill_by_day, site.store.square_errors(entry)) == ((), None)
    assert ranking.standings is None and "reference is not public" in ranking.unsure
    assert api.entries(ranking)[0]["interval"] is None
    records = [record.parts().get("result", {}) for record in pending_records(site.store, "x", 9)]
    assert not {"skill_by_day", "square_errors"} & {name for one in records for name in one}
    result, data = exact
    assert result.skill_by_day and result.square_errors.size, "else it would show nothing"
    site.store.close()


def test_the_attack_finds_what_is_public(tiny_data, tmp_path):
    """Else the test above would show nothing."""
    misses = attack(tmp_path, tiny_data, None, CELLS[::7])
    assert misses["export of JSON", "mse_by_channel"] < 1e-5
    assert misses["pictures' data", "series"] < 1e-2
    assert misses["export of JSON", "skill"] < 0.05
    assert {way for way_out, way in misses if way_out == "record"} >= {"skill_by_day", "skill"}


@pytest.fixture(scope="module")
def exact(hidden, tmp_path_factory):
    """The exact result of the background, and what it was scored with."""
    data = HiddenReferences(*hidden)
    path = write(tmp_path_factory.mktemp("exact") / "x.nc", hidden[0])
    return score(path, data), data


def test_few_scores_with_few_digits_are_told(exact):
    told = disclosed(*exact, "secret")
    assert tuple(told.scores) == TOLD
    numbers = [*told.sample_mse, told.main_score, *told.scores["rmse"].values()]
    numbers += [told.scores[name] for name in TOLD if name != "rmse"]
    assert all(number == float(f"{number:.{DIGITS}g}") for number in numbers)
    assert told.main_score == told.scores["skill"]
    assert told.square_errors.size == told.background_square_errors.size == 0
    assert told.skill_by_day == ()


def test_rounding_moves_no_score_on_average(exact):
    result, data = exact
    told = [disclosed(result, data, f"secret {number}") for number in range(300)]
    assert np.mean([one.scores["mse"] for one in told]) == pytest.approx(result.scores["mse"], 0.02)
    for name, value in result.scores["rmse"].items():
        assert np.mean([one.scores["rmse"][name] for one in told]) == pytest.approx(value, 0.02)
    assert len({one.main_score for one in told}) > 1
    assert np.mean([one.main_score for one in told]) == pytest.approx(result.main_score, abs=0.5)


def bisected(exact, time, error):
    """The error of a cell, σ, as found from how far it must be moved for a step of its time's MSE.

    It is moved up and down until the norm of all errors is the same.
    """
    result, data = exact
    values = len(data.channels) * data.grid.size
    level = result.sample_mse[time] + FAR**2 / values

    def told(shift):
        series = list(result.sample_mse)
        series[time] += ((error + shift) ** 2 - error**2) / values
        trial = replace(result, sample_mse=tuple(series), value_hash=str(shift))
        return disclosed(trial, data, "secret").sample_mse[time]

    def edge(sign):
        low, high = 0.0, 2 * FAR
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (low, middle) if told(sign * middle) > level else (middle, high)
        return low

    return (edge(-1) - edge(1)) / 2


def misses_of_bisection(exact):
    errors = np.linspace(-1.5, 1.5, 6)
    return [bisected(exact, number % 5, error) - error for number, error in enumerate(errors)]


def test_bisection_finds_no_value(exact, monkeypatch):
    assert np.sqrt(np.mean(np.square(misses_of_bisection(exact)))) > 0.1
    nearest = SimpleNamespace(random=lambda: 0.5)
    monkeypatch.setattr(disclosure, "Random", lambda key: nearest)
    assert np.max(np.abs(misses_of_bisection(exact))) < 1e-6  # else it would show nothing


def test_the_same_values_have_the_same_scores(exact):
    told = partial(disclosed, *exact)
    assert told("secret").to_dict() == told("secret").to_dict()
    assert len({told(f"secret {number}").scores["mse"] for number in range(9)}) > 1
