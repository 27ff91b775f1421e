"""scoring/kept_scores.py: a comparison that was stopped goes on."""

import json

import numpy as np
import pytest

from dambench_hub.errors import DambenchError, ScoreError
from dambench_hub.scoring.kept_scores import KeptScores

SETTINGS = {"task": "multimodal", "seed": 0}


def refuse():
    raise AssertionError("it was scored already")


def test_what_is_kept_is_not_scored_again(tmp_path):
    path = tmp_path / "new" / "x.json"
    first = KeptScores(path, SETTINGS).of({"row": "a"}, lambda: [0.1, 1 / 3])
    assert first == [0.1, 1 / 3]
    again = KeptScores(path, SETTINGS)
    assert again.of({"row": "a"}, refuse) == first
    assert again.of({"row": "b"}, lambda: 2.0) == 2.0
    assert KeptScores(path, SETTINGS).of({"row": "b"}, refuse) == 2.0
    assert json.loads(path.read_text())["task"] == "multimodal"


def test_each_key_is_its_own(tmp_path):
    kept = KeptScores(tmp_path / "x.json", SETTINGS)
    keys = [{"row": "a"}, {"row": "a", "files": None}, {"row": "a", "files": {"w": "1"}}]
    for number, key in enumerate(keys):
        assert kept.of(key, lambda number=number: number) == number
    assert [kept.of(key, refuse) for key in keys] == [0, 1, 2]


def test_without_a_file_they_are_kept_in_memory():
    kept = KeptScores(None, SETTINGS)
    assert kept.of({"row": (1, 2)}, lambda: (1.0,)) == [1.0]
    assert kept.of({"row": [1, 2]}, refuse) == [1.0]


def test_what_fails_leaves_what_was_kept(tmp_path):
    path = tmp_path / "x.json"
    kept = KeptScores(path, SETTINGS)
    kept.of({"row": "a"}, lambda: 1)
    before = path.read_bytes()
    with pytest.raises(AssertionError):
        kept.of({"row": "b"}, refuse)
    with pytest.raises(TypeError):
        kept.of({"row": "b"}, lambda: np.zeros(2))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_scores_of_other_settings_are_refused(tmp_path):
    path = tmp_path / "x.json"
    KeptScores(path, SETTINGS).of({"row": "a"}, lambda: 1)
    with pytest.raises(ScoreError, match=r"another comparison: seed is 0 there, 1 here\. Go on"):
        KeptScores(path, {**SETTINGS, "seed": 1})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"cells": 1}', '{"cells": [1]}', '{"cells": [{"row": "a"}]}', "\xff"]
)
def test_another_file_is_not_overwritten(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ScoreError, match=r"x\.json is in the way: .*choose another --out"):
        KeptScores(path, SETTINGS)
    assert path.read_bytes() == text.encode("latin-1")


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path):
    with pytest.raises(DambenchError, match="in the way"):
        KeptScores(tmp_path, SETTINGS)
