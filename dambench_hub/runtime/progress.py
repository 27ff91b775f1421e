"""Progress of long work: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 10.0


def track(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Yield the items and show on stderr how many of `total` are done.

    A terminal gets a bar. Elsewhere (log files, CI) there is a line when it starts to take long,
    at most one every ten seconds, and one at the end.
    """
    from rich.console import Console
    from rich.progress import track as rich_track

    console = Console(stderr=True)
    if console.is_terminal:
        yield from rich_track(items, description, total=total, console=console)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last > SECONDS_BETWEEN_LINES and done < total:
            left = (now - start) / done * (total - done)
            print(f"{description}: {done}/{total}, {left:.0f} s left", file=sys.stderr, flush=True)
            last = now
    seconds = time.monotonic() - start
    print(f"{description}: {total}/{total} in {seconds:.1f} s", file=sys.stderr, flush=True)
