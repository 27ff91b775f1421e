"""The scorer beside a server on one machine: a process of its own, started again if it dies."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event, Lock, Thread

log = logging.getLogger(__name__)

RESTART_SECONDS = 2.0
STOP_SECONDS = 10.0
PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE")
"""All that the scorer gets of the server's environment, which may hold secrets."""


class ScorerProcess(AbstractContextManager["ScorerProcess"]):
    """Inside, the scorer runs.

    Args:
        script: `leaderboard_app/scorer.py`.
        settings: `DAMBENCH_DATA`, `DAMBENCH_STORE` and `DAMBENCH_FOLDER`. They are passed in the
            environment, because anybody on the machine can read arguments.
    """

    def __init__(self, script: Path, settings: Mapping[str, str]) -> None:
        parent = str(os.getpid())
        self.command = [sys.executable, str(script.absolute()), "--parent", parent]
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.environment = {**passed, **settings}
        self._lock = Lock()
        self._stopped = Event()
        self._thread = Thread(target=self._keep, name="scorer", daemon=True)

    @property
    def pid(self) -> int:
        """Number of the process that runs now."""
        return self._process.pid

    def __enter__(self) -> ScorerProcess:
        self._process = self._start()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._stopped.set()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._thread.join()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command, env=self.environment, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def _keep(self) -> None:
        while True:
            code = self._process.wait()
            if self._stopped.wait(RESTART_SECONDS):
                return
            log.error("The scorer ended with exit code %d and is started again.", code)
            with self._lock:
                if self._stopped.is_set():
                    return
                self._process = self._start()
