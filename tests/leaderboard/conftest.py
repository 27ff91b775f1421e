"""The real server, as a process of its own, with cookies of people whom a Space has signed in."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

import pytest
from itsdangerous import TimestampSigner

APP = Path(__file__).parents[2] / "leaderboard_app" / "app.py"
SECRET = "a secret of the Space, planted"
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "org/board",
    "SPACE_HOST": "board.hf.space",
    "OAUTH_CLIENT_ID": "planted-client",
    "OAUTH_CLIENT_SECRET": SECRET,
    "OAUTH_SCOPES": "openid profile",
    "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
    "HF_TOKEN": "hf_planted",
}
START_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(folder, data, *options, environment=None):
    """The server's address, while it runs; its log is in `folder/log`."""
    port = free_port()
    command = [sys.executable, str(APP), "--port", str(port), "--host", "127.0.0.1"]
    command += ["--data", str(data), "--store", f"sqlite:///{folder}/store.db"]
    command += ["--folder", str(folder / "site"), *options]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("HF_TO")}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, env=variables | (environment or {}), stdout=log, stderr=log, cwd=folder
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: _answers(port, process, folder))
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port, process, folder):
    if process.poll() is not None:
        pytest.fail(f"the server ended: {(folder / 'log').read_text()}")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def wait_for(condition, seconds=START_SECONDS):
    """Ask until there is an answer that is true; it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.1)
    return pytest.fail("waited in vain")


def cookie(sub, name, secret=SECRET, seconds=3600):
    """The header of a session as Gradio signs it after Hugging Face's sign-in."""
    userinfo = {"sub": sub, "preferred_username": name, "name": name}
    session = {"oauth_info": {"userinfo": userinfo, "expires_at": time.time() + seconds}}
    key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
    signed = TimestampSigner(key).sign(b64encode(json.dumps(session).encode())).decode()
    return {"cookie": f"session={signed}"}


@pytest.fixture(scope="module")
def space(tmp_path_factory, tiny_folder):
    """The front of a Space without a scorer, as (address, folder)."""
    folder = tmp_path_factory.mktemp("space")
    with served(folder, tiny_folder, "--role", "front", environment=SPACE) as address:
        yield address, folder


@pytest.fixture(scope="session")
def signed_in():
    """`signed_in(sub, name)` is the header of a request from somebody who has signed in."""
    return cookie


@pytest.fixture(scope="session")
def start():
    """`with start(folder, data, *options) as address` runs a server; see `served`."""
    return served


@pytest.fixture(scope="session")
def own_board(tmp_path_factory, tiny_folder):
    """The address of a developer's board on their own machine, with its scorer."""
    folder = tmp_path_factory.mktemp("own")
    with served(folder, tiny_folder, "--dev-user", "ada") as address:
        yield address
