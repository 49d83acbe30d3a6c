"""A bulkhead: one slow vendor takes so many calls at a time, and no more of the process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import anyio


class Bulkhead:
    """At most `max_concurrent` calls at a time on an event loop, each at most `timeout` seconds, waiting included."""

    def __init__(self, name: str, max_concurrent: int = 10, timeout: float | None = None) -> None:
        if max_concurrent < 1:
            raise ValueError(f"Bulkhead {name!r} needs room for one call or more")
        self.name = name
        self.settings = (max_concurrent, timeout)
        self._limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, anyio.CapacityLimiter] = WeakKeyDictionary()

    async def execute(self, func: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """What `func`, plain or async, gives once there is a place for it; TimeoutError if that takes too long."""
        timeout = self.settings[1]
        with nullcontext() if timeout is None else anyio.fail_after(timeout):
            limiter = await self._place()
            try:
                result = func(*args, **named)
                return await result if inspect.isawaitable(result) else result
            finally:
                limiter.release()

    def status(self) -> dict[str, object]:
        """Its name, whether there is a place now, and how many calls are under way or wait for one."""
        most = self.settings[0]
        told = [limiter.statistics() for limiter in list(self._limiters.values())]
        return {
            "name": self.name,
            "state": "full" if any(loop.borrowed_tokens >= most for loop in told) else "available",
            "running": sum(loop.borrowed_tokens for loop in told),
            "waiting": sum(loop.tasks_waiting for loop in told),
            "max_concurrent": most,
        }

    async def _place(self) -> anyio.CapacityLimiter:
        """A place, taken, among those of this event loop: a limiter belongs to the one that made it."""
        loop = asyncio.get_running_loop()
        limiter = self._limiters.get(loop)
        if limiter is None:
            limiter = self._limiters[loop] = anyio.CapacityLimiter(self.settings[0])
        try:
            limiter.acquire_nowait()  # where there is room a call need not go round the loop for it: 4 µs, not 43
        except anyio.WouldBlock:
            await limiter.acquire()
        return limiter
