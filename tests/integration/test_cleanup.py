"""Duplicates in storage: the best bar of a slot stays, what goes is kept whole, and all of it can be undone."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal

from barhouse import features
from barhouse.database import DatabaseService
from barhouse.errors import Conflict, InvalidTimeframe, UnknownRecord, UnknownSymbol
from barhouse.flow import sessions
from barhouse.flow.ingest import Batch, keep
from barhouse.model import Timeframe
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import answer, kept, real

TUESDAY = datetime(2012, 1, 3, tzinfo=UTC)
BARS = b"SELECT * FROM bar ORDER BY instrument, timeframe, time"


def asked(db: Database, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(statement.encode(), parameters).fetchall()


def done(db: Database, statement: str) -> None:
    with db.connection() as connection:
        connection.execute(statement.encode())


def featured(db: Database) -> pl.DataFrame:
    """The features of all bars."""
    return db.frame(f"SELECT time, {', '.join(features.registry)} FROM bar_feature ORDER BY time".encode())


def written(db: Database, *rows: tuple[object, ...], symbol: str = "AAPL", timeframe: str = "1d") -> None:
    """Bars that another tool writes: time, close, validated, quality."""
    with db.transaction() as connection:
        for time, close, validated, quality in rows:
            connection.execute(
                """
                INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source,
                                         validated, quality_score)
                VALUES (%s, 'stock', %s, %s, 400, 500, 300, %s, 1000, 'elsewhere', %s, %s)
                """,
                [symbol, timeframe, time, close, validated, quality],
            )


@pytest.fixture
def service(database_url: str) -> Any:
    with DatabaseService(database_url) as service:
        yield service


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
        "cleanup_details": [
            {"symbol": "AAPL", "timeframe": "1d", "candle_time": TUESDAY, "duplicates_removed": 2},
            {
                "symbol": "AAPL",
                "timeframe": "1d",
                "candle_time": datetime(2012, 1, 4, tzinfo=UTC),
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
        ("1m", datetime(2012, 1, 3, 14, 30, tzinfo=UTC), 1),
        ("1m", datetime(2012, 1, 3, 14, 31, tzinfo=UTC), 1),
        ("1w", datetime(2012, 1, 2, tzinfo=UTC), 2),
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
        "cleanup_details": [],
    }
    with pytest.raises(UnknownSymbol):
        service.cleanup_duplicate_records("NOBODY")
    with pytest.raises(InvalidTimeframe):
        service.cleanup_duplicate_records(timeframe="2h")


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


@pytest.mark.every_server
def test_an_undone_cleanup_leaves_the_bars_as_they_were(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None), ("2012-01-03 14:30:00.25Z", float("nan"), True, 2.0))
    before = aapl.frame(BARS)
    enriched = featured(aapl)
    aapl.cleanup_duplicate_records()
    [(number, count, survivor)] = asked(
        aapl, "SELECT id, duplicate_count, survivor ->> 'time' FROM duplicate_records_log"
    )

    told = aapl.undo_cleanup(number)

    assert (count, datetime.fromisoformat(survivor).microsecond) == (2, 250_000), "the best one was astray"
    assert (told["id"], told["candle_time"], told["records_restored"]) == (number, TUESDAY, 2)
    assert aapl.frame(BARS).equals(before)
    assert_frame_equal(featured(aapl), enriched)
    assert asked(aapl, "SELECT bars, last_bar FROM series") == [(before.height, before["time"].max())]
    assert asked(aapl, "SELECT revised_at FROM series") == [(told["restored_at"],)]


def test_what_cannot_be_undone_is_refused_and_nothing_changes(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None))
    aapl.cleanup_duplicate_records()
    [(number,)] = asked(aapl, "SELECT id FROM duplicate_records_log")
    with pytest.raises(UnknownRecord):
        aapl.undo_cleanup(number + 1)

    aapl.undo_cleanup(number)
    before = aapl.frame(BARS)
    with pytest.raises(Conflict, match="undone already"):
        aapl.undo_cleanup(number)

    assert aapl.frame(BARS).equals(before)


def test_a_place_that_is_taken_by_now_is_not_taken_back(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None))
    aapl.cleanup_duplicate_records()
    written(aapl, ("2012-01-03 05:00Z", 404, False, None))
    [(number,)] = asked(aapl, "SELECT id FROM duplicate_records_log")
    before = aapl.frame(BARS)

    with pytest.raises(Conflict, match="stands at 2012-01-03T05:00:00Z by now"):
        aapl.undo_cleanup(number)

    assert aapl.frame(BARS).equals(before)


def test_a_survivor_that_was_restated_since_stays_where_it_is(service: DatabaseService) -> None:
    written(service, ("2012-01-03 05:00Z", 401, False, 0.2), ("2012-01-03 14:30Z", 402, True, 0.9), symbol="ACME")
    service.cleanup_duplicate_records()
    done(service, "UPDATE bar SET close = 410")
    [(number,)] = asked(service, "SELECT id FROM duplicate_records_log")

    with pytest.raises(Conflict, match="was changed since"):
        service.undo_cleanup(number)

    assert asked(service, "SELECT time, close FROM bar") == [(TUESDAY, 410)]


def test_a_cleanup_undone_and_cleaned_again_is_a_cleanup_of_its_own(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None))
    clean = aapl.cleanup_duplicate_records()
    [(number,)] = asked(aapl, "SELECT id FROM duplicate_records_log")
    aapl.undo_cleanup(number)

    assert aapl.cleanup_duplicate_records() == clean
    rows = asked(aapl, "SELECT restored_at IS NULL, run_id FROM duplicate_records_log ORDER BY id")
    assert [still for still, _ in rows] == [False, True]
    assert len({run for _, run in rows}) == 2


def test_an_hour_of_half_an_hour_is_one_slot(service: DatabaseService) -> None:
    hours = ["2024-03-04 14:00Z", "2024-03-04 14:30Z", "2024-03-04 15:00Z"]
    written(service, *((hour, 400, False, None) for hour in hours), symbol="ACME", timeframe=Timeframe.H1)
    written(service, *((hour, 400, False, None) for hour in hours), symbol="ACME", timeframe=Timeframe.H4)

    told = service.cleanup_duplicate_records()

    slots = [
        (slot["timeframe"], slot["candle_time"].hour, slot["candle_time"].minute) for slot in told["cleanup_details"]
    ]
    assert slots == [("1h", 14, 0), ("4h", 14, 30)]


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


def test_what_was_known_before_and_between_stays_as_it_was_read_then(aapl: DatabaseService) -> None:
    series = kept(aapl, "AAPL")
    written(aapl, ("2012-01-03 05:00Z", 401, True, 2.0), ("2012-01-03 14:30Z", 402, False, None))
    read = [aapl.bars(Selection(series))]
    moments = asked(aapl, "SELECT revised_at FROM series")
    aapl.cleanup_duplicate_records()
    [(number,)] = asked(aapl, "SELECT id FROM duplicate_records_log")
    read.append(aapl.bars(Selection(series)))
    moments += asked(aapl, "SELECT revised_at FROM series")
    aapl.undo_cleanup(number)
    read.append(aapl.bars(Selection(series)))
    moments += asked(aapl, "SELECT revised_at FROM series")

    told = [aapl.bars(Selection(series, as_of=moment)) for (moment,) in moments]

    judged = ["validated", "quality_score", "flags"]
    assert [frame.height for frame in read] == [602, 600, 602]
    for then, now in zip(read, told, strict=True):
        assert_frame_equal(now.drop(judged), then.drop(judged))


CLEANER = "import sys; from barhouse import DatabaseService; DatabaseService(sys.argv[1]).cleanup_duplicate_records()"


@pytest.fixture
def crowd(database_url: str) -> list[str]:
    """Symbols of which each has thirty days, ten of them doubled."""
    symbols = [f"SYM{number:02}" for number in range(40)]
    rows = """
        INSERT INTO market_data (symbol, timeframe, time, open, high, low, close, volume, source, validated)
        SELECT symbol, '1d', date + hours * interval '1 hour', 10, 11, 9, 10, 5, 'elsewhere', hours = 0
        FROM unnest(%s::text[]) AS symbol, generate_series(0, 14, 14) AS hours,
             (SELECT date, row_number() OVER (ORDER BY date) AS nth FROM session
              WHERE exchange = 'XNYS' AND date >= '2012-01-01' ORDER BY date LIMIT 30) AS days
        WHERE hours = 0 OR nth %% 3 = 0
    """
    with psycopg.connect(database_url) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(rows.encode(), [symbols])
    return symbols


def cleaner(url: str) -> subprocess.Popen[bytes]:
    """A cleanup in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", CLEANER, url])


def left(db: Database) -> dict[str, tuple[int, int]]:
    """How many bars each symbol has, and how many of its slots were cleaned."""
    bars = dict(asked(db, "SELECT symbol, count(*) FROM market_data GROUP BY symbol"))
    cleaned = dict(asked(db, "SELECT symbol, count(*) FROM duplicate_records_log GROUP BY symbol"))
    return {symbol: (count, cleaned.get(symbol, 0)) for symbol, count in bars.items()}


def test_a_cleanup_that_is_killed_leaves_whole_series(db: DatabaseService, database_url: str, crowd: list[str]) -> None:
    [(bars, cleaned)] = set(left(db).values())
    doubled = bars - len(asked(db, "SELECT DISTINCT time::date FROM bar"))
    assert (cleaned, doubled) == (0, 10)

    with cleaner(database_url) as process:
        while not asked(db, "SELECT FROM duplicate_records_log LIMIT 1"):
            time.sleep(0.001)
        process.kill()

    after = left(db)
    assert set(after.values()) <= {(bars, 0), (bars - doubled, doubled)}
    assert (bars - doubled, doubled) in after.values()
    with cleaner(database_url) as first, cleaner(database_url) as second:
        assert (first.wait(), second.wait()) == (0, 0)
    assert left(db) == dict.fromkeys(crowd, (bars - doubled, doubled))
