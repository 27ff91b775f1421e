"""The restrictions: a sandboxed process can compute and use what is open, and nothing else."""

import json
import subprocess
import sys

import pytest

from dambench_hub.predictions.sandbox.restrictions import LAYERS

RESTRICTED = """
import json, os, resource, socket, sys, threading
from dambench_hub.predictions.sandbox.restrictions import restrict, take_descriptors

null = os.open("/dev/null", os.O_RDWR)
take_descriptors([null, null, null])
layers = restrict(1 << 28, 5)

user = os.geteuid() != 0

def succeeds(attempt):
    try:
        return attempt() is not False
    except (OSError, MemoryError, RuntimeError, ImportError, ValueError):
        return False

attempts = {
    "open": lambda: os.open("/dev/null", os.O_RDONLY),
    "list": lambda: os.listdir("."),
    "duplicate": lambda: os.dup(0),
    "pipe": os.pipe,
    "connect": socket.socket,
    "allocate": lambda: bytearray(1 << 29),
    "import": lambda: __import__("wave"),
    "write": lambda: os.write(3, b"x"),
    "small": lambda: bytearray(1 << 27),
    "unlimit": lambda: user and resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99)),
    "fork": lambda: user and os.fork(),
    "thread": lambda: user and threading.Thread(target=int).start(),
    "make": lambda: os.mkdir("/tmp/made") if "landlock" in layers else False,
    "remove": lambda: os.rename(sys.executable, "/tmp/moved") if "landlock" in layers else False,
    "signal": lambda: os.kill(os.getppid(), 0) if "nobody" in layers else False,
}
print(json.dumps([layers, [name for name, attempt in attempts.items() if succeeds(attempt)]]))
"""


@pytest.fixture(scope="module")
def restricted():
    command = [sys.executable, "-I", "-c", RESTRICTED]
    done = subprocess.run(command, capture_output=True, env={}, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_layers_are_named(restricted):
    layers, _ = restricted
    assert {"descriptors", "limits"} <= set(layers) <= set(LAYERS)


def test_only_what_was_open_can_be_used(restricted):
    _, succeeded = restricted
    assert succeeded == ["write", "small"]
