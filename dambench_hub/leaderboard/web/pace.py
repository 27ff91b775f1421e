"""How slowly the body of a request may come: whoever sends a byte now and then holds no place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

SLOWEST = 1 << 14
"""Bytes a second, on the whole: 0.13 Mbit/s."""
GRACE_SECONDS = 20.0
"""What a slow start, or a pause, may take."""


class TooSlow(Exception):
    """A body that does not come fast enough."""


async def in_pace(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a stream; only the time that they are waited for counts.

    Raises:
        TooSlow: When nothing comes for `GRACE_SECONDS`, or when after that time fewer bytes have
            come than `SLOWEST` asks for.
    """
    loop, waited, came = asyncio.get_running_loop(), 0.0, 0
    while True:
        begin = loop.time()
        patience = GRACE_SECONDS + min(0.0, came / SLOWEST - waited)
        try:
            async with asyncio.timeout(patience):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise TooSlow from error
        waited += loop.time() - begin
        came += len(chunk)
        yield chunk
