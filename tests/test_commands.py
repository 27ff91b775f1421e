"""How commands end: done, wrong input, interrupted; never with a traceback for these."""

import os
import signal

import pytest

from dambench_hub.commands import exit_code
from dambench_hub.errors import BuildError


def test_done():
    done = []
    assert exit_code(lambda: done.append(1)) == 0
    assert done == [1]


def test_wrong_input_is_a_message(capsys):
    def work():
        raise BuildError("no such source")

    assert exit_code(work) == 1
    assert capsys.readouterr().err == "error: no such source\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_is_answered(capsys, number):
    before = signal.getsignal(signal.SIGTERM)
    assert exit_code(lambda: os.kill(os.getpid(), number) or signal.pause()) == 1
    assert "Run the same command again" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        exit_code(lambda: 1 / 0)
