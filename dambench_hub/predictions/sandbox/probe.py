"""A sandboxed process that tries to break out; `parent.self_test` starts it.

It is started like `child`, with an HDF5 file whose variable `analysis` lies in another
file, where every value is 42.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable

import h5py
import numpy as np

from dambench_hub.predictions.sandbox.child import report, warm_up
from dambench_hub.predictions.sandbox.restrictions import UPLOAD, restrict, take_descriptors

SECRET = 42


def main(arguments: list[str]) -> None:
    """Restrict this process, then report the names of all attempts that succeeded."""
    *descriptors, _, memory, cpu_seconds = arguments
    take_descriptors([int(number) for number in descriptors])
    warm_up()
    report(restricted=restrict(int(memory), int(cpu_seconds)))
    attempts: dict[str, Callable[[], bool]] = {
        "open a file": lambda: bool(os.open(__file__, os.O_RDONLY)),
        "create a file": lambda: bool(os.open("made", os.O_CREAT | os.O_WRONLY)),
        "open a socket": lambda: bool(socket.socket()),
        "follow external storage": _follows_external_storage,
        "allocate too much": lambda: bool(np.empty(2 * int(memory), np.uint8).size),
    }
    report(escapes=[name for name, attempt in attempts.items() if _succeeds(attempt)])


def _follows_external_storage() -> bool:
    with os.fdopen(UPLOAD, "rb") as file, h5py.File(file, "r") as root:
        return bool(np.any(root["analysis"][...] == SECRET))


def _succeeds(attempt: Callable[[], bool]) -> bool:
    try:
        return attempt()
    except (OSError, RuntimeError, MemoryError):
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
