"""How fast a warehouse says how it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from barhouse.cli.logs import on_standard_error
from barhouse.flow import health as flow
from barhouse.flow.track import track
from barhouse.model import Instrument, Timeframe
from barhouse.store import health
from barhouse.store.postgres import Database
from bench.harness import Figure, figure, in_turn, warehouse

SYMBOLS = [f"BENCH{number:02}" for number in range(50)]
TIMEFRAMES = [Timeframe.M5, Timeframe.M30, Timeframe.H1, Timeframe.D1, Timeframe.W1]

BARS = """
INSERT INTO bar (instrument, timeframe, time, open, high, low, close, volume, extended, forming, validated)
SELECT s.instrument, s.timeframe, date_trunc('minute', now()) - make_interval(mins => t.minutes * n), 10, 11, 9, 10, 1,
       false, false, true
FROM series s JOIN timeframe t ON t.code = s.timeframe CROSS JOIN generate_series(1, 400) AS n
"""
FETCHES = """
INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, records_fetched, success)
SELECT i.symbol, i.asset_class, '1d', 'polygon', 10, n % 50 <> 1
FROM instrument i CROSS JOIN generate_series(1, 200) AS n
"""
ANOMALIES = """
INSERT INTO data_anomalies (symbol, asset_class, timeframe, anomaly_type, severity, data_point_time, instrument,
                            timeframe_code)
SELECT i.symbol, i.asset_class, '1d', 'gap', 'low', now() - make_interval(days => n), i.id, 7
FROM instrument i CROSS JOIN generate_series(1, 40) AS n
"""


@figure
def health_run() -> Figure:
    """Seconds of a health run over 50 symbols of 5 timeframes; aim: 1. The ceiling is reading their newest bars."""
    on_standard_error()
    with _filled() as db:
        mine, top, ratio = in_turn(lambda: flow.health_run(db), lambda: _newest(db))
        seen = flow.health_run(db)
        details = {name: seen[name] for name in ("stale_symbols", "anomalies_detected")}
        return Figure("health_run", mine, "s", top, ratio, {**details, "series": len(SYMBOLS) * len(TIMEFRAMES)})


def _newest(db: Database) -> None:
    with db.connection() as connection:
        health.newest(connection)


@contextmanager
def _filled() -> Iterator[Database]:
    """A warehouse with 100,000 bars, 10,000 fetches of a day and 2,000 open anomalies."""
    with warehouse() as db:
        track(db, map(Instrument, SYMBOLS), TIMEFRAMES, datetime.now(UTC) - timedelta(days=30))
        with db.connection() as connection:
            for statement in (BARS, FETCHES, ANOMALIES):
                connection.execute(statement.encode())
            connection.execute("VACUUM ANALYZE")
        yield db
