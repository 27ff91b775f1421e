"""How a process gives up everything that reading one open file does not need.

No root, container or seccomp is asked for. What the system offers beyond the limits of POSIX is
used where it is there, and `restrict` says what is on.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

UPLOAD, VALUES, REPORT = 3, 4, 5
"""The only descriptors in a sandbox, beside the standard ones: one to read, two to write."""
STACK_BYTES = 8 << 20
NOBODY = 65534
LAYERS = ("descriptors", "limits", "landlock", "nobody")

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
LANDLOCK_VERSION = 1
PATH_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights on paths a version of Landlock knows; from version 5 on there are 16."""


def take_descriptors(numbers: Sequence[int]) -> None:
    """Put the descriptors at `UPLOAD`, `VALUES` and `REPORT`, and close all others."""
    apart = [fcntl.fcntl(number, fcntl.F_DUPFD, 16) for number in numbers]
    for place, number in zip((UPLOAD, VALUES, REPORT), apart, strict=True):
        os.dup2(number, place)
    os.closerange(REPORT + 1, os.sysconf("SC_OPEN_MAX"))


def restrict(memory: int, cpu_seconds: int) -> tuple[str, ...]:
    """Allow nothing from now on but to compute, and to use the descriptors that are open.

    Call `take_descriptors` first, and import and use once whatever will be needed: no file can be
    opened afterwards, not even a module.

    Args:
        memory: Bytes of address space beyond what is mapped now.
        cpu_seconds: After these the process is killed.

    Returns:
        Those of `LAYERS` that are on.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    nobody, landlock = _become_nobody(), _deny_paths()
    # Every number below the limit is taken, so no system call can give out a new descriptor.
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + memory,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_STACK: STACK_BYTES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: REPORT + 1,
    }
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))
    on = (True, True, landlock, nobody)
    return tuple(layer for layer, there in zip(LAYERS, on, strict=True) if there)


def hide_process() -> None:
    """Keep this process's memory, environment and open files from others of the same user.

    Its memory is no longer written to a file when it crashes, either.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _become_nobody() -> bool:
    """Leave root, on which some limits have no effect."""
    if os.geteuid() != 0:
        return False
    with suppress(OSError):  # the user may be unknown in a container
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        return True
    return False


def _deny_paths() -> bool:
    """Deny all use of paths, of TCP ports and of other processes, where there is Landlock."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    create = ctypes.c_long(LANDLOCK_CREATE_RULESET)
    version = libc.syscall(create, None, ctypes.c_size_t(0), ctypes.c_uint32(LANDLOCK_VERSION))
    if version < 1:
        return False
    paths = (1 << PATH_RIGHTS.get(version, 16)) - 1
    ports, scopes = (0b11 if version >= 4 else 0), (0b11 if version >= 6 else 0)
    rights = (ctypes.c_uint64 * 3)(paths, ports, scopes)
    known = ctypes.c_size_t(24 if scopes else 16 if ports else 8)
    rules = libc.syscall(create, ctypes.byref(rights), known, ctypes.c_uint32(0))
    restricted = libc.syscall(
        ctypes.c_long(LANDLOCK_RESTRICT_SELF), ctypes.c_int(rules), ctypes.c_uint32(0)
    )
    with suppress(OSError):
        os.close(rules)
    return bool(restricted == 0)
