"""Raw scores are those behind the ranking, in a file that everybody's tools read."""

import io

import numpy as np
import pytest

from dambench_hub.leaderboard.store.raw_scores import SCHEMA, as_parquet, raw_scores
from dambench_hub.leaderboard.store.results import Store

pd = pytest.importorskip("pandas")
ERRORS = np.array([[81.0, 1.0], [100.0, 4.0], [121.0, 9.0]])


@pytest.fixture
def store(tmp_path, make_result):
    store = Store(f"sqlite:///{tmp_path}/store.db", create=True)
    scores = {
        "skill": 1.0,
        "mse": 0.5,
        "rmse": {"z500": 10.0, "t100": 2.0},
        "rmse_by_region": {"tropics": {"z500": 5.0, "t100": 0.5}},
    }
    store.add(make_result(scores=scores, hours=(0, 24, 48), square_errors=ERRORS), "mine")
    store.add(make_result(value_hash="b"), "without days")
    return store


def test_the_mean_over_days_is_the_score(store):
    table = raw_scores(store, store.ranking("unimodal", "r1"))
    frame = pd.read_parquet(io.BytesIO(as_parquet(table)))
    assert set(frame["name"]) == {"mine"}  # of the other no days are kept
    daily = frame[frame.region == "globe"]
    assert daily.groupby("channel", observed=True)["rmse"].mean().to_dict() == {
        "z500": 10.0,
        "t100": 2.0,
    }
    assert daily["time"].iloc[2] == pd.Timestamp("1970-01-02", tz="UTC")
    tropics = frame[frame.region == "tropics"]
    assert tropics["time"].isna().all() and tropics["rmse"].tolist() == [5.0, 0.5]


def test_a_board_without_errors_by_day_has_none(store):
    table = raw_scores(store, store.ranking("multimodal", "r1"))
    assert table.schema == SCHEMA and len(table) == 0
