"""What a sweep of the stored bars finds, says and writes down; days counted by pencil."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from barhouse.errors import UnknownSymbol
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.causes import EVERYTHING, Look
from barhouse.flow.choosing import chosen
from barhouse.flow.imports import take
from barhouse.flow.ingest import keep
from barhouse.flow.lateness import late
from barhouse.flow.quality import listed_anomalies
from barhouse.flow.sweep import detect_data_anomalies, sweep
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real

NOW = datetime(2024, 3, 9, tzinfo=UTC)
"""A Saturday."""
IN_TIME = EVERYTHING - {Look.STALENESS}


def stored(db: Database, symbol: str, bars: pl.DataFrame, timeframe: Timeframe = Timeframe.D1) -> Series:
    series = kept(db, symbol, timeframe)
    keep(db, Batch([answer(series, bars)], sessions.calendar(db, "XNYS")), NOW)
    return series


def week(*days: int) -> pl.DataFrame:
    """Quiet daily bars of some days of the first week of March 2024."""
    rows = [(datetime(2024, 3, day, tzinfo=UTC), 10.0, 10.5, 9.5, 10 + day / 100, 1000.0 + day) for day in days]
    return pl.DataFrame(rows, schema=["time", "open", "high", "low", "close", "volume"], orient="row")


def everything(db: Database) -> list[Any]:
    with db.connection() as connection:
        tables = (b"SELECT * FROM data_anomalies ORDER BY id", b"SELECT * FROM data_quality_metrics ORDER BY id")
        return [connection.execute(table).fetchall() for table in tables]


def metrics(db: Database, symbol: str) -> dict[date, tuple[Any, ...]]:
    with db.connection() as connection:
        rows = connection.execute(
            "SELECT metric_date, total_records, validated_records, validation_rate, gaps_detected, anomalies_detected,"
            " data_completeness FROM data_quality_metrics WHERE symbol = %s",
            [symbol],
        )
        return {row[0]: row[1:] for row in rows}


def test_twenty_years_of_real_days_are_without_fault(db: Database) -> None:
    series = stored(db, "IBM", real("IBM"))

    findings = sweep(db, [series], IN_TIME)

    assert not findings


def test_an_instrument_that_nobody_can_judge_is_told_and_hinders_no_other(db: Database) -> None:
    stored(db, "AAPL", week(4, 7, 8))
    nowhere = stored(db, "NOWHERE", week(4, 7, 8))
    moved = "UPDATE instrument SET exchange = %s WHERE symbol = 'NOWHERE'"
    with db.connection() as connection:
        connection.execute(moved, ["XNOPE"])

    told = [detect_data_anomalies(db) for _ in range(2)]
    late(db, NOW)

    assert told[0]["gaps"] == told[1]["gaps"]
    assert [gap["symbol"] for gap in told[0]["gaps"]] == ["AAPL"]
    [failed] = told[0]["failed_checks"]
    assert (failed["symbol"], failed["timeframe"], failed["severity"]) == ("NOWHERE", "1d", "high")
    [row] = listed_anomalies(db, Wanted("NOWHERE"))
    assert (row["anomaly_type"], row["data_point_time"]) == ("failed_check", None)
    assert "XNOPE" in row["description"]

    with db.connection() as connection:
        connection.execute(moved, ["XNYS"])
    sweep(db, [nowhere], IN_TIME)
    assert {row["anomaly_type"] for row in listed_anomalies(db, Wanted("NOWHERE", status="open"))} == {"gap"}


def test_missing_days_are_told_with_their_neighbours_and_kept_as_an_anomaly(db: Database) -> None:
    stored(db, "AAPL", week(4, 7, 8))

    told = detect_data_anomalies(db, "AAPL", check_staleness=False)

    assert told["gaps"] == [
        {
            "symbol": "AAPL",
            "asset_class": "stock",
            "timeframe": "1d",
            "gap_time": "2024-03-05T00:00:00Z",
            "gap_seconds": 3 * 86400,
            "missing_bars": 2,
            "reason": "missing",
            "severity": "high",
        }
    ]
    assert told["total_anomalies"] == 1
    assert told["timestamp"].endswith("Z")
    [row] = listed_anomalies(db, Wanted())
    assert row["evidence"]["before"] == "2024-03-04T00:00:00Z"
    assert row["evidence"]["after"] == "2024-03-07T00:00:00Z"
    assert row["description"] == "2 bars are missing, to 2024-03-06"


def test_a_gap_that_is_filled_is_resolved(db: Database) -> None:
    series = stored(db, "AAPL", week(4, 7, 8))
    sweep(db, [series], IN_TIME)
    stored(db, "AAPL", week(5, 6))

    assert not sweep(db, [series], IN_TIME)

    assert [row["resolution_status"] for row in listed_anomalies(db, Wanted())] == ["resolved"]
    assert metrics(db, "AAPL")[date(2024, 3, 5)] == (1, 1, 100.0, 0, 0, 1.0)


def test_a_second_sweep_changes_nothing_nor_do_several_at_once(db: Database) -> None:
    stored(db, "AAPL", week(4, 7, 8))
    stored(db, "MSFT", week(5, 8))
    first = detect_data_anomalies(db)
    before = everything(db)

    with ThreadPoolExecutor(3) as threads:
        again = list(threads.map(lambda _: detect_data_anomalies(db), range(3)))

    assert everything(db) == before
    assert all(each["gaps"] == first["gaps"] for each in again)


def test_what_was_not_asked_for_is_neither_looked_for_nor_resolved(db: Database) -> None:
    stored(db, "AAPL", week(4, 7, 8))
    detect_data_anomalies(db)
    before = everything(db)

    told = detect_data_anomalies(db, check_gaps=False, check_outliers=False, check_staleness=False)

    assert (told["gaps"], told["outliers"], told["stale_data"], told["total_anomalies"]) == ([], [], [], 0)
    assert everything(db) == before


def test_a_series_is_stale_when_its_market_has_gone_on_for_six_hours(db: Database) -> None:
    """Friday's bar closed at 21:00Z; Monday's is due on Monday at 20:15Z, since the clocks were changed on Sunday."""
    series = stored(db, "AAPL", week(4, 5, 6, 7, 8))
    late = datetime(2024, 3, 12, 2, 15, tzinfo=UTC)

    in_time = sweep(db, [series], now=late)
    findings = sweep(db, [series], now=late + timedelta(minutes=3))

    assert in_time.stale == []
    assert findings.stale == [
        {
            "symbol": "AAPL",
            "asset_class": "stock",
            "timeframe": "1d",
            "last_update": "2024-03-08T21:00:00Z",
            "hours_stale": 6.05,
            "missed_bars": 1,
            "severity": "high",
        }
    ]


def test_a_series_is_stale_by_what_the_source_of_its_newest_bar_takes(db: Database) -> None:
    """A plan that has a day four hours after its close, at midnight, is six hours late at six and not before."""
    series = stored(db, "AAPL", week(4, 5, 6, 7, 8))
    with db.connection() as connection:
        connection.execute("UPDATE source SET delay = '4 hours' WHERE name = 'polygon'")
    six = datetime(2024, 3, 12, 6, tzinfo=UTC)

    in_time, late = (sweep(db, [series], now=six + timedelta(minutes=more)).stale for more in (0, 3))

    assert in_time == []
    assert [row["hours_stale"] for row in late] == [6.05]


def test_being_later_still_is_no_other_anomaly(db: Database) -> None:
    series = stored(db, "AAPL", week(4, 5, 6, 7, 8))
    sweep(db, [series], now=datetime(2024, 3, 12, 12, tzinfo=UTC))
    before = everything(db)

    sweep(db, [series], now=datetime(2024, 3, 12, 13, tzinfo=UTC))

    assert everything(db) == before


def test_rows_that_share_a_slot_are_a_duplicate(db: Database) -> None:
    series = stored(db, "AAPL", week(4, 5, 6))
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume)"
            " VALUES ('AAPL', 'stock', '1d', '2024-03-05 05:00Z', 10, 10.5, 9.5, 10, 1000)"
        )

    findings = sweep(db, [series], IN_TIME)

    assert findings.gaps == []
    assert [(row["time"], row["bars"]) for row in findings.duplicates] == [
        ("2024-03-05T00:00:00Z", ["2024-03-05T00:00:00Z", "2024-03-05T05:00:00Z"])
    ]


def test_a_day_is_counted_over_all_timeframes_with_what_was_turned_away(db: Database) -> None:
    """Tuesday has its daily bar and five of its seven hours, one of them without a volume, and one was turned away."""
    series = stored(db, "AAPL", week(4, 5, 6))
    hours = [datetime(2024, 3, 5, hour, tzinfo=UTC) for hour in (14, 15, 16, 17, 18, 20)]
    bars = pl.DataFrame({"time": [*hours, datetime(2024, 3, 6, 14, tzinfo=UTC)]}).with_columns(
        open=10.0,
        high=pl.when(pl.col("time") == hours[3]).then(9.0).otherwise(10.5),
        low=9.5,
        close=10.0,
        volume=90.0 + pl.int_range(pl.len()),
    )
    stored(db, "AAPL", bars, Timeframe.H1)

    findings = sweep(db, [series], IN_TIME)

    assert [(row["gap_time"], row["reason"]) for row in findings.gaps] == [
        ("2024-03-05T17:00:00Z", "quarantined"),
        ("2024-03-05T19:00:00Z", "missing"),
    ]
    days = metrics(db, "AAPL")
    assert days[date(2024, 3, 4)] == (1, 1, 100.0, 0, 0, 1.0)
    # 1 + 5 stored and 1 in quarantine; 6 of 7 are valid; 6 of the 8 that are expected are there.
    assert days[date(2024, 3, 5)] == (7, 6, 85.71, 2, 2, 0.75)
    assert days[date(2024, 3, 6)] == (2, 2, 100.0, 0, 0, 1.0)
    assert sorted(days) == [date(2024, 3, 4), date(2024, 3, 5), date(2024, 3, 6)]


def test_a_day_that_is_missing_altogether_has_figures_too(db: Database) -> None:
    series = stored(db, "AAPL", week(4, 6))

    sweep(db, [series], IN_TIME)

    assert metrics(db, "AAPL")[date(2024, 3, 5)] == (0, 0, None, 1, 1, 0.0)


def test_coins_are_counted_by_the_day_of_utc(db: Database) -> None:
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, validated)"
            " SELECT 'BTC', 'crypto', '4h', time, 1, 1, 1, 1, 1, true"
            " FROM generate_series('2024-03-09 20:00Z'::timestamptz, '2024-03-10 08:00Z', '4 hours') AS time"
        )

    assert detect_data_anomalies(db, "BTC", check_staleness=False)["total_anomalies"] == 0

    assert {day: row[0] for day, row in metrics(db, "BTC").items()} == {date(2024, 3, 9): 1, date(2024, 3, 10): 3}


def test_an_empty_warehouse_has_nothing_wrong_and_an_unknown_symbol_is_an_error(db: Database) -> None:
    told = detect_data_anomalies(db)
    assert (told["gaps"], told["outliers"], told["stale_data"], told["total_anomalies"]) == ([], [], [], 0)

    kept(db, "AAPL")
    assert detect_data_anomalies(db, "AAPL")["total_anomalies"] == 0
    with pytest.raises(UnknownSymbol):
        detect_data_anomalies(db, "NONE")


def test_one_bar_and_bars_without_volumes_are_judged_like_others(db: Database) -> None:
    stored(db, "ONE", week(5))
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, validated)"
            " SELECT 'DRY', 'stock', '1d', time, 10, 10.5, 9.5, 10, false"
            " FROM generate_series('2024-03-04 00:00Z'::timestamptz, '2024-03-06 00:00Z', '1 day') AS time"
        )

    told = detect_data_anomalies(db, ["ONE", "DRY"], check_staleness=False)

    assert told["total_anomalies"] == 0
    assert metrics(db, "ONE") == {date(2024, 3, 5): (1, 1, 100.0, 0, 0, 1.0)}
    # Four of the five fields
    assert set(metrics(db, "DRY").values()) == {(1, 0, 0.0, 0, 0, 0.8)}


def test_rows_that_were_all_turned_away_are_records_of_their_day(db: Database) -> None:
    series = stored(db, "BAD", week(4, 5).with_columns(high=1.0))

    assert not sweep(db, [series], IN_TIME)

    assert set(metrics(db, "BAD").values()) == {(1, 0, 0.0, 0, 0, 0.0)}


def test_no_day_of_spy_is_missing_for_23_years(db: Database, shared_data: Path) -> None:
    spy = Series(Instrument("SPY", AssetClass.ETF), Timeframe.D1)
    take(db, shared_data / "bars" / "lean_equity" / "SPY.1d.csv.gz", spy, zone="UTC", now=NOW)

    findings = sweep(db, chosen(db, "SPY", "1d", None), IN_TIME)

    assert (findings.gaps, findings.duplicates) == ([], [])
    # 5,849 sessions, by the exchange's own calendar
    assert len(metrics(db, "SPY")) == 5849
    assert {row[-1] for row in metrics(db, "SPY").values()} == {1.0}
