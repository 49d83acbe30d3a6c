"""A token bucket: bursts up to its size, then an even pace."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable


class RateLimiter:
    """Lets `rate` calls leave in `interval` seconds, after a burst of `burst` (left out: `rate`) at once.

    It smooths, it keeps no vendor's quota: a bucket of 5 a minute lets 9 calls into one minute.
    """

    def __init__(
        self,
        name: str,
        rate: float,
        interval: float = 60.0,
        burst: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        size = float(rate if burst is None else burst)
        if not (rate > 0 and interval > 0 and size >= 1):
            raise ValueError(f"Rate limiter {name!r} needs a rate and an interval above 0 and a burst of 1 or more")
        self.name = name
        self.settings = (rate, interval, burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._a_second = rate / interval
        self._size = size
        self._tokens = size
        self._filled_at = clock()

    def allow_request(self) -> bool:
        """Take a token, if there is one."""
        with self._lock:
            self._fill()
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    async def turn(self) -> None:
        """Take a token; where there is none, wait for it behind those who asked before."""
        with self._lock:
            self._fill()
            self._tokens -= 1
            wait = -self._tokens / self._a_second
        if wait > 0:
            await asyncio.sleep(wait)

    def status(self) -> dict[str, object]:
        """Its name, whether a call could leave now, and the tokens left."""
        with self._lock:
            self._fill()
            state = "available" if self._tokens >= 1 else "exhausted"
            rate, interval, _ = self.settings
            tokens = round(max(self._tokens, 0.0), 3)
            return {"name": self.name, "state": state, "tokens": tokens, "rate": rate, "interval": interval}

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._filled_at) * self._a_second)
        self._filled_at = now
