"""What a health run has seen, as the facts that the rules of the alerts judge."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from psycopg import Connection

from barhouse.alerts import FACTS, fired
from barhouse.config.parts import AlertRules, RateRule
from barhouse.errors import Unauthorized
from barhouse.flow.lateness import Late
from barhouse.store import health
from barhouse.store.health import Asked, Queue

TOLD = "told before"
"""What explains a failing symbol of which somebody knows already, be it by the incident of a vendor that is over."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What was seen at an instant."""

    overdue: Sequence[Late]
    failing: Sequence[Mapping[str, Any]]
    asked: Sequence[Asked]
    queue: Queue
    free: int | None
    """Bytes that the disk of the bars has left; None where it is not ours to watch."""
    now: datetime


Row = tuple[str, str, float | None, int, str | None, Sequence[str], str | None]


def facts(connection: Connection, signs: Signs, rules: AlertRules) -> pl.DataFrame:
    """The facts (`alerts.FACTS`): first which vendors are down, then what is not explained by that.

    What a vendor spoilt that was down within a day is left out of the rates for as long.
    """
    vendors = _frame(_vendors(signs.asked))
    down = fired(vendors, rules).filter("fires")["cause"].to_list()
    spoilt = {*down, *health.lately_down(connection, signs.now)}
    by_vendor = health.suffering(connection, spoilt, signs.now)
    rates = [
        _row(rule, "all", value, events=events)
        for rule, value, events in health.rates(connection, spoilt, _since(rules, signs.now))
    ]
    rows = [*rates, *_late(signs, by_vendor), *_failing(signs, by_vendor), *_standstill(signs, spoilt)]
    return pl.concat([vendors, _frame(rows)])


def _since(rules: AlertRules, now: datetime) -> dict[str, datetime]:
    """How far back the rates are looked at."""
    each = {name: getattr(rules, name) for name in type(rules).model_fields}
    return {name: now - timedelta(hours=rule.window_hours) for name, rule in each.items() if isinstance(rule, RateRule)}


def _frame(rows: Collection[Row] | Iterator[Row]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=FACTS, orient="row")


def _row(
    rule: str,
    cause: str,
    value: float | None,
    *,
    events: int = 1,
    detail: str | None = None,
    subjects: Sequence[str] = (),
    explained_by: str | None = None,
) -> Row:
    return rule, cause, value, events, detail, subjects, explained_by


def _vendors(asked: Sequence[Asked]) -> Iterator[Row]:
    for each in asked:
        refused = each.error_class == Unauthorized.__name__
        if refused or each.in_a_row == 0:
            yield _row("key_refused", each.source, float(refused), detail=each.error)
        if refused:
            continue
        # A single symbol may be at fault itself, but a success proves that its vendor lives
        events = max(each.symbols, 2) if each.in_a_row == 0 else each.symbols
        yield _row("vendor_down", each.source, each.in_a_row, events=events, detail=each.error)


def _late(signs: Signs, by_vendor: Mapping[tuple[str, str], str]) -> Iterator[Row]:
    for each in signs.overdue:
        if each.newest.tracked:
            instrument, hours = each.newest.series.instrument, each.overdue / 3600
            key, name = (instrument.symbol, instrument.asset_class), f"{instrument.symbol} {instrument.asset_class}"
            cause = f"{name} {each.newest.series.timeframe}"
            detail = f"{cause} by {hours:,.0f} h"
            yield _row("overdue", cause, hours, detail=detail, subjects=[name], explained_by=by_vendor.get(key))


def _failing(signs: Signs, by_vendor: Mapping[tuple[str, str], str]) -> Iterator[Row]:
    for each in signs.failing:
        key, name = (each["symbol"], each["asset_class"]), f"{each['symbol']} {each['asset_class']}"
        known = TOLD if each["alert_sent"] else None
        times = each["consecutive_failures"]
        detail = f"{name} {times} times" + (f" ({each['error']})" if each["error"] else "")
        yield _row(
            "symbol_failing", name, times, detail=detail, subjects=[name], explained_by=by_vendor.get(key, known)
        )


def _standstill(signs: Signs, spoilt: Collection[str]) -> Iterator[Row]:
    """What waits, what does not get on, and what runs out."""
    yield _row("queue_age", "all", _hours(signs.queue.oldest, signs.now) or 0.0)
    since = _hours(signs.queue.succeeded, signs.now) or 0.0
    yield _row("no_backfill", "all", since, explained_by=next(iter(sorted(spoilt)), None))
    yield _row("disk_space", "all", signs.free)


def _hours(since: datetime | None, now: datetime) -> float | None:
    return (now - since).total_seconds() / 3600 if since else None
