"""How fresh the features are by now: they age while a bar that is due is not in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from math import inf, isfinite
from typing import Any

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks.staleness import market_time
from barhouse.errors import InvalidParameter
from barhouse.flow import sessions
from barhouse.model import INSTANT, Span, Timeframe, at
from barhouse.store import freshness, runs
from barhouse.store.freshness import Freshness, Watched
from barhouse.store.postgres import Database

REACH = timedelta(days=28)
"""Two bars of a series that follow on each other are never so far apart."""
WORST = list(reversed(Freshness))


def get_feature_staleness_report(db: Database, limit: int = 50, *, now: datetime | None = None) -> dict[str, Any]:
    """How fresh all features are, and the `limit` (1 to 500) worst series, as `GET admin/features/staleness` tells.

    Staleness is counted in market time from the instant at which the first bar was due that is not in the features.
    """
    if not 1 <= limit <= 500:
        raise InvalidParameter(f"limit: {limit} is not within 1 to 500")
    now = now or datetime.now(UTC)
    with db.connection() as connection:
        found = list(aged(db, freshness.watched(connection), now))
    rows = sorted((_row(each, staleness) for each, staleness in found), key=_worst)
    return {
        "timestamp": now,
        "summary": {f"{status}_count": sum(row["status"] == status for row in rows) for status in Freshness}
        | {"total_monitored": len(rows)},
        "by_status": {status.value: [row for row in rows[:limit] if row["status"] == status] for status in Freshness},
    }


def get_scheduler_health(db: Database, *, now: datetime | None = None) -> dict[str, Any]:
    """How the schedulers are, as `GET admin/scheduler-health` tells it: degraded where features are stale, or the last
    run that has ended failed.
    """
    now = now or datetime.now(UTC)
    with db.connection() as connection:
        last, failures = runs.last(connection), runs.failures(connection)
        watched = freshness.watched(connection)
    stale = sum(
        Freshness.of(staleness or 0, each.count) is Freshness.STALE for each, staleness in aged(db, watched, now)
    )
    ended_badly = last is not None and last.pop("ended_badly")
    return {
        "status": "degraded" if stale or ended_badly else "healthy",
        "timestamp": now,
        "last_execution": last,
        "stale_features_count": stale,
        "recent_failures": failures,
        "total_symbols_monitored": len({each.series.instrument for each in watched}),
    }


def settle(db: Database, instruments: Sequence[int], now: datetime | None = None) -> None:
    """Write down how fresh the features of some instruments are by now."""
    now = now or datetime.now(UTC)
    with db.transaction() as connection:
        found = aged(db, freshness.watched(connection, instruments), now)
        told = [(each, staleness) for each, staleness in found if each.staleness is None and staleness is not None]
        known = [(each, staleness) for each, staleness in told if isfinite(staleness)]
        if known:
            freshness.settle(connection, known)


def aged(db: Database, watched: Iterable[Watched], now: datetime) -> Iterator[tuple[Watched, float | None]]:
    """Each series with the seconds of its staleness by now, None where there never were features.

    `watched` are by exchange and timeframe. It is infinite where nobody knows the calendar: none says they are fresh.
    """
    watched = list(watched)
    strange = sessions.unknown(db, (each.series.instrument.exchange for each in watched))
    kinds = groupby(watched, key=lambda each: (each.series.instrument.exchange, each.series.timeframe))
    for (exchange, timeframe), group in kinds:
        own = list(group)
        if exchange in strange:
            yield from ((each, inf) for each in own)
            continue
        yield from zip(own, _staleness(own, sessions.calendar(db, exchange), timeframe, now), strict=True)


def _staleness(own: Sequence[Watched], calendar: Calendar, timeframe: Timeframe, now: datetime) -> list[float | None]:
    """What was told, and since then the market time in which a bar was due that is not in the features."""
    edges = {_edge(each) for each in own}
    due = {edge: _due(*edge, calendar, timeframe) for edge in edges}
    since = [_since(each, due[_edge(each)], now) for each in own]
    passed = market_time(pl.Series([*since, now], dtype=INSTANT), calendar)
    seconds = ((passed[-1] - passed).dt.total_microseconds() / 1e6).to_list()[:-1]
    return [
        None if _edge(each)[:2] == (None, None) else (each.staleness or 0.0) + grown
        for each, grown in zip(own, seconds, strict=True)
    ]


Edge = tuple[datetime | None, datetime | None, timedelta]


def _edge(each: Watched) -> Edge:
    """Where the features end: at their newest bar, or, where there is none to see, when they were computed."""
    return (each.newest, None, each.delay) if each.newest else (None, each.last_computed_at, each.delay)


def _due(
    newest: datetime | None, computed: datetime | None, delay: timedelta, calendar: Calendar, timeframe: Timeframe
) -> datetime | None:
    """When the first bar is due that is not in the features; None where there are none."""
    if newest:
        slots = calendar.expected(timeframe, Span(newest, newest + REACH)).filter(pl.col("time") > at(newest))
    elif computed:
        around = calendar.expected(timeframe, Span(computed - REACH, computed + REACH))
        slots = around.filter(pl.col("closes") + delay > at(computed))
    else:
        return None
    return None if slots.is_empty() else slots["closes"][0] + delay


def _since(each: Watched, due: datetime | None, now: datetime) -> datetime:
    """From when on the features have aged beyond what was told of them."""
    told = each.at if each.staleness is not None and each.at else due
    return min(now, max(due, told)) if due and told else now


def _row(each: Watched, staleness: float | None) -> dict[str, Any]:
    return {
        "symbol": each.series.instrument.symbol,
        "asset_class": each.series.instrument.asset_class,
        "timeframe": each.series.timeframe,
        "last_computed_at": each.last_computed_at,
        "staleness_seconds": None if staleness == inf else staleness,
        "status": Freshness.of(staleness or 0.0, each.count),
        "data_point_count": each.count,
    }


def _worst(row: dict[str, Any]) -> tuple[Any, ...]:
    name = (row["symbol"], row["asset_class"], row["timeframe"])
    return WORST.index(row["status"]), -(row["staleness_seconds"] or 0.0), *name
