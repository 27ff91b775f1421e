"""The options of the app, and what of them its scorer gets."""

import importlib.util
from argparse import Namespace
from pathlib import Path

import pytest

from dambench_hub.errors import DambenchError, IsolationError

APP = Path(__file__).parents[2] / "leaderboard_app" / "app.py"


@pytest.fixture
def load(monkeypatch):
    """`load(**environment)` is the module, as it is with these variables."""

    def loaded(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("app", APP)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


@pytest.mark.parametrize(
    ("environment", "options", "discards"),
    [
        ({}, [], False),
        ({}, ["--discard-uploads"], True),
        ({"SPACE_ID": "org/board"}, [], True),
        ({"SPACE_ID": "org/board"}, ["--no-discard-uploads"], False),
        ({"SPACE_ID": "org/board", "DAMBENCH_DISCARD_UPLOADS": "no"}, [], False),
        ({"DAMBENCH_DISCARD_UPLOADS": "yes"}, [], True),
    ],
)
def test_scored_files_fill_no_space(load, tmp_path, environment, options, discards):
    app = load(**environment)
    scorer = app._scorer(app.parse_args(options), Namespace(folder=tmp_path))
    assert scorer.environment["DAMBENCH_DISCARD_UPLOADS"] == ("yes" if discards else "no")


def test_a_setting_that_is_neither_yes_nor_no_is_refused(load):
    with pytest.raises(DambenchError, match="DAMBENCH_DISCARD_UPLOADS is yes or no, got 'maybe'"):
        load(DAMBENCH_DISCARD_UPLOADS="maybe").parse_args([])


@pytest.mark.parametrize("role", ["both", "front"])
def test_no_role_starts_where_the_sandbox_does_not_hold(load, monkeypatch, tmp_path, role):
    def broken():
        raise IsolationError("the sandbox does not hold")

    app = load()
    monkeypatch.setattr(app, "self_test", broken)
    with pytest.raises(IsolationError):
        app.main(["--role", role, "--data", str(tmp_path / "none")])


def test_baselines_are_those_of_the_checkout_unless_others_are_named(load, tmp_path):
    assert load().parse_args([]).baselines == APP.parents[1] / "baselines" / "scores"
    assert load(DAMBENCH_BASELINES=str(tmp_path)).parse_args([]).baselines == tmp_path
