"""How many series are fetched at the same time, and how far apart they start."""

from __future__ import annotations

import asyncio

import anyio

from barhouse.config import Settings


class Starts:
    """Lets `most` series be fetched at the same time, whose starts lie `apart` seconds from each other.

    Enter it for a series. Both may be changed while series wait, from any thread, and hold from the next start on.
    """

    def __init__(self, most: int, apart: float = 0.0) -> None:
        self.apart = apart
        self._most = most
        self._limiter: anyio.CapacityLimiter | None = None
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = 0.0

    @property
    def most(self) -> int:
        """How many there may be at once."""
        return self._most

    @most.setter
    def most(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"{most} series at once are none")
        self._most = most
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._adapt)

    async def exceed(self, most: int) -> None:
        """Wait until more than so many may be fetched at once."""
        self._limit()
        while self._most <= most:
            self._changed.clear()
            await self._changed.wait()

    async def __aenter__(self) -> None:
        await self._limit().acquire()
        try:
            await self._turn()
        except BaseException:
            self._limit().release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._limit().release()

    async def _turn(self) -> None:
        now = anyio.current_time()
        turn = max(now, self._next)
        self._next = turn + self.apart
        await anyio.sleep(turn - now)

    def _limit(self) -> anyio.CapacityLimiter:
        """The places in this event loop: those of another one are gone with it."""
        loop = asyncio.get_running_loop()
        if self._limiter is None or self._loop is not loop:
            self._limiter, self._loop, self._next = anyio.CapacityLimiter(self._most), loop, 0.0
            self._changed = asyncio.Event()
        return self._limiter

    def _adapt(self) -> None:
        self._limit().total_tokens = self._most
        self._changed.set()


def at_once(settings: Settings) -> int:
    """How many series a process fetches at the same time, by its settings."""
    return settings.max_concurrent_symbols if settings.parallel_backfill else 1


AtOnce = int | Starts
"""How many series are fetched at the same time; starts are shared with other backfills."""
