"""A body may come slowly, but not for ever, and the server's own slowness counts for nothing."""

import asyncio

import pytest

from dambench_hub.leaderboard.web import pace
from dambench_hub.leaderboard.web.pace import TooSlow, in_pace


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(pace, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(pace, "SLOWEST", 1000)


def received(chunks, between=0.0, work=0.0):
    """Bytes that came of `chunks`, with pauses of the sender and of the receiver."""

    async def stream():
        for chunk in chunks:
            await asyncio.sleep(between)
            yield chunk

    async def receive():
        came = 0
        async for chunk in in_pace(stream()):
            came += len(chunk)
            await asyncio.sleep(work)
        return came

    return asyncio.run(receive())


def test_what_comes_fast_enough_comes_whole():
    assert received([b"x" * 100] * 20, between=0.02) == 2000


@pytest.mark.parametrize("between", [0.02, 5.0], ids=["a byte now and then", "nothing any more"])
def test_what_comes_too_slowly_is_ended(between):
    with pytest.raises(TooSlow):
        received([b"x"] * 100, between=between)


def test_many_bytes_buy_no_long_pause():
    with pytest.raises(TooSlow):
        received([b"x" * 100_000, b"", b"x"], between=0.3)


def test_time_that_the_server_takes_is_not_the_senders():
    assert received([b"x"] * 5, work=0.1) == 5
