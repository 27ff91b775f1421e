"""A client that asks too often is told when to come back; others do not notice."""

import pytest

from dambench_hub.leaderboard.web import rate_limit as module
from dambench_hub.leaderboard.web.rate_limit import RateLimit


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_burst_passes_and_then_so_many_a_second(clock):
    rate_limit = RateLimit(burst=5, rate=2)
    assert [rate_limit.wait("a") for _ in range(5)] == [0] * 5
    assert rate_limit.wait("a") == pytest.approx(0.5)
    clock[0] += 0.5
    assert rate_limit.wait("a") == 0
    assert rate_limit.wait("a") > 0
    assert rate_limit.wait("b") == 0


def test_after_a_pause_there_is_one_burst_and_no_more(clock):
    rate_limit = RateLimit(burst=3, rate=1)
    clock[0] += 1000
    assert [rate_limit.wait("a") == 0 for _ in range(4)] == [True, True, True, False]


def test_whoever_keeps_asking_too_soon_gets_through_in_the_end(clock):
    rate_limit = RateLimit(burst=1, rate=1)
    allowed = 0
    for _ in range(100):
        allowed += rate_limit.wait("a") == 0
        clock[0] += 0.1
    assert 10 <= allowed <= 11


def test_few_clients_are_remembered(clock, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 10)
    rate_limit = RateLimit(burst=1, rate=1)
    for number in range(100):
        assert rate_limit.wait(str(number)) == 0
    assert len(rate_limit._buckets) == 10
