"""The pace of calls that a vendor's plan allows."""

from __future__ import annotations

import asyncio
import time
from collections import deque


class Pace:
    """At most `calls` in any `window` seconds, in the order of asking; 0 calls is no limit.

    A sliding log, since a bucket of 5 a minute lets 9 calls into one minute. It is kept in this process.
    """

    def __init__(self, calls: int, window: float = 61.0) -> None:
        self._log: deque[float] = deque(maxlen=calls)
        self._window = window
        self._closed_until = 0.0

    async def turn(self) -> None:
        """Wait until the next call may leave."""
        now = time.monotonic()
        full = bool(self._log) and len(self._log) == self._log.maxlen
        leaves = max(now, self._closed_until, self._log[0] + self._window if full else now)
        self._log.append(leaves)
        if leaves > now:
            await asyncio.sleep(leaves - now)

    def hold(self, seconds: float) -> None:
        """Let no call leave for so long: the vendor asked for it."""
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)
