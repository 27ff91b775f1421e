"""`dambench submit --space`: what the page does, from the command line."""

import h5py
import numpy as np
import pytest

from dambench_hub.cli.commands import main
from dambench_hub.data.batch import Analysis
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard import client as space_client
from dambench_hub.leaderboard.client import submit_to_space
from dambench_hub.leaderboard.submissions.review import HELD_FOR_REVIEW
from dambench_hub.predictions.validation import validate
from dambench_hub.predictions.writer import write_predictions


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(space_client, "POLL_SECONDS", 0.2)


@pytest.fixture
def write(tiny_data, tmp_path):
    """Writes a prediction that nobody has handed in before."""

    def write(name, seed):
        rng = np.random.default_rng(seed)
        scale = 0.01 * tiny_data.statistics.std[:, None, None]
        analyses = (
            Analysis((b.background + scale * rng.standard_normal(b.background.shape)).astype("f4"))
            for b in tiny_data.batches("unimodal")
        )
        path = tmp_path / name
        write_predictions(path, analyses, task="unimodal", data=tiny_data, model_name="test")
        return path

    return write


def run(capsys, *arguments):
    """Exit code, output and messages of a command."""
    with pytest.raises(SystemExit) as ended:
        main(["submit", *map(str, arguments)])
    code = ended.value.code or 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_good_file_gets_its_rank(own_board, write, capsys):
    path = write("mine.safetensors", 1)
    code, out, err = run(capsys, path, "--name", "from the line", "--space", own_board)
    assert code == 0, err
    assert "from the line has rank" in out and "in the task unimodal" in out
    assert "is received as" in err
    again = run(capsys, path, "--name", "from the line", "--space", own_board)
    assert again[0] == 1 and "already" in again[2]


def test_a_copy_at_home_is_shown_and_remarked_upon(own_board, write, capsys):
    submit_to_space(write("first.nc", 6), own_board, "first")
    code, out, err = run(capsys, write("copy.nc", 6), "--name", "copy", "--space", own_board)
    assert (code, "copy has rank" in out) == (0, True), err
    assert "copy: same values as 'first'" in err


def test_what_is_held_is_no_error_and_says_what_to_do(tmp_path, monkeypatch, capsys):
    status = {"state": "held", "reason": HELD_FOR_REVIEW, "id": "0a1b", "problems": []}
    monkeypatch.setattr(space_client, "submit_to_space", lambda *_, **__: status)
    code, out, err = run(capsys, tmp_path / "x.nc", "--name", "mine", "--space", "ORG/board")
    assert (code, out) == (0, "")
    for words in ("mine is scored and held", "Whoever keeps this board decides", "0a1b"):
        assert words in err
    assert "`dambench admin publish ID`" in err


def test_the_problems_of_a_bad_file_are_those_of_validate(own_board, write, tiny_data, capsys):
    path = write("bad.nc", 2)
    with h5py.File(path, "a") as file:
        file["analysis"][0, 0, 0, 0] = np.nan
        file["latitude"][:] = file["latitude"][:][::-1]
    code, out, err = run(capsys, path, "--name", "bad", "--space", own_board)
    assert code == 1 and not out
    listed = {line for line in err.splitlines() if line.startswith("- ")}
    problems = validate(path, tiny_data)
    assert listed == {f"- {problem}" for problem in problems} and len(problems) == 2


def test_a_private_result_is_told_to_its_owner_alone(own_board, write):
    status = submit_to_space(write("private.nc", 3), own_board, "private", publish=False)
    assert (
        status["state"] == "private"
        and isinstance(status["score"], float)
        and status["rank"] is None
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("<b>", "cannot stand in a name"), ("", "A name has"), ("x" * 81, "A name has")],
)
def test_a_name_that_is_refused_is_told(own_board, write, name, words):
    with pytest.raises(DambenchError, match=words):
        submit_to_space(write("named.nc", 4), own_board, name)


def test_another_file_is_refused_here_or_there(own_board, tmp_path):
    other = tmp_path / "other.npz"
    other.write_bytes(b"PK\x03\x04")
    with pytest.raises(DambenchError, match="ends in"):
        submit_to_space(other, own_board, "other", task="unimodal")
    with pytest.raises(DambenchError, match="Unknown task"):
        other.rename(tmp_path / "other.nc")
        submit_to_space(tmp_path / "other.nc", own_board, "other", task="nothing")


@pytest.mark.parametrize("space", ["http://127.0.0.1:9", "http://", "ORG/board"])
def test_a_board_that_is_not_there_is_told(write, space):
    with pytest.raises(DambenchError, match="gives no answer"):
        submit_to_space(write("mine.nc", 5), space, "mine")


def test_the_token_for_hugging_face_goes_nowhere_else(monkeypatch):
    given = {}

    class Client:
        def __init__(self, space, **options):
            given[space] = options

    import gradio_client

    monkeypatch.setattr(gradio_client, "Client", Client)
    monkeypatch.setenv("DAMBENCH_KEY", "a key")
    for space in ("http://127.0.0.1:1", "https://example.org", "ORG/board"):
        space_client._connect(space)
    assert given["http://127.0.0.1:1"]["token"] is given["https://example.org"]["token"] is False
    assert given["ORG/board"]["token"] is None
    assert all(o["headers"] == {"x-dambench-key": "a key"} for o in given.values())
    assert not any(options["analytics_enabled"] for options in given.values())
