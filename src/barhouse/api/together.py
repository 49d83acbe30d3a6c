"""Questions of many callers, put to the database together, so that its load does not grow with theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from barhouse.errors import DatabaseUnavailable

PATIENCE = 3.0
"""Seconds that the database has for an answer."""

T = TypeVar("T")


class Together(Generic[T]):
    """One question at a time; what comes up in the meantime goes into the next one."""

    def __init__(self, ask: Callable[[set[T]], Awaitable[None]]) -> None:
        self._ask = ask
        self._one = asyncio.Lock()
        self._waiting: set[T] = set()
        self._next: asyncio.Task[None] | None = None

    async def asked(self, items: Iterable[T]) -> None:
        """Ask about these, beginning after now; DatabaseUnavailable (503) where there is no answer."""
        self._waiting.update(items)
        if self._next is None:
            self._next = asyncio.create_task(self._round())
            self._next.add_done_callback(_seen)
        await asyncio.shield(self._next)

    async def _round(self) -> None:
        async with self._one:
            items, self._waiting, self._next = self._waiting, set(), None
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._ask(items)
            except TimeoutError:
                raise DatabaseUnavailable(f"PostgreSQL did not answer in {PATIENCE:g} s") from None


def _seen(task: asyncio.Task[None]) -> None:
    """An error is told to those who wait; where nobody does any more it is no news."""
    if not task.cancelled():
        task.exception()
