"""Importing: what a file holds goes the same way as a vendor's answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from barhouse.flow import freshness, sessions
from barhouse.flow.actions import learn
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import Series
from barhouse.sources import file
from barhouse.sources.actions import read_actions
from barhouse.store import instruments, quarantine
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    fetch: Fetch
    report: file.Report
    quarantined: list[dict[str, Any]]
    """The rows that were no bars: time, reason, payload; those that an earlier import brought are not told again."""


def take(db: Database, path: Path, series: Series, *, zone: str, now: datetime) -> Imported:
    """Keep the bars of a file; UnreadableFile (422) if it holds none, and then nothing has changed."""
    calendar = sessions.calendar(db, series.instrument.exchange)
    fetched, report = file.read(path, series, calendar, now=now, zone=zone)
    with db.transaction() as connection:
        known = instruments.add_series(connection, series)
    [fetch] = keep(db, Batch([replace(fetched, series=known)], calendar, timedelta(0)), now)
    freshness.settle(db, [known.instrument.number], now)
    with db.connection() as connection:
        rows = quarantine.listed(connection, known.instrument.number, limit=fetch.quarantined)
    return Imported(fetch, report, [row for row in rows if row["fetch_id"] == fetch.id])


def take_actions(db: Database, path: Path, series: Series) -> int:
    """Keep the splits and dividends of a file; how many there are."""
    told = read_actions(path)
    with db.transaction() as connection:
        known = instruments.add_series(connection, series)
    learn(db, known.instrument, told, file.NAME)
    return told.height
