"""Who leads among all processes that would: the one whose own session holds a lock of the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from barhouse.errors import DatabaseUnavailable
from barhouse.store import schedules
from barhouse.store.postgres import unavailable

log = structlog.get_logger()

ALIVE: Mapping[str, Any] = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
    "application_name": "barhouse scheduler",
}
"""A connection that is cut is noticed at this end within some seconds; the server is told the same for its own."""


class Candidate:
    """A process that would lead, on a connection of its own: no pool may give that to anybody else.

    `told` are the settings that all of them share, `own` what the others need not have alike. All calls are of one
    thread; DatabaseUnavailable where the connection is lost, and then it does not lead any more.
    """

    def __init__(self, url: str, owner: str, told: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        self.leads = False
        self.differs: list[str] | None = None
        self._url = url
        self._owner = owner
        self._told = told
        self._own = own
        self._connection: Connection | None = None

    def look(self) -> datetime | None:
        """The instant by the clock of the database if this one leads, after a sign of life; None if another does."""
        try:
            return self._look(self._connected())
        except psycopg.Error as cause:
            self._drop()
            if reason := unavailable(cause):
                raise DatabaseUnavailable(reason) from cause
            raise

    def end(self) -> None:
        """Let somebody else lead, at once."""
        if self._connection is None:
            return
        try:
            if self.leads:
                schedules.resign(self._connection)
        except psycopg.Error as error:
            log.warning("leader_not_resigned", error=type(error).__name__)
        finally:
            self._drop()

    def _look(self, connection: Connection) -> datetime | None:
        if self.leads:
            now = schedules.beat(connection)
            self.leads = now is not None
            return now
        if schedules.lead(connection, self._owner, {**self._told, **self._own}):
            self.leads = True
            log.info("leader_chosen", owner=self._owner)
            return schedules.clock(connection)
        self._compare(connection)
        return None

    def _compare(self, connection: Connection) -> None:
        """Say where these settings are not those that count."""
        theirs = schedules.settings(connection)
        found = self.differs if theirs is None else differences(self._told, theirs)
        if found is None:
            return
        if found or self.differs:
            schedules.dissent(connection, self._owner, found)
        if found and found != self.differs:
            log.warning("schedules_differ_from_the_leader", owner=self._owner, differs=found)
        self.differs = found

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, **ALIVE)
            schedules.watch(self._connection)
        return self._connection

    def _drop(self) -> None:
        connection, self._connection, self.leads = self._connection, None, False
        if connection is not None:
            connection.close()


def differences(own: Mapping[str, Any], leader: Mapping[str, Any]) -> list[str]:
    """In what settings differ from the leader's, in words."""
    pairs = [(name, own[name], leader.get(name)) for name in sorted(own)]
    return [f"{name}: {here!r} here, {there!r} with the leader" for name, here, there in pairs if here != there]
