"""Chains of segments: order, resumption, and what happens when a process dies."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from dambench_hub.building.osse.chains import run_chains
from dambench_hub.errors import BuildError


def touch(folder, chain, number):
    if number:
        assert (folder / f"{chain}-{number - 1}").exists(), "a segment came before its predecessor"
    (folder / f"{chain}-{number}").write_text(str(os.getpid()))


def nothing():
    pass


def die(chain, number):
    os._exit(9)


def fail(chain, number):
    raise BuildError(f"{chain} cannot")


@pytest.mark.parametrize("workers", [1, 3])
def test_every_segment_runs_after_the_one_before(tmp_path, workers):
    chains = {"a": [0, 1, 2], "b": [0], "c": []}
    run_chains(chains, partial(touch, tmp_path), workers, nothing, "Testing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-0", "a-1", "a-2", "b-0"]
    assert str(os.getpid()) not in {path.read_text() for path in tmp_path.iterdir()}


def test_nothing_to_do_starts_no_process():
    start = time.monotonic()
    run_chains({"a": []}, die, 1, nothing, "Testing")
    assert time.monotonic() - start < 0.5


def test_a_killed_process_is_explained():
    with pytest.raises(BuildError, match="Run the same command"):
        run_chains({"a": [0]}, die, 1, nothing, "Testing")


def test_an_error_in_a_process_reaches_us():
    with pytest.raises(BuildError, match="a cannot"):
        run_chains({"a": [0, 1]}, fail, 1, nothing, "Testing")


LONG = """
import signal
import time
from functools import partial
from pathlib import Path
from dambench_hub.building.osse.chains import run_chains
from dambench_hub.runtime.signals import exit_code

def prepare():
    pass

def sleep(folder, chain, number):
    (folder / chain).touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    run = partial(run_chains, {"a": [0], "b": [0]}, partial(sleep, Path(__file__).parent), 2)
    raise SystemExit(exit_code(lambda: run(prepare, "Testing")))
"""


@pytest.mark.parametrize(
    "sent",
    [
        [(os.kill, signal.SIGTERM)],
        [(os.killpg, signal.SIGINT)],
        [(os.kill, signal.SIGINT), (os.killpg, signal.SIGINT)],
        [(os.killpg, signal.SIGINT), (os.killpg, signal.SIGINT)],
    ],
    ids=["queueing system", "Ctrl-C", "timeout", "Ctrl-C twice"],
)
def test_interruptions_end_all_processes(sent, tmp_path):
    script = tmp_path / "long.py"
    script.write_text(LONG)
    command = [sys.executable, script]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 60
            while not ((tmp_path / "a").exists() and (tmp_path / "b").exists()):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            for send, number in sent:
                send(process.pid, number)
                time.sleep(0.1)
            # All processes hold stderr, so it ends with the last of them.
            _, told = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert b"Interrupted" in told or len(sent) == 2
    assert process.returncode != 0
