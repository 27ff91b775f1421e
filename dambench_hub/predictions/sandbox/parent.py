"""Reading a stranger's prediction file in a process that can do nothing else.

    this process                              sandboxed process, `child`
    open_sandboxed(path)  ── open file ──▶    parses, checks and inflates it
    .header               ◀── report ───      lines of JSON, 64 KiB in all
    iteration             ◀── values ───      float32, little endian; analysis and std, by time

Nothing that comes back is believed: the header is checked again as any file's, the number of bytes
and the exit status must be right. Whatever becomes of the child, the file is one that could not be
read. `restrict` says what the child gives up before it looks at the file.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np

from dambench_hub.errors import IsolationError, PredictionError
from dambench_hub.predictions.header import Header, list_of
from dambench_hub.predictions.reader import Block, Prediction, Rows, container_of, naming
from dambench_hub.predictions.sandbox.child import MAX_LENGTH, MAX_PROBLEMS
from dambench_hub.predictions.sandbox.probe import SECRET
from dambench_hub.predictions.sandbox.restrictions import LAYERS

READER = ("-m", "dambench_hub.predictions.sandbox.child")
PROBE = ("-m", "dambench_hub.predictions.sandbox.probe")
ENVIRONMENT = {
    "HDF5_PLUGIN_PRELOAD": "::",  # no filters from libraries
    "HDF5_USE_FILE_LOCKING": "FALSE",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Freed memory is kept: to get it again for every time costs as much as to inflate the values.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
"""All that the child's environment holds."""
START_SECONDS = 60
PIPE_BYTES = 1 << 20
REPORT_BYTES = 64 << 10
UNREADABLE = (
    "the file could not be read: it is damaged, or made as no usual program makes it. "
    "Write it with write_predictions or xarray's to_netcdf."
)


@dataclass(frozen=True)
class ReadingLimits:
    """What reading one file may cost.

    Attributes:
        memory: Bytes, beyond what the libraries take.
        cpu_seconds: Of the child, for a small file.
        wait_seconds: How long this process waits for the child in all, for a small file; its own
            work between two times does not count.
        cpu_rate: Bytes of the file for which the child gets one second more.
        wait_rate: Likewise, for waiting.
    """

    memory: int = 2 << 30
    cpu_seconds: int = 60
    wait_seconds: int = 120
    cpu_rate: int = 32 << 20
    wait_rate: int = 8 << 20


def open_sandboxed(path: str | Path, limits: ReadingLimits = ReadingLimits()) -> Prediction:
    """Open a prediction file as `open_prediction` does, but parse it in a sandboxed process.

    The values can be read once, in order; memory does not depend on the size of the file.

    Raises:
        PredictionError: As `open_prediction`, or when the child crashes, hangs or needs too much.
        IsolationError: When no sandboxed process can be started.
        OSError: When there is no such file.
    """
    path = Path(path)
    with ExitStack() as stack:
        child = stack.enter_context(_running(READER, path, container_of(path), limits))
        with naming(path):
            header = child.header()
        return Prediction(header, _in_order(child, header), stack.pop_all())


def self_test() -> tuple[str, ...]:
    """Try to break out of the sandbox, with a file that points at another one.

    Returns:
        The layers of the sandbox that are on, see `restrictions.LAYERS`.

    Raises:
        IsolationError: When the sandbox does not hold here; then no upload must be read.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        secret, path = Path(folder, "secret"), Path(folder, "probe.nc")
        secret.write_bytes(bytes([SECRET]) * 100)
        with h5py.File(path, "w") as root:
            outside = [(str(secret), 0, 100)]
            root.create_dataset("analysis", (100,), "u1", external=outside)
        child = stack.enter_context(_running(PROBE, path, "NetCDF-4", ReadingLimits()))
        try:
            escapes = child.message("escapes")
        except PredictionError as error:
            raise IsolationError(_no_isolation("the attempt to test it failed")) from error
        if escapes:
            raise IsolationError(_no_isolation(f"a sandboxed process can {', '.join(escapes)}"))
        return child.layers


def _no_isolation(reason: str) -> str:
    return (
        f"Files of strangers cannot be read safely here: {reason}. "
        "Uploads are refused; run the leaderboard on Linux."
    )


class _Child:
    """A sandboxed process, and the two pipes it writes to."""

    def __init__(
        self, process: subprocess.Popen[bytes], values: int, report: int, wait: float
    ) -> None:
        self.process = process
        self.values = values
        self.report = report
        self.wait: float = START_SECONDS
        """Seconds that may still be spent on waiting."""
        self.reported = b""
        self.room = REPORT_BYTES
        self.report_ended = False
        try:
            restricted = self.message("restricted")
            self.layers = tuple(layer for layer in LAYERS if layer in restricted)
        except PredictionError as error:
            raise IsolationError(_no_isolation("no sandboxed process can be started")) from error
        self.wait = wait

    def header(self) -> Header:
        """The header of the file, checked like that of a file."""
        try:
            return Header.from_dict(self.message("header"))
        except ValueError as error:
            raise PredictionError(UNREADABLE) from error

    def message(self, kind: str) -> Any:
        """What the next line of the report says about `kind`; problems are raised."""
        while b"\n" not in self.reported and not self.report_ended:
            self._await(self.report)
        line, _, self.reported = self.reported.partition(b"\n")
        try:
            message = json.loads(line)
            if kind in message:
                return message[kind]
            problems = list_of(message["problems"], str)
            right = all(len(text) <= MAX_LENGTH and text.isprintable() for text in problems)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise PredictionError(UNREADABLE) from error
        if not right or not 1 <= len(problems) <= MAX_PROBLEMS:
            raise PredictionError(UNREADABLE)
        raise PredictionError("\n".join(problems))

    def read(self, target: memoryview) -> int:
        """Fill the target with values; returns how many bytes came before the values ended."""
        done = 0
        while done < len(target):
            self._await(self.values)
            count = os.readv(self.values, [target[done:]])
            if count == 0:
                break
            done += count
        return done

    def refuse(self) -> NoReturn:
        """Raise what keeps the values from being read."""
        self.message("values")
        raise PredictionError(UNREADABLE)

    def finish(self) -> None:
        """Make sure that nothing is left to say, and that the child ended well."""
        if self.read(memoryview(bytearray(1))):
            raise PredictionError(UNREADABLE)
        while not self.report_ended:
            self._await(self.report)
        if self.reported or not self._ended_well():
            raise PredictionError(UNREADABLE)

    def _ended_well(self) -> bool:
        """Wait for the end of the child; its number stays its own, so its group can be killed."""
        how = os.WEXITED | os.WNOWAIT | os.WNOHANG
        while (end := os.waitid(os.P_PID, self.process.pid, how)) is None:
            if self.wait <= 0:
                return False
            time.sleep(0.001)
            self.wait -= 0.001
        return end.si_code == os.CLD_EXITED and end.si_status == 0

    def _await(self, wanted: int) -> None:
        """Wait until `wanted` can be read; what is reported meanwhile is taken."""
        ready: list[int] = []
        while wanted not in ready:
            poller = select.poll()
            poller.register(wanted, select.POLLIN)
            if not self.report_ended:
                poller.register(self.report, select.POLLIN)
            started = time.monotonic()
            ready = [descriptor for descriptor, _ in poller.poll(max(self.wait, 0) * 1000)]
            self.wait -= time.monotonic() - started
            if not ready:
                raise PredictionError(UNREADABLE)
            if self.report in ready:
                self._take_report()

    def _take_report(self) -> None:
        piece = os.read(self.report, REPORT_BYTES)
        self.reported += piece
        self.report_ended = not piece
        self.room -= len(piece)
        if self.room < 0:
            raise PredictionError(UNREADABLE)


def _in_order(child: _Child, header: Header) -> Rows:
    """Takes analysis and std of one time after the other from the child."""
    position = 0
    shapes = [header.shape] if header.std is None else [header.shape, header.std.shape]

    def rows(index: int) -> Block:
        nonlocal position
        if index != position:
            raise ValueError(f"The file is read in order: time {position} is next, not {index}.")
        analysis, *std = fields = [np.empty((1, *shape[1:]), "<f4") for shape in shapes]
        if any(child.read(field.data.cast("B")) < field.nbytes for field in fields):
            child.refuse()
        position += 1
        if position == header.shape[0]:
            child.finish()
        return index, analysis, std[0] if std else None

    return rows


@contextmanager
def _running(
    target: tuple[str, ...], path: Path, container: str, limits: ReadingLimits
) -> Iterator[_Child]:
    """Start a child on a file; whatever happens, its whole group is killed in the end."""
    with ExitStack() as ours:
        folder = ours.enter_context(tempfile.TemporaryDirectory())
        with ExitStack() as theirs:  # closed here as soon as the child has them
            upload = theirs.enter_context(path.open("rb"))
            values, report = (_pipe(ours, theirs) for _ in range(2))
            with suppress(OSError, AttributeError):  # a limit of the system, or not Linux
                fcntl.fcntl(values[0], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            descriptors = (upload.fileno(), values[1], report[1])
            size = os.fstat(upload.fileno()).st_size
            cpu_seconds = limits.cpu_seconds + size // limits.cpu_rate
            arguments = map(str, (*descriptors, container, limits.memory, cpu_seconds))
            try:
                process = subprocess.Popen(
                    [sys.executable, "-I", *target, *arguments],
                    env=ENVIRONMENT,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=descriptors,
                    start_new_session=True,
                )
            except OSError as error:
                raise IsolationError(_no_isolation("no process can be started")) from error
        ours.callback(_end, process)
        wait = limits.wait_seconds + size / limits.wait_rate
        yield _Child(process, values[0], report[0], wait)


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    return read, write


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
