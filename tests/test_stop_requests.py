"""A request to end waits; the second one does not."""

import os
import signal

import pytest

from dambench_hub.stop_requests import StopRequests


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
