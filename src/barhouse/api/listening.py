"""Series that somebody listens to: one look at all of them a second, however many listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import structlog
from fastapi.sse import format_sse_event

from barhouse.api.following import HEARTBEAT, RETRY
from barhouse.errors import DatabaseUnavailable
from barhouse.flow import streaming
from barhouse.flow.streaming import LOOK, PAGE
from barhouse.model import Series
from barhouse.store.changes import Key, Position
from barhouse.store.postgres import Database

log = structlog.get_logger()

HELD = 5_000
"""Changes of one look that are held for all listeners; of more, each reads those of its own."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found: the changes of `keys` after one instant and up to another."""

    after: datetime
    until: datetime
    keys: frozenset[Key]
    changes: list[streaming.Change]


@dataclass(slots=True)
class Listening:
    """The series that are listened to in this process. While any is, one task looks for what is new in them.

    A listener who reads slower than changes come holds nothing here: it reads its own from the database, by the page.
    """

    db: Database
    is_leaving: Callable[[], bool] = lambda: False
    _listeners: list[frozenset[Key]] = field(default_factory=list)
    _until: datetime | None = None
    _look: Look | None = None
    _looking: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _is_left: bool = False

    @property
    def is_looking(self) -> bool:
        """Whether the database is asked again and again."""
        return self._looking is not None and not self._looking.done()

    async def events(self, followed: Mapping[Key, Series], seen: Position | None) -> AsyncGenerator[bytes]:
        """All that changes in these series from now on, or behind what was `seen`; each change once."""
        keys = frozenset(followed)
        with self._listens(keys):
            position = seen or await self._start()
            yield _mark(position, retry=True)
            while not self._is_left:
                changed = self._changed
                found, until = await self._behind(keys, position)
                if until is None:
                    if not await _woken(changed):
                        yield _mark(position)
                    continue
                position = Position(position.after, until) if position.is_whole else position
                for change in found:
                    position = position.behind(change)
                    yield _event(change, followed[change["instrument"], change["timeframe"]], position)
                if len(found) < PAGE:
                    position = Position(until, until)

    async def _start(self) -> Position:
        """The position of now, once somebody can say it."""
        while True:
            now = await asyncio.to_thread(streaming.now, self.db)
            if now is not None:
                return Position(now, now)
            await asyncio.sleep(LOOK)

    async def _behind(self, keys: frozenset[Key], position: Position) -> tuple[list[streaming.Change], datetime | None]:
        """The next changes behind a position and up to when they reach; None: nothing is known beyond it."""
        look = self._look
        if position.is_whole:
            if self._until is None or self._until <= position.after:
                return [], None
            if look and look.after <= position.after and look.until == self._until and keys <= look.keys:
                return _shared(look, keys, position), look.until
        until = self._until if position.is_whole else position.until
        assert until is not None  # noqa: S101
        asked = Position(position.after, until) if position.is_whole else position
        return await asyncio.to_thread(streaming.news, self.db, keys, asked, PAGE), until

    @contextmanager
    def _listens(self, keys: frozenset[Key]) -> Iterator[None]:
        """With the first one who listens the looking begins, and with the last one it ends."""
        self._listeners.append(keys)
        if not self.is_looking:
            self._looking = asyncio.create_task(self._look_again())
        try:
            yield
        finally:
            self._listeners.remove(keys)
            if not self._listeners and self._looking:
                self._looking.cancel()
                self._looking = self._look = self._until = None

    async def _look_again(self) -> None:
        while True:
            if self.is_leaving():
                self._is_left = True
                self._changed.set()
                return
            try:
                await self._once(frozenset[Key]().union(*self._listeners))
            except DatabaseUnavailable as error:
                log.warning("changes_not_seen", error=str(error))
            await asyncio.sleep(LOOK)

    async def _once(self, keys: frozenset[Key]) -> None:
        """Look for what is new in these series, and wake all who listen if there is anything."""
        now = await asyncio.to_thread(streaming.now, self.db)
        if now is None or (self._until and now <= self._until):
            return
        since = self._until or now
        found = await asyncio.to_thread(streaming.news, self.db, keys, Position(since, now), HELD + 1)
        if found or self._until is None:
            self._look = Look(since, now, keys, found) if len(found) <= HELD else None
            self._until = now
            self._changed.set()
            self._changed = asyncio.Event()


def _shared(look: Look, keys: frozenset[Key], position: Position) -> list[streaming.Change]:
    """What a look found that is new to a listener."""
    return [
        change
        for change in look.changes
        if change["at"] > position.after and (change["instrument"], change["timeframe"]) in keys
    ]


async def _woken(changed: asyncio.Event) -> bool:
    """Whether something changed before it was time for a sign of life."""
    try:
        async with asyncio.timeout(HEARTBEAT):
            await changed.wait()
    except TimeoutError:
        return False
    return True


def _mark(position: Position, *, retry: bool = False) -> bytes:
    """A sign of life that moves what the client will say it has seen; no event comes of it."""
    return format_sse_event(comment="alive", id=str(position), retry=RETRY if retry else None)


def _event(change: streaming.Change, series: Series, position: Position) -> bytes:
    data: dict[str, Any] = streaming.told(change, series)
    text = orjson.dumps(data, option=orjson.OPT_UTC_Z).decode()
    return format_sse_event(data_str=text, event=streaming.KINDS[change["kind"]], id=str(position))
