"""The daily figures as they are asked for, through the whole flow: what came, what was turned away, what is absent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from barhouse.flow.quality import data_quality
from barhouse.flow.sweep import sweep
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store import instruments
from barhouse.store.postgres import Database
from tests.integration.test_sweep import IN_TIME, stored, week


def hours(*times: datetime) -> pl.DataFrame:
    """Quiet bars at these times."""
    frame = pl.DataFrame({"time": times})
    return frame.with_columns(open=10.0, high=10.5, low=9.5, close=10.0, volume=90.0 + pl.int_range(pl.len()))


def minutes(start: datetime, count: int, bad: set[int]) -> pl.DataFrame:
    """So many minutes from `start` on, some of them with a high below their low."""
    frame = hours(*(start + timedelta(minutes=number) for number in range(count)))
    return frame.with_columns(high=pl.when(pl.int_range(pl.len()).is_in(list(bad))).then(1.0).otherwise("high"))


def test_177_of_180_are_98_33(db: Database) -> None:
    series = stored(db, "AAPL", minutes(datetime(2024, 3, 5, 15, tzinfo=UTC), 180, {10, 90, 91}), Timeframe.M1)
    sweep(db, [series], IN_TIME)

    told = data_quality(db, "AAPL", now=datetime(2024, 3, 9, tzinfo=UTC))

    [day] = told["daily_metrics"]
    assert (day["date"], day["total_records"], day["validated_records"]) == (date(2024, 3, 5), 180, 177)
    assert (day["validation_rate"], told["summary"]["avg_validation_rate"]) == (98.33, 98.33)
    # One of one bar and one of two
    assert (day["gaps_detected"], day["anomalies_detected"]) == (2, 2)
    assert day["data_completeness"] == round(177 / 180, 6)


def test_a_week_in_which_the_clocks_are_changed_is_counted_by_its_sessions(db: Database) -> None:
    """New York's hours are 13 to 19 UTC on Friday, 3 November, and 14 to 20 on Monday, of which one is absent."""
    friday = [datetime(2023, 11, 3, hour, tzinfo=UTC) for hour in range(13, 20)]
    monday = [datetime(2023, 11, 6, hour, tzinfo=UTC) for hour in (14, 15, 17, 18, 19, 20)]
    series = stored(db, "AAPL", hours(*friday, *monday), Timeframe.H1)

    findings = sweep(db, [series], IN_TIME)
    days = data_quality(db, "AAPL", now=datetime(2023, 11, 7, tzinfo=UTC))["daily_metrics"]

    assert [(gap["gap_time"], gap["missing_bars"]) for gap in findings.gaps] == [("2023-11-06T16:00:00Z", 1)]
    assert [(day["date"].day, day["total_records"], day["gaps_detected"]) for day in days] == [(6, 6, 1), (3, 7, 0)]
    assert [day["data_completeness"] for day in days] == [round(6 / 7, 6), 1.0]


def test_a_day_is_in_so_many_days_by_the_date_of_utc(db: Database) -> None:
    sweep(db, [stored(db, "AAPL", week(4, 5))], IN_TIME)

    def told(now: datetime, days: int) -> list[int]:
        return [day["date"].day for day in data_quality(db, "AAPL", days, now=now)["daily_metrics"]]

    late = datetime(2024, 3, 5, 23, 59, tzinfo=UTC)
    assert (told(late, 1), told(late + timedelta(minutes=1), 1), told(late, 2)) == ([5], [], [5, 4])
    year_on = datetime(2025, 3, 4, tzinfo=UTC)
    assert (told(year_on, 365), told(year_on - timedelta(days=1), 365)) == ([5], [5, 4])


def test_means_are_weighted_by_the_records_of_each_day(db: Database) -> None:
    """Of Monday 1 of 1 is valid, of Tuesday 8 of 11: 9 of 12, and not the mean of 100 and 72.73."""
    stored(db, "AAPL", week(4, 5))
    tuesday = minutes(datetime(2024, 3, 5, 15, tzinfo=UTC), 10, {3, 5, 7})
    sweep(db, [stored(db, "AAPL", tuesday, Timeframe.M1)], IN_TIME)

    told = data_quality(db, "AAPL", now=datetime(2024, 3, 9, tzinfo=UTC))
    newest, first = told["daily_metrics"]

    assert (first["validation_rate"], newest["validation_rate"]) == (100.0, 72.73)
    assert told["summary"]["avg_validation_rate"] == 75.0
    weighted = (first["avg_quality_score"] + 11 * newest["avg_quality_score"]) / 12
    assert told["summary"]["avg_quality_score"] == round(weighted, 4)


def test_a_session_in_tokyo_is_counted_without_its_lunch(db: Database) -> None:
    """From 9:00 to 11:30 and from 12:30 to 15:00, nine hours east of Greenwich."""
    tokyo = Series(Instrument("7203", AssetClass.STOCK, "XTKS"), Timeframe.M30)
    with db.transaction() as connection:
        instruments.add_series(connection, tokyo)
    opens = [datetime(2024, 3, day, tzinfo=UTC) for day in (*range(4, 9), *range(11, 16), 18, 19)]
    traded = [start + timedelta(minutes=30 * slot) for start in opens for slot in (*range(5), *range(7, 12))]
    _written(db, "7203", traded)

    assert sweep(db, [tokyo_of(db)], IN_TIME).gaps == []


def tokyo_of(db: Database) -> Series:
    with db.connection() as connection:
        return Series(instruments.find(connection, "7203"), Timeframe.M30)


def _written(db: Database, symbol: str, times: list[datetime]) -> None:
    with db.transaction() as connection:
        connection.execute(
            "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, validated)"
            " SELECT %s, 'stock', '30m', time, 10, 10.5, 9.5, 10, 90 + row_number() OVER (), true"
            " FROM unnest(%s::timestamptz[]) AS time",
            [symbol, times],
        )
