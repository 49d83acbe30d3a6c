"""What changed in some series between two instants, in one order, however often it is asked for."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.errors import InvalidParameter
from barhouse.model import EARLIEST
from barhouse.store import stays
from barhouse.store.queries import queries

query = queries("changes")

Key = tuple[int, int]
"""A series by the numbers of its instrument and its timeframe."""
TICK = timedelta(microseconds=1)
PACKED = struct.Struct(">qqihhqq")


@dataclass(frozen=True, slots=True)
class Position:
    """How much of the changes somebody has seen: all up to `after`, and of those up to `until` all up to the rest."""

    after: datetime
    until: datetime
    instrument: int = 0
    timeframe: int = 0
    kind: int = 0
    time: datetime = EARLIEST
    number: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it lies between two looks, not within one."""
        return self.after == self.until

    def behind(self, change: dict[str, Any]) -> Position:
        """The position behind a change."""
        names = ("instrument", "timeframe", "kind", "time", "number")
        return replace(self, **{name: change[name] for name in names})

    def __str__(self) -> str:
        after, until, time = ((each - EARLIEST) // TICK for each in (self.after, self.until, self.time))
        packed = PACKED.pack(after, until, self.instrument, self.timeframe, self.kind, time, self.number)
        return urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def of(cls, text: str) -> Position:
        """The position that was written so; InvalidParameter (422) for what none ever was."""
        try:
            after, until, instrument, timeframe, kind, time, number = PACKED.unpack(urlsafe_b64decode(text + "=="))
            moments = [EARLIEST + each * TICK for each in (after, until, time)]
        except (ValueError, OverflowError, struct.error):
            raise InvalidParameter("Last-Event-ID: no event bore this; leave it out to begin now") from None
        return cls(moments[0], moments[1], instrument, timeframe, kind, moments[2], number)


def horizon(connection: Connection) -> datetime | None:
    """An instant up to which no change can come any more; None as long as nobody can say.

    Stamps are taken before the commit, so the clock is read first and then who may still be about to commit.
    """
    now = stays.moment(connection)
    for (oldest,) in connection.execute(query.unsettled):
        if oldest is not None:
            return min(now, oldest - TICK) if oldest > EARLIEST else None
    return now


def changes(connection: Connection, keys: Collection[Key], position: Position, limit: int) -> list[dict[str, Any]]:
    """The next changes of these series behind a position, at most `limit`."""
    told = {name: getattr(position, name) for name in Position.__slots__}
    wanted = {"instruments": [key for key, _ in keys], "timeframes": [code for _, code in keys], "limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.changes, {**told, **wanted}).fetchall()
