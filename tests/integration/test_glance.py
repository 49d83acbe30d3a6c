"""Whether all is well, at one glance: expected by pencil and the exchange's calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from barhouse import DatabaseService
from barhouse.config import Settings
from barhouse.flow import glance
from barhouse.flow.condition import Freshness, aged
from barhouse.flow.jobs import request
from barhouse.flow.plan import Wanted
from barhouse.flow.scheduling import pause, timetable
from barhouse.flow.track import track
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.store import schedules
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name

MONDAY = datetime(2026, 11, 23, 5, tzinfo=UTC)
"""Midnight in New York, after a weekend; no holiday is near but Thanksgiving on Thursday."""

SINCE = datetime(2026, 1, 1, tzinfo=UTC)

BAR = """
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated,
                         quality_score, extended, forming)
VALUES (%s, %s, %s, %s, 1, 1, 1, 1, 1, 'yahoo', true, 1, false, false)
"""


def kept(db: Database, symbol: str, asset_class: AssetClass, timeframe: Timeframe, newest: str | None) -> Series:
    """A tracked series with one bar, or none."""
    [series] = track(db, [Instrument(symbol, asset_class)], [timeframe], SINCE)
    if newest:
        with db.connection() as connection:
            connection.execute(BAR, [symbol, asset_class, timeframe, newest])
    return series


def wanted(series: Series) -> Wanted:
    return Wanted(series, Span(SINCE, MONDAY))


def reasons(db: Database) -> dict[str, str]:
    told = glance.seen(db, MONDAY).now.reasons
    return {each.words: each.severity for each in told}


@pytest.fixture
def service(database_url: str) -> DatabaseService:
    return DatabaseService(database_url)


def test_a_series_is_as_late_as_its_market_says(db: Database, service: DatabaseService) -> None:
    stock, crypto = AssetClass.STOCK, AssetClass.CRYPTO
    kept(db, "FRIDAY", stock, Timeframe.D1, "2026-11-20Z")
    kept(db, "WEDNESDAY", stock, Timeframe.D1, "2026-11-18Z")
    kept(db, "LONGAGO", stock, Timeframe.D1, "2026-11-10Z")
    kept(db, "NEVER", stock, Timeframe.D1, None)
    kept(db, "BTC", crypto, Timeframe.H1, "2026-11-23 03:00Z")
    kept(db, "ETH", crypto, Timeframe.H1, "2026-11-23 01:00Z")
    kept(db, "BROKEN", stock, Timeframe.D1, "2026-11-20Z")
    with service:
        execution = service.create_backfill_state("BROKEN")
        service.update_backfill_state(execution, "failed", error_message="polygon: 503")

    found = {each.instrument.symbol: each for each in aged(db, MONDAY)}

    assert {symbol: each.freshness for symbol, each in found.items()} == {
        "FRIDAY": Freshness.FRESH,
        "WEDNESDAY": Freshness.STALE,
        "LONGAGO": Freshness.OLD,
        "NEVER": Freshness.ABSENT,
        "BTC": Freshness.FRESH,
        "ETH": Freshness.LATE,
        "BROKEN": Freshness.FAILED,
    }
    # Thursday's bar was due at 16:15 in New York: the rest of Thursday, and Friday
    assert found["WEDNESDAY"].overdue == pytest.approx((7.75 + 24) * 3600)
    assert found["ETH"].overdue == pytest.approx(1.75 * 3600)
    assert found["FRIDAY"].newest == datetime(2026, 11, 20, 21, tzinfo=UTC)
    assert found["BROKEN"].error == "polygon: 503"


def test_what_is_not_kept_up_to_date_is_never_late(db: Database) -> None:
    kept(db, "AAPL", AssetClass.STOCK, Timeframe.D1, "2026-11-20Z")
    with db.connection() as connection:
        connection.execute(BAR, ["AAPL", "stock", "1w", "2020-01-06Z"])
        connection.execute(BAR, ["OLD", "stock", "1d", "2020-01-06Z"])

    assert [(each.instrument.symbol, each.timeframe, each.freshness) for each in aged(db, MONDAY)] == [
        ("AAPL", "1d", Freshness.FRESH),
        ("AAPL", "1w", Freshness.IDLE),
        ("OLD", "1d", Freshness.IDLE),
    ]


def test_without_a_scheduler_nothing_is_well(db: Database) -> None:
    seen = glance.seen(db, MONDAY).now

    assert seen.status == "critical"
    assert [(each.severity, each.about) for each in seen.reasons] == [("critical", "schedules")]


def test_with_a_scheduler_and_nothing_wrong_all_is_well(db: Database) -> None:
    table = timetable(Settings())
    with db.connection() as leader:
        schedules.lead(leader, "here", table.told())
        schedules.arrange(leader, table.arranged(MONDAY), {}, MONDAY)
        well = glance.seen(db, MONDAY).now
        pause(db, Name.BACKFILL, "somebody")
        held = reasons(db)

    assert (well.status, well.reasons) == ("healthy", [])
    assert held == {"Paused: backfill": "warning"}


def test_work_for_which_nobody_is_there_is_told(db: Database) -> None:
    request(db, Kind.ENRICHMENT, [wanted(kept(db, "AAPL", AssetClass.STOCK, Timeframe.D1, None))], by="test")

    told = reasons(db)
    with db.connection() as connection:
        connection.execute("INSERT INTO barhouse_queue.procrastinate_workers DEFAULT VALUES")
    with_a_worker = reasons(db)

    assert told["1 series wait, and no worker runs"] == "critical"
    assert not [words for words in with_a_worker if "wait" in words]


def test_who_looks_on_sees_what_was_seen_and_who_comes_sees_what_is(db: Database) -> None:
    first = glance.seen(db, MONDAY)
    kept(db, "AAPL", AssetClass.STOCK, Timeframe.D1, "2026-11-20Z")

    looked_on, came = glance.seen(db, MONDAY, age=60), glance.seen(db, MONDAY)

    assert looked_on is first
    assert [each.instrument.symbol for each in came.series] == ["AAPL"]


def test_the_map_has_the_worst_instruments_first_and_the_timeframes_in_their_order(db: Database) -> None:
    kept(db, "FINE", AssetClass.STOCK, Timeframe.D1, "2026-11-20Z")
    kept(db, "WORSE", AssetClass.STOCK, Timeframe.D1, "2026-11-10Z")
    kept(db, "WORSE", AssetClass.STOCK, Timeframe.H1, None)

    found = glance.heat(db, aged(db, MONDAY), list(Timeframe))

    assert found.timeframes == ["1h", "1d"]
    assert [(instrument.symbol, list(own)) for instrument, own in found.rows] == [
        ("WORSE", ["1h", "1d"]),
        ("FINE", ["1d"]),
    ]


def test_vendors_are_told_with_their_failures_and_how_long_answers_took(db: Database) -> None:
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, success, error_details, "
            "source_response_time_ms, created_at) "
            "SELECT 'AAPL', 'stock', '1d', 'polygon', n <> 4, CASE n WHEN 4 THEN 'reset' END, 100 * n, %(now)s "
            "FROM generate_series(1, 4) n "
            "UNION ALL SELECT 'AAPL', 'stock', '1d', 'yahoo', true, NULL, 10, %(now)s::timestamptz - interval '2 days'",
            {"now": MONDAY},
        )

    [polygon] = glance.vendors(db, MONDAY)

    assert (polygon["source"], polygon["fetches"], polygon["failed"], polygon["error"]) == ("polygon", 4, 1, "reset")
    assert (polygon["median_ms"], polygon["p95_ms"], polygon["in_a_row"]) == (250, 385, 1)


def test_days_are_put_together_by_their_records(db: Database) -> None:
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO data_quality_metrics (symbol, asset_class, metric_date, total_records, validated_records, "
            "gaps_detected, anomalies_detected, avg_quality_score, data_completeness) VALUES "
            "('A', 'stock', '2026-11-20', 100, 90, 1, 2, 0.9, 1.0), "
            "('B', 'stock', '2026-11-20', 300, 300, 0, 1, 1.0, 0.5), "
            "('A', 'stock', '2026-10-01', 1, 1, 0, 0, 1.0, 1.0)"
        )

    [day] = glance.trend(db, 30, MONDAY)

    assert (day["records"], day["gaps"], day["anomalies"]) == (400, 1, 3)
    assert (day["validated"], day["score"], day["completeness"]) == (0.975, 0.975, 0.75)


def test_the_warehouse_is_weighed(db: Database) -> None:
    told = glance.storage(db, None)

    assert told.bytes > sum(size for _, size in told.tables) / 2 > 0
    assert (told.free, told.total) == (None, None)
