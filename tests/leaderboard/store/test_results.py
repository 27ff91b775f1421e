"""Results: finite, and each once; the ranking: like with like only, the best of each name."""

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person, local_person
from dambench_hub.leaderboard.store import results
from dambench_hub.leaderboard.store.ranking import is_baseline_name, looks_like_baseline
from dambench_hub.leaderboard.store.raw_scores import raw_scores
from dambench_hub.leaderboard.store.records import pending_records, restore_records
from dambench_hub.leaderboard.store.results import DuplicateResult, Store
from dambench_hub.leaderboard.submissions.lifecycle import Submissions, TextRefused
from dambench_hub.scoring import evaluation
from dambench_hub.scoring.precision import rank_key, rounded

SCORES = Path(__file__).parents[3] / "baselines" / "scores"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/sub/results.db"


@pytest.fixture
def store(url):
    return Store(url, create=True)


def as_ranked(score):
    """What orders the skill −score on a board."""
    return rank_key(-score, True)


def names(ranking):
    return [(entry.rank, entry.name) for entry in ranking.entries]


def test_what_is_recorded_is_ranked(store, url, make_result):
    recorded = make_result(0.25, skill_by_day=(0.5, 1 / 3), hours=(3, 27))
    store.add(recorded, " mine ")
    [entry] = Store(url).ranking("unimodal").entries
    assert (entry.rank, entry.name, entry.owner) == (1, "mine", local_person())
    for found in entry.result, store.result(entry.submission):
        for field in dataclasses.fields(recorded):
            kept, wanted = getattr(found, field.name), getattr(recorded, field.name)
            assert np.array_equal(kept, wanted), field.name
    assert entry.model_url == "https://example.org"
    assert entry.to_dict() == {
        "rank": 1,
        "name": "mine",
        "submitted_at": entry.submitted_at,
        **recorded.to_dict(),
    }
    assert entry.submitted_at.endswith("Z")


def test_the_best_stands_first_and_ties_share_a_rank(store, make_result):
    for name, score in [("b", 0.30000001), ("c", 0.5), ("a", 0.1), ("d", 0.3), ("e", 0.29)]:
        store.add(make_result(score, name), name)
    ranking = store.ranking("unimodal")
    assert names(ranking) == [(1, "a"), (2, "e"), (3, "b"), (3, "d"), (5, "c")]


def test_the_best_of_a_name_stands_on_the_board(store, make_result):
    for score in 0.3, 0.2, 0.4:
        store.add(make_result(score, str(score)), "mine")
    store.add(make_result(0.25, "other"), "other")
    ranking = store.ranking("unimodal")
    assert names(ranking) == [(1, "mine"), (2, "other")]
    assert ranking.entry(local_person(), "mine").result.main_score == -0.2
    assert ranking.entry(local_person(), "nobody's") is None
    assert ranking.hidden == 0


def test_revisions_and_scorers_are_not_mixed(store, make_result):
    store.add(make_result(0.3, "1"), "old data")
    store.add(make_result(0.2, "2", scorer_version="0"), "old scorer")
    store.add(make_result(-0.2, "5", scorer_version="0"), "older")
    store.add(make_result(0.1, "3", task="noise-free"), "other task")
    store.add(make_result(0.4, "4", dataset_revision="r2"), "new")
    newest = store.ranking("unimodal")
    assert (names(newest), newest.hidden, newest.dataset_revision) == ([(1, "new")], 3, "r2")
    assert names(store.ranking("unimodal", "r1")) == [(1, "old data")]
    assert names(store.ranking("unimodal", "r1", "0")) == [(1, "old scorer"), (2, "older")]
    assert store.tasks() == ["noise-free", "unimodal"]
    assert store.ranking("multimodal").entries == ()


def test_a_ranking_is_kept_until_something_happens(store, url, make_result):
    store.add(make_result(0.3, "1"), "first")
    ranking = store.ranking("unimodal")
    Store(url).add(make_result(0.2, "2", task="noise-free"), "other task")
    assert store.ranking("unimodal") is ranking
    Store(url).add(make_result(0.2, "2"), "second")
    assert names(store.ranking("unimodal")) == [(1, "second"), (2, "first")]


def test_a_result_is_recorded_once(store, make_result):
    store.add(make_result(), "mine")
    with pytest.raises(DuplicateResult, match="already recorded as 'mine'.*another --name"):
        store.add(make_result(), "mine")
    store.add(make_result(), "yours")
    store.add(make_result(dataset_revision="r2"), "mine")
    assert len(store.ranking("unimodal", "r1").entries) == 2


def test_two_at_once_are_recorded_once(url, store, make_result):
    outcomes = []

    def add():
        try:
            Store(url).add(make_result(), "mine")
            outcomes.append("added")
        except DuplicateResult:
            outcomes.append("refused")

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["added"] + ["refused"] * 7


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_refused(store, score, make_result):
    """SQLite keeps NaN as NULL, which would sort first."""
    for wrong in (
        make_result(score, scores={}),
        make_result(scores={"mse": 0.5, "rmse": {"z500": score}}),
        make_result(sample_mse=(0.1, score)),
        make_result(skill_by_day=(0.1, score)),
        make_result(square_errors=np.array([[score]])),
    ):
        with pytest.raises(DambenchError, match="not finite"):
            store.add(wrong, "mine")
    assert store.ranking("unimodal").entries == ()


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 81, "a\nb", "a\x1b[31mb", "a\u202eb", "a|b", "<b>x</b>", "a\u3164b"]
)
def test_a_name_has_one_rule_here_and_on_the_board(store, name, make_result):
    with pytest.raises(DambenchError) as here:
        store.add(make_result(), name)
    with pytest.raises(TextRefused) as on_the_board:
        Submissions(store).receive(
            Person("hf:1", "ann"), name, "unimodal", file="a.nc", bytes=1, sha256="a"
        )
    assert str(here.value) == str(on_the_board.value)
    assert store.ranking("unimodal").entries == ()


def test_names_from_before_the_rule_are_still_ranked(store, url, make_result, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(results, "check_name", str)
        for score, name in enumerate(["a|b", "<b>x</b>", "a\u3164b"], 1):
            store.add(make_result(score, name), name)
    opened = Store(url)
    assert names(opened.ranking("unimodal")) == [(1, "a|b"), (2, "<b>x</b>"), (3, "a\u3164b")]
    opened.add(make_result(0.5, "new"), "Mu\u0308ller")
    assert names(opened.ranking("unimodal"))[0] == (1, "M\u00fcller")


def test_the_board_has_the_same_columns_in_each_row(store, make_result):
    store.add(make_result(0.5), "background")
    store.add(make_result(0.2, "b"), "better")
    ranking = store.ranking("unimodal")
    rows = ranking.board()
    assert [list(row) for row in rows] == 2 * [
        ["rank", "name", "skill", "mse", "mae", "specdiv", "rmse_z500"]
    ]
    assert [row["skill"] for row in rows] == [-0.2, -0.5]
    assert [entry.baseline for entry in ranking.entries] == [False, True]


def test_baselines_are_the_package_s_methods():
    assert is_baseline_name("optimal_interpolation") and is_baseline_name("multi_adas")
    assert is_baseline_name("fnp-0") and looks_like_baseline("Fnp-1")
    assert not is_baseline_name("Background") and not is_baseline_name("")
    assert not is_baseline_name("fnp-10")
    recorded = {path.stem for path in SCORES.rglob("*.json")}
    assert len(recorded) > 20
    assert [name for name in recorded if not is_baseline_name(name)] == []
    assert looks_like_baseline("Longer_fnp-2")


def test_what_is_fitted_has_no_chance_of_training(store, make_result):
    for name in "var3d", "multi_var3d", "fnp-0", "multi_fnp-0":
        store.add(make_result(0.5, name), name)
    found = {entry.name: entry.trainings for entry in store.ranking("unimodal").entries}
    endless = {name for name, trainings in found.items() if trainings == float("inf")}
    assert endless == {"var3d", "multi_var3d"}


def test_rounding_is_to_four_digits():
    assert rounded(123456.0) == 123500.0
    assert rounded(0.0) == 0.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1e6)), max_size=12))
def test_a_rank_counts_who_is_better(make_result, submitted):
    """Whatever is submitted: the best of each name, and one more than those that are better."""
    store = Store("sqlite://", create=True)
    best = {}
    for number, (name, score) in enumerate(submitted):
        store.add(make_result(score, str(number)), name)
        best[name] = min(best.get(name, score), score, key=as_ranked)
    entries = store.ranking("unimodal").entries
    assert sorted(entry.name for entry in entries) == sorted(best)
    for entry in entries:
        assert entry.result.main_score == -best[entry.name]
        mine = as_ranked(-entry.result.main_score)
        assert entry.rank == 1 + sum(as_ranked(other) < mine for other in best.values())


HOURS = tuple(24 * 3 * day for day in range(120))


@pytest.fixture
def add(store, make_result, rng):
    """`add(name, skill)` records a result whose skill differs from day to day."""
    shared = 5 * rng.normal(size=120)

    def add(name, skill, noise=0.5, hours=HOURS, **changes):
        days = skill + shared + noise * rng.normal(size=120)
        days += skill - days.mean()
        known = {"skill_by_day": tuple(days.tolist()), "hours": hours, "main_score": skill}
        store.add(make_result(-skill, name, **known, **changes), name)

    return add


def groups(ranking):
    names = [entry.name for entry in ranking.entries]
    return [[names[row] for row in group] for group in ranking.standings.groups]


def test_methods_that_chance_could_exchange_share_a_group(store, add):
    for name, skill in {"best": 40, "as good": 39.99, "worse": 30, "as bad": 29.99}.items():
        add(name, skill)
    ranking = store.ranking("unimodal")
    assert groups(ranking) == [["best", "as good"], ["worse", "as bad"]]
    rows = [(row.best_rank, row.worst_rank) for row in ranking.standings.rows]
    assert rows == [(1, 2), (1, 2), (3, 4), (3, 4)]
    assert ranking.unsure == "" and ranking.standings.seed_error is None
    for entry, row in zip(ranking.entries, ranking.standings.rows, strict=True):
        assert row.interval.mean == pytest.approx(entry.result.main_score)
        assert row.interval.low < row.interval.mean < row.interval.high


def test_the_board_and_json_say_how_sure_they_are(store, add):
    add("one", 40)
    add("two", 30)
    ranking = store.ranking("unimodal")
    columns = ["rank", "name", "best_rank", "worst_rank", "skill", "skill_low", "skill_high"]
    assert [list(row)[:7] for row in ranking.board()] == 2 * [columns]
    rows = ranking.to_dicts()
    assert [row["possible_ranks"] for row in rows] == [[1, 1], [2, 2]]
    low, high = rows[0]["interval"]
    assert ranking.board()[0]["skill_low"] == low < 40 < high == ranking.board()[0]["skill_high"]


def test_seeds_of_a_baseline_widen_every_interval_but_that_of_the_untrained(store, add):
    for name, skill in {"fnp": 40, "letkf": 30, "background": 0}.items():
        add(name, skill)
    before = {name: row for name, row in certainty(store).items()}
    add("vae_var-0", 35)
    add("vae_var-1", 37)
    after = certainty(store)
    assert store.ranking("unimodal").between_seeds.variance == pytest.approx(2)
    assert width(after["fnp"]) > width(before["fnp"]) + 1
    for untrained in "letkf", "background":
        assert after[untrained].interval == before[untrained].interval


def test_seeds_of_one_method_share_a_group(store, add):
    for name, skill in {"sda-0": 40, "sda-1": 20, "letkf": 60}.items():
        add(name, skill, noise=0.1)
    assert any({"sda-0", "sda-1"} <= set(group) for group in groups(store.ranking("unimodal")))


def test_what_strangers_call_theirs_blurs_nobody_else(store, add, make_result):
    add("fnp", 40)
    add("sda", 39)
    before, board = certainty(store), Submissions(store)
    for seed, skill in enumerate((0.0, 90.0)):
        stranger = Person(f"hf:{seed}", "eve")
        one = board.receive(
            stranger, f"net-{seed}", "unimodal", file="a.nc", bytes=1, sha256=f"{seed}"
        )
        board.claim("w")
        known = {"hours": HOURS, "skill_by_day": (skill,) * 120, "main_score": skill}
        board.finish(one.id, "w", make_result(9 - seed, f"{seed}", **known))
    ranking = store.ranking("unimodal")
    assert ranking.between_seeds is None and len(ranking.entries) == 4
    assert {name: certainty(store)[name].interval for name in before} == {
        name: row.interval for name, row in before.items()
    }


def certainty(store):
    ranking = store.ranking("unimodal")
    names = [entry.name for entry in ranking.entries]
    return dict(zip(names, ranking.standings.rows, strict=True))


def width(row):
    return row.interval.high - row.interval.low


def test_too_few_days_give_no_intervals(store, add):
    add("one", 40, hours=tuple(12 * number for number in range(120)))
    ranking = store.ranking("unimodal")
    assert ranking.standings is None and "120 analyses are too few" in ranking.unsure
    assert ranking.to_dicts()[0]["interval"] is None
    assert "skill_low" not in ranking.board()[0]


def test_what_is_not_known_by_day_has_no_intervals(store, add, make_result):
    add("one", 40)
    store.add(make_result(-30, "b"), "hidden")
    ranking = store.ranking("unimodal")
    assert ranking.standings is None and "not known" in ranking.unsure
    nobody = store.ranking("multimodal")
    assert (nobody.standings, nobody.unsure) == (None, "")


# Errors at stations


@pytest.fixture
def stations(store, predict_stations, stations_data):
    """A store with two results at stations."""
    for name, shift in (("background", 0.0), ("worse", 5.0)):
        store.add(evaluation.score(predict_stations(shift), stations_data), name)
    return store


def test_errors_at_stations_rank_smaller_ones_first_with_their_bootstrap(stations):
    ranking = stations.ranking("synop")
    assert [entry.name for entry in ranking.entries] == ["background", "worse"]
    assert ranking.standings is None and "bootstrap over stations" in ranking.unsure
    for entry, row, shown in zip(ranking.entries, ranking.to_dicts(), ranking.board(), strict=True):
        scores = entry.result.scores
        ends = [scores["rmse_low"]["t2m"], scores["rmse_high"]["t2m"]]
        assert row["interval"] == ends and row["possible_ranks"] is None
        assert list(shown) == [
            *("rank", "name", "station_rmse", "station_rmse_low", "station_rmse_high", "skill"),
        ]
        assert [shown["station_rmse_low"], shown["station_rmse_high"]] == ends


def test_results_at_stations_survive_the_mirror_and_say_nothing_by_day(stations, tmp_path):
    records = pending_records(stations, "o/r", 10)
    ranking = stations.ranking("synop")
    restored = restore_records(f"sqlite:///{tmp_path}/again.db", records)
    assert restored.ranking("synop").to_dicts() == ranking.to_dicts()
    entry = ranking.entries[0]
    assert entry.result.hours and entry.result.sample_mse == ()
    assert stations.square_errors(entry) is None and stations.result(entry.submission)
    assert len(raw_scores(stations, ranking)) == 0


def test_without_their_interval_errors_at_stations_have_another_note(stations, make_result):
    known = {"rmse": {"t2m": 1.0}, "station_rmse": 1.0, "skill": 10.0}
    shared = {"task": "synop", "dataset_revision": stations.ranking("synop").dataset_revision}
    stations.add(make_result(value_hash="h", main_score=1.0, scores=known, **shared), "hidden")
    ranking = stations.ranking("synop")
    assert "not public" in ranking.unsure and ranking.to_dicts()[0]["interval"] is None
    assert all(list(row) == ["rank", "name", "station_rmse", "skill"] for row in ranking.board())
