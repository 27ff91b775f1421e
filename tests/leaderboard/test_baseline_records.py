"""Recorded baselines stand on a new board, once each, and only where they compare."""

import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.leaderboard.baseline_records import add_records
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.scoring.score_record import Cost, ScoreRecord


@pytest.fixture
def store(tmp_path):
    return Store(f"sqlite:///{tmp_path}/store.db", create=True)


@pytest.fixture
def folder(tmp_path, make_result):
    errors = {"square_errors": np.ones((2, 2)), "hours": (0, 24)}
    known = {
        "fnp-0": make_result(0.2, "a", attributes={"model_name": "fnp-0", "parameters": "1200"}),
        "var3d": make_result(0.1, "b", attributes={"model_name": "var3d"}, **errors),
        "other": make_result(0.1, "c", dataset_revision="another"),
        "older": make_result(0.1, "d", scorer_version="1"),
    }
    for name, result in known.items():
        place = tmp_path / "scores" / ("seeds" if "-" in name else ".")
        place.mkdir(parents=True, exist_ok=True)
        ScoreRecord(name, f"make results/{name}.nc", Cost(), result).write(place)
    return tmp_path / "scores"


def test_records_of_this_data_stand_on_the_board(store, folder):
    assert sorted(add_records(store, folder, "r1")) == ["fnp-0", "var3d"]
    ranking = store.ranking("unimodal", "r1")
    assert [entry.name for entry in ranking.entries] == ["var3d", "fnp-0"]
    assert all(entry.baseline for entry in ranking.entries)
    np.testing.assert_array_equal(store.square_errors(ranking.entries[0]), np.ones((2, 2)))


def test_a_start_later_adds_what_is_new(store, folder, make_result):
    add_records(store, folder, "r1")
    result = make_result(0.3, "e", attributes={"model_name": "letkf"})
    ScoreRecord("letkf", "make results/letkf.nc", Cost(), result).write(folder)
    assert add_records(store, folder, "r1") == ["letkf"]
    assert add_records(store, folder, "r1") == []
    assert len(store.ranking("unimodal", "r1").entries) == 3


def test_what_is_no_record_is_named(store, folder):
    (folder / "notes.json").write_text("{}")
    with pytest.raises(ScoreError, match="notes.json is not a record of scores"):
        add_records(store, folder, "r1")
