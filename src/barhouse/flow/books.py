"""What a run writes down of the series and instruments that it has brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.flow import freshness, sessions
from barhouse.flow.backfill import Outcome
from barhouse.flow.standing import DELAY
from barhouse.model import INSTANT, Instrument, Span, instant
from barhouse.store import enrichment
from barhouse.store.enrichment import Standing
from barhouse.store.postgres import Database
from barhouse.store.runs import Told

NAMED = 3
"""So many missing spans are named in an error."""


def error(outcome: Outcome) -> str | None:
    """Why a series failed: what is still missing of it, and what its sources said; None if all was read."""
    if not outcome.missing:
        return None
    spans = ", ".join(_span(span) for span in outcome.missing[:NAMED])
    more = f" and {len(outcome.missing) - NAMED} more" if len(outcome.missing) > NAMED else ""
    said = f": {outcome.errors[-1]}" if outcome.errors else ""
    return f"{spans}{more} could not be read{said}"


def _span(span: Span) -> str:
    return f"{instant(span.start)[:10]} to {instant(span.end)[:10]}"


def told(outcome: Outcome, failed: str | None, ended: datetime) -> Told:
    """How a series has fared in a run."""
    return Told(
        outcome.series,
        "completed" if failed is None else "failed",
        processed=sum(fetch.fetched for fetch in outcome.fetches),
        inserted=outcome.inserted,
        features=max((fetch.features for fetch in outcome.fetches), default=0),
        error=failed,
        completed_at=ended,
    )


def settle(db: Database, ended: Mapping[Instrument, str | None], now: datetime) -> None:
    """Write down how instruments stand whose series are through: the state of their data, how fresh the features are.

    Each comes with the error of its run, None where all its series succeeded.
    """
    keys = [instrument.number for instrument in ended]
    errors = {instrument.number: told for instrument, told in ended.items()}
    with db.transaction() as connection:
        enrichment.judge(connection, _standings(db, connection, errors, now))
    freshness.settle(db, keys, now)


def _standings(
    db: Database, connection: Connection, errors: Mapping[int, str | None], now: datetime
) -> Sequence[Standing]:
    late, closes = dict.fromkeys(errors, 0.0), dict[int, datetime]()
    rows = enrichment.newest(connection, list(errors))
    for (exchange, timeframe), group in groupby(rows, key=lambda row: (row[1], row[2])):
        calendar = sessions.calendar(db, exchange)
        times = [(key, time) for key, _, _, time in group]
        bars = pl.DataFrame(times, schema={"instrument": pl.Int32, "time": INSTANT}, orient="row")
        located = calendar.located(bars, timeframe).select("instrument", "time", "closes")
        for key, close in located.select("instrument", "closes").iter_rows():
            closes[key] = max(close, closes.get(key, close))
        stale = checks.stale(located, calendar=calendar, timeframe=timeframe, delay=DELAY, now=now)
        for key, overdue in stale.select("instrument", "overdue_seconds").iter_rows():
            late[key] = max(overdue, late[key])
    return [
        Standing(key, late[key], (now - closes[key]).total_seconds() if key in closes else None, told)
        for key, told in errors.items()
    ]
