"""The scorer's script, as it runs beside the pages: alone, as a child, told to end, killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.leaderboard.scorer import process as scorer_process
from dambench_hub.leaderboard.scorer.process import ScorerProcess
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.submissions.lifecycle import Person, State
from dambench_hub.predictions.writer import write_predictions

SCRIPT = Path(__file__).parents[2] / "leaderboard_app" / "scorer.py"
STARTS = 30.0
"""Seconds within which a process has started, on a busy machine."""


@pytest.fixture
def site(tiny_folder, tmp_path):
    site = Site.open(tiny_folder, f"sqlite:///{tmp_path}/board.db", tmp_path / "board")
    yield site
    site.store.close()


@pytest.fixture(scope="module")
def prediction(tiny_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("scorer") / "x.nc"
    analyses = (
        Analysis((batch.background + batch.reference) / 2)
        for batch in tiny_data.batches("multimodal")
    )
    write_predictions(path, analyses, task="multimodal", data=tiny_data, model_name="m")
    return path


def hand_in(site, prediction, number=1):
    shutil.copy(prediction, site.inbox / f"{number}.nc")
    owner, file = Person(f"hf:{number}", "anne"), f"{number}.nc"
    return site.submissions.receive(
        owner, "mine", "multimodal", file=file, bytes=1, sha256=str(number)
    ).id


def settings(site):
    return {
        "DAMBENCH_DATA": str(site.data.folder),
        "DAMBENCH_STORE": site.store.url,
        "DAMBENCH_FOLDER": str(site.folder),
    }


def wait_for(condition):
    end = time.monotonic() + STARTS
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def test_once_it_scores_what_waits_and_ends(site, prediction, tmp_path):
    ids = [hand_in(site, prediction, number) for number in (1, 2)]
    options = ["--data", site.data.folder, "--store", site.store.url, "--folder", site.folder]
    command = [sys.executable, SCRIPT, *options, "--once", "--discard-uploads"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert site.submissions.get(ids[0]).state is State.PUBLISHED
    assert site.submissions.get(ids[1]).state is State.HELD
    assert f"{ids[0]} published" in done.stderr
    assert [path.name for path in site.inbox.iterdir()] == ["2.nc"]


def test_without_a_data_set_it_says_so(site, tmp_path):
    command = [sys.executable, SCRIPT, "--data", tmp_path / "none", "--folder", site.folder]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: No data set in")


def test_beside_a_server_it_is_started_again_when_killed(site, prediction, monkeypatch):
    monkeypatch.setattr(scorer_process, "RESTART_SECONDS", 0.0)
    with ScorerProcess(SCRIPT, settings(site)) as scorer:
        first = scorer.pid
        os.kill(first, signal.SIGKILL)
        id = hand_in(site, prediction)
        wait_for(lambda: site.submissions.get(id).state is State.PUBLISHED)
        second = scorer.pid
    assert first != second
    assert scorer_process.STOP_SECONDS > 1
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_it_ends_with_the_process_that_started_it(site):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    command = [sys.executable, SCRIPT, "--parent", str(gone.pid)]
    done = subprocess.run(command, env={**os.environ, **settings(site)}, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_gets_nothing_of_the_servers_secrets(site, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    monkeypatch.setenv("OAUTH_CLIENT_SECRET", "planted")
    with ScorerProcess(SCRIPT, settings(site)) as scorer:
        assert "HF_TOKEN" not in scorer.environment
        assert "OAUTH_CLIENT_SECRET" not in scorer.environment
        arguments = Path(f"/proc/{scorer.pid}/cmdline").read_bytes()
        assert site.store.url.encode() not in arguments
