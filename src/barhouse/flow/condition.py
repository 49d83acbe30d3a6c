"""How instruments stand by now: how late their series are, how old their newest bar is, how their last run ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.flow import sessions
from barhouse.store import enrichment
from barhouse.store.enrichment import Kept, Standing
from barhouse.store.postgres import Database


def standings(db: Database, connection: Connection, instruments: Sequence[int], now: datetime) -> dict[int, Standing]:
    """How each of some instruments stands; its latest series says how late it is, in market time.

    One whose calendar nobody knows has that for its error.
    """
    rows = enrichment.series(connection, instruments)
    strange = sessions.unknown(db, (row.exchange for row in rows))
    late, closes = dict.fromkeys(instruments, 0.0), dict[int, datetime]()
    for row, close, overdue in _timed(db, [row for row in rows if row.exchange not in strange], now):
        closes[row.instrument] = max(close, closes.get(row.instrument, close))
        if row.counts:
            late[row.instrument] = max(overdue, late[row.instrument])
    errors = {row.instrument: row.error for row in rows if row.counts and row.error is not None}
    errors |= {row.instrument: strange[row.exchange] for row in rows if row.exchange in strange}
    ages = {key: (now - close).total_seconds() for key, close in closes.items()}
    return {key: Standing(late[key], ages.get(key), errors.get(key)) for key in instruments}


def _timed(db: Database, rows: Iterable[Kept], now: datetime) -> Iterable[tuple[Kept, datetime, float]]:
    """The series that have a bar, with the close of the newest and by how many seconds the next one is overdue."""
    for (exchange, timeframe), group in groupby(rows, key=lambda row: (row.exchange, row.timeframe)):
        own = {row.instrument: row for row in group if row.newest}
        calendar = sessions.calendar(db, exchange)
        times = [(key, row.newest, row.delay) for key, row in own.items()]
        bars = pl.DataFrame(times, schema=checks.NEWEST, orient="row")
        located = calendar.located(bars, timeframe).select(*checks.NEWEST, "closes")
        stale = checks.overdue(located, calendar=calendar, timeframe=timeframe, now=now)
        overdue = dict(stale.select("instrument", "overdue_seconds").iter_rows())
        for key, close in located.select("instrument", "closes").iter_rows():
            yield own[key], close, overdue.get(key, 0.0)
