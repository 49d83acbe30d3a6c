"""Sweeping the stored bars: what is wrong with them is found, told, and written down with its proof."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import polars as pl

from barhouse.errors import UnknownCalendar
from barhouse.flow import causes, days, sessions
from barhouse.flow.causes import EVERYTHING, FAILED, KINDS, Look
from barhouse.flow.choosing import Symbols, chosen
from barhouse.flow.findings import Findings
from barhouse.flow.judging import Group, found, groups, seen
from barhouse.model import Series, Timeframe, instant
from barhouse.store import anomalies, quality
from barhouse.store.anomalies import Checked
from barhouse.store.postgres import Database


def detect_data_anomalies(
    db: Database,
    symbol: Symbols = None,
    timeframe: str | None = None,
    check_gaps: bool = True,
    check_outliers: bool = True,
    check_staleness: bool = True,
    asset_class: str | None = None,
) -> dict[str, Any]:
    """What is wrong with the stored bars of a symbol, of several or of all.

    `timestamp`, the lists `gaps`, `outliers` and `stale_data` (`Findings`), and `total_anomalies`, their sum. Real
    moves and times in which nobody traded are neither listed nor counted. What is found is kept as anomalies, and what
    is gone is resolved. `failed_checks` are the series that could not be judged, with the reason: their calendar is one
    that nobody knows. UnknownSymbol (404), AmbiguousSymbol (409).
    """
    now = datetime.now(UTC)
    asked = {Look.GAPS: check_gaps, Look.OUTLIERS: check_outliers, Look.STALENESS: check_staleness}
    looks = [Look.DUPLICATES, *(look for look, wanted in asked.items() if wanted)]
    only = None if timeframe is None else Timeframe.of(timeframe)
    findings = sweep(db, chosen(db, symbol, timeframe, asset_class), looks, timeframe=only, now=now)
    return {
        "timestamp": instant(now),
        "gaps": findings.gaps,
        "outliers": findings.outliers,
        "stale_data": findings.stale,
        "failed_checks": findings.failed,
        "total_anomalies": len(findings.gaps) + len(findings.outliers) + len(findings.stale),
    }


def sweep(
    db: Database,
    series: Iterable[Series],
    looks: Collection[Look] = EVERYTHING,
    *,
    timeframe: Timeframe | None = None,
    now: datetime | None = None,
) -> Findings:
    """Judge all series of the instruments of `series`, or those of one timeframe, and write down what is found.

    All timeframes of an instrument are read, since each is evidence for the others. Daily figures are brought up to
    date. One sweep at a time judges; others wait.
    """
    findings = Findings()
    with db.connection() as connection:
        sized = quality.series(connection, sorted({each.instrument.number for each in series}))
    for group in groups(sized):
        try:
            # Seconds for one that is read the first time, and nobody else's turn
            sessions.calendar(db, group.exchange)
        except UnknownCalendar as cause:
            own = [each for each, _ in sized if each.instrument.number in group.instruments]
            unjudged = [each for each in own if timeframe in (None, each.timeframe)]
            note(db, unjudged, str(cause))
            findings.add_failed(unjudged, str(cause))
        else:
            _judge(db, group, looks, timeframe, now or datetime.now(UTC), findings)
    return findings


def note(db: Database, unjudged: Sequence[Series], reason: str) -> None:
    """Tell of series that they cannot be judged; what was known of them stays."""
    with db.transaction() as connection:
        anomalies.raised(connection, causes.of_failures(unjudged, reason))


def _judge(
    db: Database, group: Group, looks: Collection[Look], only: Timeframe | None, now: datetime, findings: Findings
) -> None:
    with db.transaction() as connection:
        anomalies.take_turns(connection)
        read = seen(db, connection, group)
        judged = group.timeframes if only is None else [only]
        with ThreadPoolExecutor(1) as beside:
            counting = beside.submit(days.begun, db, read)
            told = found(read, judged, looks, now)
        kinds = [FAILED, *(kind for look in looks for kind in KINDS[look])]
        rows = pl.concat(causes.of(look, frame) for look, frame in told.items())
        anomalies.reconcile(connection, rows, checked=Checked(list(group.instruments), judged, kinds))
        findings.add(told, group.instruments.values())
        days.keep(connection, read, counting.result())
