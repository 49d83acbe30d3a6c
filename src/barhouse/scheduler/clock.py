"""The clock: fires schedules when their time has come, in one of all the processes that run it.

It asks for work, and does none: jobs are the workers'. What the leader does itself is watching over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from threading import Event, Thread
from time import monotonic

import structlog

from barhouse.alerts import Channel, channels
from barhouse.config import Settings
from barhouse.errors import BarhouseError, MigrationError
from barhouse.flow.alerting import deliver
from barhouse.flow.scheduling import Timetable, fire
from barhouse.flow.starts import at_once
from barhouse.flow.warehouse import require_known
from barhouse.scheduler.errands import errand
from barhouse.scheduler.leader import Candidate
from barhouse.store import health, schedules
from barhouse.store.executions import OWNER
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name

log = structlog.get_logger()

LOOK = 1.0
"""Seconds between two looks at the time, by who leads, or whether nobody does, by the others."""

TELLING = 30.0
"""Seconds between two looks for messages that wait to be sent."""

SCHEMA, OUTDATED = 5.0, 60.0
"""Seconds between two looks whether the schema still is the one we know, and before another one where it is not."""


@contextmanager
def ticking(db: Database, settings: Settings, table: Timetable, *, owner: str = OWNER) -> Iterator[Clock]:
    """Fire schedules beside what is done, if no other process on this database does so; else when that one ends.

    SettingsError for people who could not be told of what is wrong.
    """
    clock = Clock(db, settings, table, owner=owner)
    thread = Thread(target=clock.run, name="clock", daemon=True)
    thread.start()
    try:
        yield clock
    finally:
        clock.over.set()
        thread.join()


class Clock:
    """A clock of this process; it ends when `over` is set."""

    def __init__(self, db: Database, settings: Settings, table: Timetable, *, owner: str = OWNER) -> None:
        self.over = Event()
        self.candidate = Candidate(db.url, owner, table.told(), {"max_concurrent_symbols": at_once(settings)})
        self._db = db
        self._settings = settings
        self._table = table
        self._owner = owner
        self._told: Sequence[Channel] = channels(
            settings.alert_urls, settings.alert_secret, private_networks=settings.alert_private_networks
        )
        self._under_way: dict[str, Future[None]] = {}
        self._next_telling = monotonic()
        self._next_agreement = monotonic()
        self._is_arranged = False
        self._is_caught_up = False

    def run(self) -> None:
        """Look at the time until it is over."""
        log.info("enrichment_scheduler_started", owner=self._owner, **self._table.told())
        with ThreadPoolExecutor(4, thread_name_prefix="schedule") as pool:
            while not self.over.is_set():
                self.over.wait(self._look(pool))
            self.candidate.end()

    def _look(self, pool: ThreadPoolExecutor) -> float:
        """Fire what is due, if this process leads; the seconds until it looks again."""
        try:
            if now := self._led():
                self._beside(pool, "firing", partial(self._fire, pool, now))
        except MigrationError as error:
            log.error("scheduler_outdated", error=str(error))
            self.candidate.end()  # so that one that knows the schema leads
            return OUTDATED
        except BarhouseError as error:
            log.warning("scheduler_without_database", error=str(error))
            return LOOK
        if self._told and monotonic() >= self._next_telling:
            self._next_telling = monotonic() + TELLING
            self._beside(pool, "telling", self._tell)
        return LOOK

    def _led(self) -> datetime | None:
        """The time, if this process leads: then its settings are those that count."""
        self._agree()
        led = self.candidate.leads
        now = self.candidate.look()
        self._is_arranged = self._is_arranged and led
        if now and not self._is_arranged:
            with self._db.transaction() as connection:
                schedules.arrange(connection, self._table.arranged(now), self._table.classes, now)
            self._is_arranged = True
        return now

    def _agree(self) -> None:
        """See to it that we know the schema that we fire schedules on; MigrationError once a newer Barhouse came."""
        if monotonic() >= self._next_agreement:
            require_known(self._db)
            self._next_agreement = monotonic() + SCHEMA

    def _beside(self, pool: ThreadPoolExecutor, name: str, work: Callable[[], None]) -> None:
        """Do something beside the looks, which are the signs of life, unless it is still being done."""
        before = self._under_way.get(name)
        if before is None or before.done():
            self._under_way[name] = pool.submit(self._guarded, name, work)

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        """What goes wrong is told, and done again at the next look: the clock has to go on."""
        try:
            work()
        except Exception as error:
            log.exception("enrichment_error", at=name, error=f"{type(error).__name__}: {error}")

    def _fire(self, pool: ThreadPoolExecutor, now: datetime) -> None:
        if not self._is_caught_up:
            self._is_caught_up = self._look_around()
        with self._db.connection() as connection:
            due = schedules.due(connection, now)
        for each in due:
            fire(self._db, self._table, each, now, by=self._owner)
        with self._db.connection() as connection:
            left = schedules.left_open(connection)
        for name in left:
            self._beside(pool, name, partial(self._run, name))

    def _look_around(self) -> bool:
        """When what the warehouse missed is brought, see how it is; before, what is late is about to come."""
        with self._db.connection() as connection:
            if health.is_busy(connection):
                return False
            schedules.look(connection)
            return True

    def _run(self, name: Name) -> None:
        result = errand(self._db, self._settings, name, datetime.now(UTC))
        with self._db.connection() as connection:
            schedules.close(connection, name, result)
        self._next_telling = monotonic()

    def _tell(self) -> None:
        deliver(self._db, self._told)
