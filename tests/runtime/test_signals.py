"""How commands end: done, wrong input, interrupted; never with a traceback for these."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dambench_hub.errors import BuildError
from dambench_hub.runtime.signals import StopRequests, exit_code


def test_done():
    done = []
    assert exit_code(lambda: done.append(1)) == 0
    assert done == [1]


def test_wrong_input_is_a_message(capsys):
    def work():
        raise BuildError("no such source")

    assert exit_code(work) == 1
    assert capsys.readouterr().err == "error: no such source\n"


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_seen_enough_is_no_error(lines):
    """Whether the output breaks off while it is written, or only when the rest is flushed."""
    code = (
        "import sys, time; from dambench_hub.runtime.signals import exit_code\n"
        "def work():\n time.sleep(0.5)\n"
        f" for n in range({lines}): print(n)\n"
        "sys.exit(exit_code(work))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as child:
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 1


@pytest.fixture
def interruptible():
    """Ctrl-C works even where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_is_answered(capsys, interruptible, number):
    def work():
        os.kill(os.getpid(), number)
        time.sleep(10)

    before = signal.getsignal(signal.SIGTERM)
    started = time.monotonic()
    assert exit_code(work) == 1
    assert time.monotonic() - started < 5
    assert "Run the same command again" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        exit_code(lambda: 1 / 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_is_noted_and_the_second_acts(number):
    acted = []
    before = signal.signal(number, lambda *_: acted.append(1))
    try:
        with StopRequests() as requests:
            assert not requests.received
            os.kill(os.getpid(), number)
            assert requests.received and not acted
            os.kill(os.getpid(), number)
            assert acted == [1]
        os.kill(os.getpid(), number)
        assert acted == [1, 1]
    finally:
        signal.signal(number, before)
