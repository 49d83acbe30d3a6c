"""The calendar of an exchange, whoever asks: from this process, from the database, or read anew."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import polars as pl
import structlog

from barhouse.calendar import Calendar
from barhouse.calendar.__main__ import UNKNOWN
from barhouse.errors import BarhouseError, UnknownCalendar
from barhouse.model import ALWAYS_OPEN
from barhouse.store import sessions
from barhouse.store.postgres import Database

log = structlog.get_logger()

LOOK_AGAIN = timedelta(hours=6).total_seconds()
"""Seconds after which a process asks the database whether the sessions that it knows still hold."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A calendar that this process knows, until when by its own clock."""

    calendar: Calendar
    until: float


_kept: dict[tuple[str, str], Kept] = {}
_strange: dict[tuple[str, str], float] = {}
"""Names that nobody knows, and until when that holds: each look for one takes seconds, and others wait."""
_one_at_a_time = threading.Lock()


def calendar(db: Database, name: str) -> Calendar:
    """The calendar of the exchange `name`; the first call on a new database takes seconds, to read its sessions.

    UnknownCalendar (422) for a name that exchange-calendars does not know.
    """
    if name == ALWAYS_OPEN:
        return Calendar.always_open()
    with _one_at_a_time:
        known = _kept.get((db.url, name))
        if known is None or known.until < time.monotonic():
            known = Kept(_looked_for(db, name), time.monotonic() + LOOK_AGAIN)
            _kept[db.url, name] = known
        return known.calendar


def unknown(db: Database, exchanges: Iterable[str]) -> dict[str, str]:
    """Those of some exchanges that no calendar is known of, each with what to tell of it."""
    strange: dict[str, str] = {}
    for exchange in sorted(set(exchanges)):
        try:
            calendar(db, exchange)
        except UnknownCalendar as cause:
            strange[exchange] = str(cause)
    return strange


def read_apart(name: str) -> Calendar:
    """What exchange-calendars knows of `name`, read in a process of its own: 130 MB that this one does not keep."""
    return _told(name, _asked(name))


@contextmanager
def ahead(name: str) -> Iterator[Callable[[Database], None]]:
    """Begin to read the sessions of `name` beside whatever else has to be made ready; then call to keep them.

    What cannot be read now is read when it is needed, and complained about then.
    """
    child = _asked(name)

    def keep(db: Database) -> None:
        with suppress(BarhouseError):
            _save(db, _told(name, child))

    try:
        yield keep
    finally:
        child.kill()
        child.communicate()


def _asked(name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "barhouse.calendar", name]
    return subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def _told(name: str, child: subprocess.Popen[bytes]) -> Calendar:
    answer, complaints = child.communicate()
    if child.returncode == UNKNOWN:
        raise UnknownCalendar(name)
    if child.returncode:
        *_, reason = complaints.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise BarhouseError(f"The sessions of {name} cannot be read from exchange-calendars: {reason}")
    found = pl.read_ipc(answer)
    return Calendar(name, found["zone"][0], found.drop("zone"))


def _save(db: Database, found: Calendar) -> None:
    with db.transaction() as connection:
        sessions.save(connection, found)


def _looked_for(db: Database, name: str) -> Calendar:
    """The current calendar; UnknownCalendar at once where that came of it lately."""
    if _strange.get((db.url, name), 0.0) > time.monotonic():
        raise UnknownCalendar(name)
    try:
        return _current(db, name)
    except UnknownCalendar:
        _strange[db.url, name] = time.monotonic() + LOOK_AGAIN
        raise


def _current(db: Database, name: str) -> Calendar:
    """The saved calendar if it is fresh, else a new one; where that fails an old one is better than none."""
    with db.connection() as connection:
        if sessions.fresh(connection, name):
            return sessions.load(connection, name)
    try:
        found = read_apart(name)
    except BarhouseError as trouble:
        return _old(db, name, trouble)
    _save(db, found)
    return found


def _old(db: Database, name: str, trouble: BarhouseError) -> Calendar:
    with db.connection() as connection:
        try:
            saved = sessions.load(connection, name)
        except UnknownCalendar:
            raise trouble from None
    log.warning("calendar_refresh_failed", exchange=name, reason=str(trouble))
    return saved
