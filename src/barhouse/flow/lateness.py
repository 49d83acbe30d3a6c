"""Which series are late by now, in the time of their market: the newest bar of each says it, no other is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.flow import causes, sessions
from barhouse.flow.causes import KINDS, Look
from barhouse.flow.judging import LATE
from barhouse.model import Timeframe
from barhouse.store import anomalies, health
from barhouse.store.anomalies import Checked
from barhouse.store.health import Newest
from barhouse.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Late:
    """A series that lacks bars which were due: by how many seconds of market time, and how many bars."""

    newest: Newest
    last_update: datetime
    overdue: float
    missed: int
    severity: str

    @property
    def is_stale(self) -> bool:
        """Whether it is so late that it is an anomaly."""
        return self.overdue > LATE


def late(db: Database, now: datetime) -> list[Late]:
    """Every series that is overdue, the latest first. Those that are stale become anomalies, the others none.

    One whose calendar nobody knows is neither late nor in time: that it cannot be judged is an anomaly too.
    """
    with db.transaction() as connection:
        anomalies.take_turns(connection)
        series = _judgeable(db, connection, health.newest(connection))
        judged = _judged(db, series, now)
        for timeframe, frames in judged.items():
            checked = [each.series.instrument.number for each in series if each.series.timeframe is timeframe]
            stale = pl.concat(frames).filter(pl.col("overdue_seconds") > LATE)
            found = causes.of(Look.STALENESS, stale.with_columns(timeframe=pl.lit(timeframe.code, pl.Int16)))
            anomalies.reconcile(connection, found, checked=Checked(checked, [timeframe], KINDS[Look.STALENESS]))
    return sorted(_told(series, judged), key=lambda each: -each.overdue)


def _judgeable(db: Database, connection: Connection, series: Sequence[Newest]) -> list[Newest]:
    """The series whose calendar is known; of the others it is told that they cannot be judged."""
    strange = sessions.unknown(db, (each.series.instrument.exchange for each in series))
    for exchange, reason in strange.items():
        own = (each.series for each in series if each.series.instrument.exchange == exchange)
        anomalies.raised(connection, causes.of_failures(own, reason))
    return [each for each in series if each.series.instrument.exchange not in strange]


def _judged(db: Database, series: Iterable[Newest], now: datetime) -> dict[Timeframe, list[pl.DataFrame]]:
    """What is overdue (`checks.STALE`) in each timeframe, a frame an exchange."""
    judged: dict[Timeframe, list[pl.DataFrame]] = defaultdict(list)
    kinds = groupby(series, key=lambda each: (each.series.instrument.exchange, each.series.timeframe))
    for (exchange, timeframe), group in kinds:
        calendar = sessions.calendar(db, exchange)
        times = [(each.series.instrument.number, each.time, each.delay) for each in group]
        bars = pl.DataFrame(times, schema=checks.NEWEST, orient="row")
        located = calendar.located(bars, timeframe).select(*checks.NEWEST, "closes")
        judged[timeframe].append(checks.overdue(located, calendar=calendar, timeframe=timeframe, now=now))
    return judged


def _told(series: Sequence[Newest], judged: dict[Timeframe, list[pl.DataFrame]]) -> Iterable[Late]:
    known = {(each.series.instrument.number, each.series.timeframe): each for each in series}
    for timeframe, frames in judged.items():
        for row in pl.concat(frames).iter_rows(named=True):
            each = known[row["instrument"], timeframe]
            yield Late(each, row["last_update"], row["overdue_seconds"], row["missed"], row["severity"])
