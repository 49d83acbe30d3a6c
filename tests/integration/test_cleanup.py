"""Duplicates in storage: the best bar of a slot stays, and what goes is gone once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from polars.testing import assert_frame_equal

from barhouse.database import DatabaseService
from barhouse.errors import InvalidTimeframe, UnknownSymbol
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import Timeframe, instant
from tests.answers import answer, kept, real
from tests.integration.doubled import BARS, TUESDAY, asked, done, featured, written


@pytest.fixture
def aapl(service: DatabaseService) -> DatabaseService:
    """A warehouse with the real days of AAPL."""
    keep(service, Batch([answer(kept(service, "AAPL"), real("AAPL").tail(600))], sessions.calendar(service, "XNYS")))
    return service


@pytest.mark.every_server
def test_what_other_tools_wrote_into_a_slot_goes_and_the_validated_bar_stays(aapl: DatabaseService) -> None:
    before = aapl.frame(BARS)
    written(aapl, ("2012-01-03 05:00Z", 401, False, None), ("2012-01-03 14:30Z", 402, False, 0.99))
    written(aapl, ("2012-01-04 21:00Z", 403, False, None))

    told = aapl.cleanup_duplicate_records("AAPL", "1d")

    assert told == {
        "total_duplicates_found": 2,
        "total_records_removed": 3,
        "failed_checks": [],
        "cleanup_details": [
            {"symbol": "AAPL", "timeframe": "1d", "candle_time": instant(TUESDAY), "duplicates_removed": 2},
            {
                "symbol": "AAPL",
                "timeframe": "1d",
                "candle_time": "2012-01-04T00:00:00Z",
                "duplicates_removed": 1,
            },
        ],
    }
    assert aapl.frame(BARS).equals(before)
    assert asked(aapl, "SELECT bars FROM series") == [(before.height,)]


def test_a_dry_run_tells_the_same_and_changes_nothing(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None), ("2012-01-03 14:30Z", 402, False, 0.99))
    before, revision = aapl.frame(BARS), asked(aapl, "SELECT revision FROM series")

    dry = aapl.cleanup_duplicate_records(dry_run=True)

    assert (dry["total_duplicates_found"], dry["total_records_removed"]) == (1, 0)
    assert aapl.frame(BARS).equals(before)
    assert asked(aapl, "SELECT revision FROM series") == revision
    assert asked(aapl, "SELECT count(*) FROM duplicate_records_log") == [(0,)]
    assert aapl.cleanup_duplicate_records()["cleanup_details"] == dry["cleanup_details"]


def test_what_was_told_of_a_slot_is_resolved_when_it_is_cleaned(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 14:30Z", 402, False, None), ("2012-01-04 21:00Z", 403, False, None))
    told = "SELECT resolution_status, count(*) FROM data_anomalies WHERE anomaly_type = 'duplicate' GROUP BY 1"
    aapl.detect_data_anomalies()
    aapl.cleanup_duplicate_records(dry_run=True)
    assert asked(aapl, told) == [("open", 2)]

    aapl.cleanup_duplicate_records()
    assert asked(aapl, told) == [("resolved", 2)]


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([("05:00Z", 401, False, 0.99), ("14:30Z", 402, True, 0.9), ("21:00Z", 403, True, 0.86)], 402),
        ([("00:00Z", 401, False, 0.5), ("14:30Z", 402, False, None), ("21:00Z", 403, False, 0.6)], 403),
        ([("05:00Z", 401, True, 0.9), ("14:30Z", 402, True, 0.9)], 402),
        ([("00:00Z", 401, False, None), ("05:00Z", 402, False, None)], 402),
    ],
)
def test_the_best_bar_stays_and_stands_at_the_slot_from_then_on(
    service: DatabaseService, rows: list[tuple[str, float, bool, float | None]], best: float
) -> None:
    written(service, *((f"2012-01-03 {clock}", *row) for clock, *row in rows), symbol="ACME")

    told = service.cleanup_duplicate_records(symbol="ACME")

    assert told["total_records_removed"] == len(rows) - 1
    assert asked(service, "SELECT time, close FROM market_data") == [(TUESDAY, best)]
    assert asked(service, "SELECT bars, first_bar, last_bar FROM series") == [(1, TUESDAY, TUESDAY)]


def test_a_bar_that_nobody_judged_is_not_judged_by_being_moved(service: DatabaseService) -> None:
    written(service, ("2012-01-03 05:00Z", 401, False, None), ("2012-01-03 14:30Z", 402, False, None), symbol="ACME")

    service.cleanup_duplicate_records()

    assert asked(service, "SELECT validated, quality_score FROM bar") == [(False, None)]


def test_a_moved_survivor_is_enriched_where_it_stands_now(aapl: DatabaseService) -> None:
    rows = real("AAPL").tail(600)
    whole = featured(aapl)
    done(aapl, "UPDATE bar SET time = time + interval '5 hours' WHERE time = '2012-01-03'")
    done(aapl, "DELETE FROM bar_feature WHERE time >= '2012-01-03'")
    written(aapl, ("2012-01-03 14:30Z", 402, False, None))

    aapl.cleanup_duplicate_records()

    assert aapl.frame(b"SELECT time, close FROM bar ORDER BY time").equals(rows.select("time", "close"))
    assert_frame_equal(featured(aapl), whole)


def test_features_that_no_duplicate_was_in_are_not_written_again(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None))
    versions = "SELECT xmin::text, ctid::text FROM bar_feature ORDER BY time"
    before = asked(aapl, versions)

    aapl.cleanup_duplicate_records()

    assert asked(aapl, versions) == before


def test_a_slot_holds_what_its_timeframe_says(service: DatabaseService) -> None:
    minutes = [("14:30:00Z", 1), ("14:30:17Z", 2), ("14:31:00Z", 3), ("14:31:59.5Z", 4), ("14:33:20Z", 5)]
    rows = [(f"2012-01-03 {clock}", close, close % 2 == 1, 0.9) for clock, close in minutes]
    written(service, *rows, symbol="ACME", timeframe="1m")
    week = ["2012-01-01 00:00Z", "2012-01-02 00:00Z", "2012-01-05 00:00Z", "2012-01-09 14:30Z"]
    written(service, *((day, 400, day == week[1], 0.9) for day in week), symbol="ACME", timeframe="1w")

    told = service.cleanup_duplicate_records(["ACME"])

    assert [
        (slot["timeframe"], slot["candle_time"], slot["duplicates_removed"]) for slot in told["cleanup_details"]
    ] == [
        ("1m", "2012-01-03T14:30:00Z", 1),
        ("1m", "2012-01-03T14:31:00Z", 1),
        ("1w", "2012-01-02T00:00:00Z", 2),
    ]
    alone = datetime(2012, 1, 3, 14, 33, 20, tzinfo=UTC)
    assert (alone,) in asked(service, "SELECT time FROM bar WHERE timeframe = 1"), (
        "alone in its slot it is no duplicate"
    )


def test_a_bar_on_a_day_without_a_session_doubles_nothing(service: DatabaseService) -> None:
    written(service, ("2012-01-01 05:00Z", 1, False, None), ("2012-01-01 14:30Z", 2, False, None), symbol="ACME")

    assert service.cleanup_duplicate_records()["total_duplicates_found"] == 0


def test_only_the_series_that_are_meant_are_cleaned(service: DatabaseService) -> None:
    for symbol in ("ACME", "BOLT"):
        doubled = [("2012-01-03 05:00Z", 1, False, None), ("2012-01-03 14:30Z", 2, False, None)]
        written(service, *doubled, symbol=symbol)
        written(service, *doubled, symbol=symbol, timeframe="1w")

    told = service.cleanup_duplicate_records("bolt", "1w")

    assert [(slot["symbol"], slot["timeframe"]) for slot in told["cleanup_details"]] == [("BOLT", "1w")]
    assert service.cleanup_duplicate_records(asset_class="crypto")["total_duplicates_found"] == 0
    assert service.cleanup_duplicate_records()["total_duplicates_found"] == 3


def test_nobody_and_nothing_is_told_apart(service: DatabaseService) -> None:
    assert service.cleanup_duplicate_records() == {
        "total_duplicates_found": 0,
        "total_records_removed": 0,
        "failed_checks": [],
        "cleanup_details": [],
    }
    with pytest.raises(UnknownSymbol):
        service.cleanup_duplicate_records("NOBODY")
    with pytest.raises(InvalidTimeframe):
        service.cleanup_duplicate_records(timeframe="2h")


def test_an_instrument_of_an_unknown_exchange_hinders_no_other(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 14:30Z", 402, False, None))
    written(aapl, ("2012-01-03 14:30Z", 402, False, None), symbol="NOWHERE")
    done(aapl, "UPDATE instrument SET exchange = 'XNOPE' WHERE symbol = 'NOWHERE'")

    told = aapl.cleanup_duplicate_records()

    assert told["total_records_removed"] == 1
    [failed] = told["failed_checks"]
    assert (failed["symbol"], failed["timeframe"]) == ("NOWHERE", "1d")
    assert "XNOPE" in failed["reason"]


def test_twice_at_once_cleans_once(aapl: DatabaseService, database_url: str) -> None:
    rows = [(f"2011-{month:02}-0{day} 14:30Z", 400, False, None) for month in range(1, 13) for day in range(1, 10)]
    written(aapl, *rows)
    found = aapl.cleanup_duplicate_records(dry_run=True)["total_duplicates_found"]

    with DatabaseService(database_url) as other, ThreadPoolExecutor(4) as at_once:
        runs = list(at_once.map(lambda db: db.cleanup_duplicate_records(), [aapl, other, aapl, other]))

    assert found > 60
    assert sum(run["total_records_removed"] for run in runs) == found
    assert asked(aapl, "SELECT count(*), count(DISTINCT candle_time) FROM duplicate_records_log") == [(found, found)]
    assert aapl.cleanup_duplicate_records()["total_duplicates_found"] == 0


def test_an_hour_of_half_an_hour_is_one_slot(service: DatabaseService) -> None:
    hours = ["2024-03-04 14:00Z", "2024-03-04 14:30Z", "2024-03-04 15:00Z"]
    written(service, *((hour, 400, False, None) for hour in hours), symbol="ACME", timeframe=Timeframe.H1)
    written(service, *((hour, 400, False, None) for hour in hours), symbol="ACME", timeframe=Timeframe.H4)

    told = service.cleanup_duplicate_records()

    slots = [(slot["timeframe"], slot["candle_time"]) for slot in told["cleanup_details"]]
    assert slots == [("1h", "2024-03-04T14:00:00Z"), ("4h", "2024-03-04T14:30:00Z")]


def test_bars_between_the_slots_bear_on_nobody(service: DatabaseService) -> None:
    days = real("AAPL").tail(300)
    astray = [(f"{day:%Y-%m-%d} 14:30Z", 9_999, True, 0.9) for day in days["time"][::3]]
    for symbol in ("AAPL", "PLAIN"):
        keep(service, Batch([answer(kept(service, symbol), days.head(200))], sessions.calendar(service, "XNYS")))
    written(service, *astray)
    for symbol in ("AAPL", "PLAIN"):
        keep(service, Batch([answer(kept(service, symbol), days)], sessions.calendar(service, "XNYS")))

    own, plain = (
        service.frame(
            f"SELECT b.flags, b.quality_score, f.* FROM bar b JOIN bar_feature f USING (instrument, timeframe, time) "
            f"JOIN instrument i ON i.id = b.instrument WHERE symbol = '{symbol}' ORDER BY b.time".encode()
        )
        for symbol in ("AAPL", "PLAIN")
    )

    assert_frame_equal(own.drop("instrument"), plain.drop("instrument"))
