"""A thread that loads the next items while the current one is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetched(items: Iterator[T], ahead: int) -> Iterator[T]:
    """The same items, loaded by a thread up to `ahead` items in advance; no item may be None."""
    with ThreadPoolExecutor(1, "prefetch") as thread:
        coming = deque(thread.submit(next, items, None) for _ in range(ahead))
        try:
            while (item := coming.popleft().result()) is not None:
                coming.append(thread.submit(next, items, None))
                yield item
        finally:
            for future in coming:
                future.cancel()
