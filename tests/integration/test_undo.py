"""A cleanup is undone, known of, and killed: nothing is ever half done or lost."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime

import psycopg
import pytest
from polars.testing import assert_frame_equal

from barhouse.database import DatabaseService
from barhouse.errors import Conflict, UnknownRecord
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.correct import correct
from barhouse.flow.ingest import keep
from barhouse.flow.sweep import sweep
from barhouse.model import instant, moment
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import answer, kept, real
from tests.integration.doubled import BARS, TUESDAY, asked, done, featured, written


@pytest.fixture
def aapl(service: DatabaseService) -> DatabaseService:
    """A warehouse with the real days of AAPL."""
    keep(service, Batch([answer(kept(service, "AAPL"), real("AAPL").tail(600))], sessions.calendar(service, "XNYS")))
    return service


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
    assert (told["id"], told["candle_time"], told["records_restored"]) == (number, instant(TUESDAY), 2)
    assert aapl.frame(BARS).equals(before)
    assert_frame_equal(featured(aapl), enriched)
    assert asked(aapl, "SELECT bars, last_bar FROM series") == [(before.height, before["time"].max())]
    assert asked(aapl, "SELECT revised_at FROM series") == [(moment(told["restored_at"]),)]


@pytest.mark.parametrize("time", ["2012-01-03 05:00Z", "2012-01-03 14:30Z"])
def test_an_undone_cleanup_is_a_duplicate_again_at_once(aapl: DatabaseService, time: str) -> None:
    """As a sweep finds it, whichever bar had stayed."""
    series = [kept(aapl, "AAPL")]
    fault = "SELECT evidence, severity, description FROM data_anomalies WHERE anomaly_type = 'duplicate'"
    written(aapl, (time, 401, False, 2.0 if "14" in time else None))
    sweep(aapl, series)
    before = asked(aapl, fault)
    aapl.cleanup_duplicate_records()
    assert asked(aapl, fault + " AND resolution_status <> 'resolved'") == []

    aapl.undo_cleanup(asked(aapl, "SELECT id FROM duplicate_records_log")[0][0])

    assert asked(aapl, fault + " AND resolution_status = 'open'") == before
    sweep(aapl, series)
    assert asked(aapl, fault + " AND resolution_status = 'open'") == before


def test_a_correction_of_the_survivor_and_the_undo_of_its_cleanup_are_both_on_record(aapl: DatabaseService) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None))
    aapl.cleanup_duplicate_records()
    [(number,)] = asked(aapl, "SELECT id FROM duplicate_records_log")
    correct(aapl, "AAPL", "2012-01-03", {"close": 411.5}, reason="typo", author="ann")

    told = aapl.undo_cleanup(number)

    assert told["records_restored"] == 1
    assert asked(aapl, "SELECT close FROM bar WHERE time::date = '2012-01-03' ORDER BY time") == [(411.5,), (401.0,)]
    assert asked(aapl, "SELECT field_corrected, new_value::float FROM data_corrections") == [("close", 411.5)]
    assert asked(aapl, "SELECT count(*) FROM duplicate_records_log WHERE restored_at IS NOT NULL") == [(1,)]


def test_a_bar_that_nobody_had_judged_comes_back_so(service: DatabaseService) -> None:
    written(service, ("2012-01-03 00:00Z", 401, False, None), ("2012-01-03 14:30Z", 402, True, 0.9), symbol="ACME")
    before = service.frame(BARS)
    service.cleanup_duplicate_records()
    assert asked(service, "SELECT time, close FROM bar") == [(TUESDAY, 402)]

    service.undo_cleanup(asked(service, "SELECT id FROM duplicate_records_log")[0][0])

    assert service.frame(BARS).equals(before)


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
