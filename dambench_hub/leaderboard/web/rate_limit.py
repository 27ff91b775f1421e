"""How often one client may ask: some requests at once, and then so many a second."""

from __future__ import annotations

import time
from collections import OrderedDict

REMEMBERED = 10_000
"""Clients of whom the last requests are known; the oldest is forgotten first."""


class RateLimit:
    """A bucket of tokens for each client.

    Args:
        burst: Requests that a client may send at once.
        rate: Requests a second that it may send for ever.
    """

    def __init__(self, burst: float, rate: float) -> None:
        self.burst = burst
        self.rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Count a request; the seconds after which it may be sent, 0 if it may now."""
        now = time.monotonic()
        tokens, then = self._buckets.pop(client, (self.burst, now))
        tokens = min(self.burst, tokens + (now - then) * self.rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - allowed, now)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self.rate
