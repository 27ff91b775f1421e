"""Half a request holds a connection for a while, and nobody else up."""

import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dambench_hub.leaderboard.web import connections
from dambench_hub.leaderboard.web.connections import HEAD_BYTES, GuardedConnection

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def answer(request):
    return PlainTextResponse("here")


@pytest.fixture(scope="module")
def address():
    """Where a server listens that has the connections of the board's."""
    app = Starlette(routes=[Route("/", answer)])
    config = uvicorn.Config(
        app,
        port=0,
        http=GuardedConnection,
        h11_max_incomplete_event_size=HEAD_BYTES,
        log_level="critical",
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join()


@contextmanager
def half_open(address, sent=HEAD):
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent)
        yield connection


def ended(connection):
    """Whether the other end has closed, with or without a word."""
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_a_head_that_does_not_come_in_time_ends_its_connection(address, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with half_open(address, b"") as silent, half_open(address) as half:
        assert ended(silent) and ended(half)
    with half_open(address, HEAD + b"\r\n") as whole:
        assert whole.recv(1000).endswith(b"here")
        whole.sendall(HEAD)  # and the next request of the same connection
        assert ended(whole)


def test_a_byte_now_and_then_wins_no_time(address, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with half_open(address) as connection, pytest.raises(OSError):  # noqa: PT011
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.02)


def test_a_head_has_a_size(address):
    with half_open(address) as connection, pytest.raises(OSError):  # noqa: PT011
        for _ in range(1000):
            connection.sendall(b"X-Long: " + b"x" * HEAD_BYTES)
    with half_open(address, HEAD + b"X-Long: " + b"x" * (HEAD_BYTES - 100) + b"\r\n\r\n") as one:
        assert one.recv(1000).startswith(b"HTTP/1.1 200")


def test_half_requests_give_way_to_whole_ones(address, monkeypatch):
    monkeypatch.setattr(connections, "CONNECTIONS", 5)
    with ExitStack() as stack:
        half = [stack.enter_context(half_open(address)) for _ in range(30)]
        with half_open(address, HEAD + b"\r\n") as whole:
            assert whole.recv(1000).endswith(b"here")
        assert ended(half[0])
