"""Records of scores: what is written is read, to the digits that are kept."""

import dataclasses
import json

import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.evaluation import Result
from dambench_hub.scoring.score_record import Cost, ScoreRecord


@pytest.fixture
def record(rng):
    result = Result(
        task="unimodal",
        dataset="tiny",
        dataset_revision="0" * 16,
        scorer_version="2",
        value_hash="ab",
        main_score=12.3456789,
        scores={"skill": 12.3456789, "rmse": {"z500": 1 / 3}},
        sample_mse=(0.1, 0.2),
        attributes={"model_name": "mine"},
        square_errors=np.exp(5 * rng.normal(size=(2, 3))),
        background_square_errors=np.ones((2, 3)),
        skill_by_day=(10.0, 14.6913578),
        hours=(473352, 473376),
    )
    cost = Cost(1234, None, 0.5)
    return ScoreRecord("mine-0", "make results/mine-0.nc", cost, result, {"z500": 1200 / 7})


def test_what_is_written_is_read(record, tmp_path):
    again = ScoreRecord.read(record.write(tmp_path))
    for name in "name", "command", "cost", "std":
        assert getattr(again, name) == getattr(record, name)
    for field in dataclasses.fields(Result):
        before, after = getattr(record.result, field.name), getattr(again.result, field.name)
        if field.name == "square_errors":
            np.testing.assert_allclose(after, before, rtol=5e-5)
        elif field.name == "background_square_errors":
            assert after.size == 0
        else:
            assert after == before


def test_the_same_record_has_the_same_bytes(record, tmp_path):
    path = record.write(tmp_path)
    before = path.read_bytes()
    ScoreRecord.read(path).write(tmp_path)
    assert path.read_bytes() == before


def test_a_record_of_an_earlier_version_has_no_std(record, tmp_path):
    path = record.write(tmp_path)
    content = json.loads(path.read_text())
    del content["std"]
    path.write_text(json.dumps(content))
    again = ScoreRecord.read(path)
    assert again.std == {}
    assert again.result.scores == record.result.scores


@pytest.mark.parametrize("change", [{"format": "9"}, {"result": {}}, {"cost": {"euro": 1}}])
def test_what_is_no_record_is_refused(record, tmp_path, change):
    path = record.write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ScoreError, match=r"mine-0\.json"):
        ScoreRecord.read(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": None}, "no rmse"),
        ({"scores": {"skill": 1.0}}, "no rmse"),
        ({"skill_by_day": [1.0, 2.0, 3.0]}, "3 values of skill_by_day for 2 days"),
        ({"sample_mse": [0.1, float("nan")]}, "sample_mse has values that are not finite"),
    ],
)
def test_scores_by_day_are_one_number_for_each_day(record, tmp_path, change, words):
    path = record.write(tmp_path)
    content = json.loads(path.read_text())
    content["result"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(ScoreError, match=words):
        ScoreRecord.read(path)
