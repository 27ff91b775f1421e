"""Exit codes of commands, and what they do on errors, on Ctrl-C and on SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from dambench_hub.errors import DambenchError
from dambench_hub.runtime.plain_text import print_any_text


@contextmanager
def terminable() -> Iterator[None]:
    """In this block SIGTERM, as from a queueing system, does what Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(work: Callable[[], None]) -> int:
    """Do the work; what goes wrong becomes a message without a traceback.

    A request to end (Ctrl-C, or SIGTERM as from a queueing system) stops the work where it is, and
    so does a reader of the output that has seen enough (`| head`).

    Returns:
        0 when it is done, 1 when the input is wrong or the work was interrupted.
    """
    print_any_text()
    try:
        with terminable():
            work()
            sys.stdout.flush()
    except DambenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Run the same command again to go on.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # What is still to be written must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


class StopRequests:
    """A block in which the first SIGTERM or Ctrl-C only sets `received`; the next acts as usual."""

    def __init__(self) -> None:
        self.received = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        self._restore()

    def _restore(self) -> None:
        while self.before:
            signal.signal(*self.before.popitem())
