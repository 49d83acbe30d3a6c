"""Jobs that somebody follows: all are looked at together, however many listen, and what changes is told to each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2s

import orjson
import structlog
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from barhouse.errors import DatabaseUnavailable
from barhouse.flow import jobs
from barhouse.flow.jobs import Job
from barhouse.store.postgres import Database

log = structlog.get_logger()

LOOK = 0.5
"""Seconds between two looks at the jobs that are followed."""

HEARTBEAT = 15.0
"""Seconds of silence after which a comment shows that the stream lives."""

RETRY = 2000
"""Milliseconds after which a client that lost the stream comes back."""

ALIVE = format_sse_event(comment="alive")


@dataclass(frozen=True, slots=True)
class Event:
    """How a job stands, as it is sent; the same standing has the same `id`, whichever process tells it."""

    id: str
    sent: bytes
    is_last: bool


def event(job: Job) -> Event:
    """How a job stands, as an event: `progress`, or `end` when it is through."""
    standing = {name: value for name, value in job.items() if name not in ("eta_seconds", "tasks")}
    number = blake2s(orjson.dumps(standing), digest_size=8).hexdigest()
    is_last = job["status"] in ("completed", "failed")
    data = orjson.dumps(standing | {"eta_seconds": job["eta_seconds"]}, option=orjson.OPT_UTC_Z).decode()
    name = "end" if is_last else "progress"
    return Event(number, format_sse_event(data_str=data, event=name, id=number, retry=RETRY), is_last)


@dataclass(slots=True)
class Place:
    """A job that is followed: what is known of it, and who has to be woken when that changes."""

    event: Event
    listeners: int = 0
    is_left: bool = False
    """Whether nothing more will be told of it here."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, news: Event) -> None:
        """Wake all who listen, if that is news."""
        if news.id != self.event.id:
            self.event = news
            self.wake()

    def leave(self) -> None:
        """Let all who listen end."""
        self.is_left = True
        self.wake()

    def wake(self) -> None:
        """Let those go on who wait for a change."""
        self.changed.set()
        self.changed = asyncio.Event()


class Following:
    """The jobs that are followed in this process. While any is, one task looks at all of them with one question."""

    def __init__(self, db: Database, is_leaving: Callable[[], bool] = lambda: False) -> None:
        self._db = db
        self._is_leaving = is_leaving
        self._places: dict[str, Place] = {}
        self._looking: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many listen just now."""
        return sum(place.listeners for place in self._places.values())

    @property
    def is_looking(self) -> bool:
        """Whether the database is asked again and again."""
        return self._looking is not None and not self._looking.done()

    async def events(self, job: Job, seen: str | None) -> AsyncGenerator[bytes]:
        """How a job stands, whenever that is other than what was `seen` last, until it is through."""
        with self._listening(job) as place:
            while not place.is_left:
                changed, news = place.changed, place.event
                if news.id != seen:
                    seen = news.id
                    yield news.sent
                    continue
                if news.is_last:
                    return
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await changed.wait()
                except TimeoutError:
                    yield ALIVE

    @contextmanager
    def _listening(self, job: Job) -> Iterator[Place]:
        """The place of a job; with the last one who listens it goes, and with the last place the looking ends."""
        place = self._places.setdefault(job["job_id"], Place(event(job)))
        place.listeners += 1
        if not self.is_looking:
            self._looking = asyncio.create_task(self._look())
        try:
            yield place
        finally:
            place.listeners -= 1
            if not place.listeners:
                self._places.pop(job["job_id"], None)
            if not self._places and self._looking:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if self._is_leaving():
                self._leave()
                return
            try:
                found = await asyncio.to_thread(jobs.standings, self._db, list(self._places))
            except DatabaseUnavailable as error:
                log.warning("jobs_not_seen", error=str(error))
                continue
            for number, place in list(self._places.items()):
                if number in found:
                    place.tell(event(found[number]))
                else:
                    place.leave()

    def _leave(self) -> None:
        for place in self._places.values():
            place.leave()


class Events(EventSourceResponse):
    """A stream of events whose source is let go at once when the client goes away."""

    def __init__(self, content: AsyncGenerator[bytes]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._source = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until there are no more, or nobody listens."""
        async with aclosing(self._source):
            await super().__call__(scope, receive, send)
