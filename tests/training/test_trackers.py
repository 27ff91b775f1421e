"""Metrics always reach their file, and a tracker when it is there."""

import json

import pytest

from dambench_hub.errors import DambenchError
from dambench_hub.training import trackers as module
from dambench_hub.training.trackers import JsonLines, trackers


def test_lines_are_json(tmp_path):
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.log({"loss": 0.5, "epoch": 0}, step=1)
    lines.log({"gradient_norm": float("inf")}, step=2)
    found = [json.loads(line) for line in lines.tracker.read_text().splitlines()]
    assert found == [
        {"step": 1, "loss": 0.5, "epoch": 0},
        {"step": 2, "gradient_norm": None},
    ]


def test_later_and_torn_lines_are_dropped(tmp_path):
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.drop_after(3)  # there is no file yet
    for step in range(1, 6):
        lines.log({}, step=step)
    with lines.path.open("a") as file:
        file.write('{"step": 2, "lo')
    lines.drop_after(3)
    assert [json.loads(line)["step"] for line in lines.path.read_text().splitlines()] == [1, 2, 3]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DambenchError, match="Could not write"):
        JsonLines(tmp_path / "file" / "metrics.jsonl").log({}, step=1)


def test_a_missing_tracker_is_said_and_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(module.AVAILABLE, "trackio", lambda: False)
    monkeypatch.setitem(module.AVAILABLE, "tensorboard", lambda: True)
    path = tmp_path / "metrics.jsonl"
    assert [type(tracker) for tracker in trackers("trackio", path)] == [JsonLines]
    assert "trackio is not installed" in capsys.readouterr().err
    assert trackers("tensorboard", path)[1:] == ["tensorboard"]
    assert trackers("none", path)[1:] == []
    assert capsys.readouterr().err == ""
