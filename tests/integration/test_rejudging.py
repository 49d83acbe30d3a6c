"""Rows in quarantine, looked at again: what passes today, and what a human releases, becomes a bar with its proof."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from barhouse import features
from barhouse.database import DatabaseService
from barhouse.errors import Conflict, InvalidParameter, UnknownRecord
from barhouse.flow import imports, sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import ACTIONS, Series, Timeframe, instant
from barhouse.sources.base import Fetched
from barhouse.store import instruments
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import answer, kept, real
from tests.integration.doubled import asked

HOLIDAY = datetime(2012, 1, 16, tzinfo=UTC)
"""Martin Luther King's day."""
BEFORE = datetime(2012, 1, 13, tzinfo=UTC)
TUESDAY = datetime(2012, 1, 17, tzinfo=UTC)
BARS = b"SELECT * FROM bar ORDER BY time"
POLYGON = {"time": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
LATER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def aapl(service: DatabaseService) -> Series:
    return kept(service, "AAPL")


def rows(**fault: float | None) -> pl.DataFrame:
    """Three hundred real days to March 2012, of which the 17th of January has a fault."""
    days = real("AAPL").filter(pl.col("time") < datetime(2012, 3, 1, tzinfo=UTC)).tail(300)
    faulty = pl.col("time") == TUESDAY
    spoilt = [pl.when(faulty).then(pl.lit(value)).otherwise(name).alias(name) for name, value in fault.items()]
    return days.with_columns(spoilt)


def as_polygon(series: Series, days: pl.DataFrame, **more: Any) -> Fetched:
    """Polygon's answer with these bars, as its adapter reads it."""
    came = answer(series, days, **more)
    raw = days.select(list(POLYGON)).with_columns(pl.col("time").dt.epoch("ms")).rename(POLYGON)
    return replace(came, raw=raw)


def keep_one(db: Database, fetched: Fetched) -> Fetch:
    [told] = keep(db, Batch([fetched], sessions.calendar(db, fetched.series.instrument.exchange)))
    return told


def numbers(db: Database) -> list[int]:
    return [number for (number,) in asked(db, "SELECT id FROM quarantine ORDER BY id")]


def held_back(db: Database, series: Series, days: pl.DataFrame, time: datetime, reason: str) -> Fetch:
    """Keep Polygon's answer but for one of its rows, which a check of then took for none."""
    fetched = as_polygon(series, days)
    at = int((days["time"] == time).arg_true()[0])
    told = keep_one(db, replace(fetched, bars=fetched.bars.filter(pl.col("origin") != at)))
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO quarantine (instrument, timeframe, time, source, fetch_id, reason, payload) "
            "SELECT %s, 7, %s, code, %s, %s, %s FROM source WHERE name = 'polygon'",
            [series.instrument.number, time, told.id, reason, json.dumps(fetched.raw.row(at, named=True))],
        )
    return told


@pytest.fixture
def held(service: DatabaseService, aapl: Series) -> pl.DataFrame:
    """Real days, of which one is in quarantine though nothing is wrong with it."""
    days = rows()
    assert held_back(service, aapl, days, TUESDAY, "high_too_low").inserted == 299
    return days


@pytest.mark.every_server
def test_what_passes_the_checks_of_today_becomes_a_bar(
    service: DatabaseService, aapl: Series, held: pl.DataFrame
) -> None:
    coverage = asked(service, "SELECT span_start, span_end, read_at FROM coverage")

    told = service.rejudge()

    [number] = numbers(service)
    row = {"id": number, "symbol": "AAPL", "asset_class": "stock", "timeframe": "1d", "time": instant(TUESDAY)}
    assert told == {"judged": 1, "released": 1, "rows": [{**row, "released": True, "reason": None}]}
    names = ["time", "open", "high", "low", "close", "volume"]
    assert service.frame(BARS).select(names).equals(held.select(names))
    assert asked(service, "SELECT validated, extended FROM bar WHERE time = %s", TUESDAY) == [(True, False)]
    [(stamped, fetched, inserted, calls, source)] = asked(
        service,
        "SELECT stamped_at, records_fetched, records_inserted, calls, source FROM enrichment_fetch_log "
        "WHERE id = (SELECT fetch_id FROM bar WHERE time = %s)",
        TUESDAY,
    )
    assert (fetched, inserted, calls, source) == (1, 1, 0, "polygon")
    assert asked(service, "SELECT revised_at, bars FROM series") == [(stamped, 300)]
    assert asked(service, "SELECT status, released_at FROM quarantine") == [("released", stamped)]
    assert asked(service, "SELECT span_start, span_end, read_at FROM coverage") == coverage


def test_features_are_those_of_a_bar_that_had_come_with_the_others(
    service: DatabaseService, aapl: Series, held: pl.DataFrame
) -> None:
    service.rejudge("AAPL", "1d")
    keep_one(service, as_polygon(kept(service, "WHOLE"), held))

    names = ", ".join(features.registry)
    mine, whole = (
        service.frame(
            f"SELECT f.time, {names} FROM bar_feature f JOIN instrument i ON i.id = f.instrument "
            f"WHERE symbol = '{symbol}' ORDER BY f.time".encode()
        )
        for symbol in ("AAPL", "WHOLE")
    )
    assert_frame_equal(mine, whole)
    scores = asked(service, "SELECT time, quality_score, flags FROM bar ORDER BY time, instrument")
    assert scores[::2] == scores[1::2]


def test_twice_or_twice_at_once_releases_once(service: DatabaseService, aapl: Series, held: pl.DataFrame) -> None:
    with ThreadPoolExecutor(2) as at_once:
        both = list(at_once.map(lambda _: service.rejudge(), range(2)))
    before = service.frame(BARS)

    assert sum(told["released"] for told in both) == 1
    assert service.rejudge() == {"judged": 0, "released": 0, "rows": []}
    assert service.rejudge(ids=numbers(service))["judged"] == 0
    assert service.frame(BARS).equals(before)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [({"high": 1.0}, "high_too_low"), ({"close": None}, "missing_field"), ({"volume": -5.0}, "negative_volume")],
)
def test_what_still_fails_stays_with_its_reason(
    service: DatabaseService, aapl: Series, fault: dict[str, float | None], reason: str
) -> None:
    keep_one(service, as_polygon(aapl, rows(**fault)))
    before = service.frame(BARS)

    told = service.rejudge()

    assert (told["judged"], told["released"], told["rows"][0]["reason"]) == (1, 0, reason)
    assert asked(service, "SELECT status, released_at FROM quarantine") == [("quarantined", None)]
    assert service.frame(BARS).equals(before)


def test_another_tale_of_a_stored_bar_is_no_restatement(service: DatabaseService, aapl: Series) -> None:
    days = rows()
    twice = pl.concat([days.filter(pl.col("time") == TUESDAY).with_columns(close="open"), days])
    keep_one(service, as_polygon(aapl, twice))
    before = service.frame(BARS)

    told = service.rejudge()

    assert asked(service, "SELECT reason, time FROM quarantine") == [("duplicate", TUESDAY)]
    assert told["rows"][0]["reason"] == "a bar is stored in its slot"
    assert service.frame(BARS).equals(before)
    with pytest.raises(Conflict, match="a bar is stored in its slot"):
        service.release(numbers(service), reason="sure", author="ann")


def test_a_row_that_takes_the_place_of_a_stored_bar_is_a_correction_by_hand(
    service: DatabaseService, aapl: Series
) -> None:
    days = rows()
    twice = pl.concat([days.filter(pl.col("time") == TUESDAY).with_columns(close="open"), days])
    keep_one(service, as_polygon(aapl, twice))
    [opened] = days.filter(pl.col("time") == TUESDAY)["open"]

    told = service.release(numbers(service), reason="the first tale was true", author="ann", replace=True)

    assert told["released"] == 1
    assert asked(service, "SELECT close FROM bar WHERE time = %s", TUESDAY) == [(opened,)]
    corrections = "SELECT field_corrected, new_value, reason, corrected_by, note FROM data_corrections"
    assert asked(service, corrections) == [("close", opened, "manual_correction", "ann", "the first tale was true")]
    assert asked(service, "SELECT status, decided_by FROM quarantine") == [("released", "ann")]
    with pytest.raises(Conflict, match="was released already"):
        service.release(numbers(service), reason="the first tale was true", author="ann", replace=True)


def test_an_impossible_row_takes_no_bars_place(service: DatabaseService, aapl: Series) -> None:
    keep_one(service, as_polygon(aapl, rows(high=1.0)))
    keep_one(service, as_polygon(aapl, rows()))
    before = service.frame(BARS)

    with pytest.raises(InvalidParameter, match="That would be no bar any more"):
        service.release(numbers(service), reason="sure", author="ann", replace=True)

    assert service.frame(BARS).equals(before)
    assert asked(service, "SELECT status FROM quarantine") == [("quarantined",)]


def test_an_imported_file_tells_its_duplicates_and_one_can_be_released(
    service: DatabaseService, aapl: Series, tmp_path: Path
) -> None:
    file = tmp_path / "aapl.csv"
    lines = ["2012-01-13,10,11,9,10,100", "2012-01-13,10,11,9,10.5,100", "2012-01-17,10,9,9,10,100"]
    file.write_text("\n".join(["date,open,high,low,close,volume", *lines]))

    imported = imports.take(service, file, aapl, zone="UTC", now=LATER)

    assert {row["reason"] for row in imported.quarantined} == {"duplicate", "high_too_low"}
    assert (imported.fetch.inserted, imported.fetch.quarantined) == (1, 2)
    [tuesday] = [row["id"] for row in imported.quarantined if row["time"] == TUESDAY]
    service.release([tuesday], reason="that is how it was printed", author="ann")
    assert asked(service, "SELECT time, close FROM bar ORDER BY time")[1:] == [(TUESDAY, 10.0)]


def test_a_row_that_a_human_releases_is_stored_and_never_validated(service: DatabaseService, aapl: Series) -> None:
    keep_one(service, as_polygon(aapl, rows(high=1.0)))
    before = datetime.now(UTC)

    told = service.release(numbers(service), reason="seen on the tape", author="ann")

    assert told["released"] == 1
    assert asked(service, "SELECT high, validated FROM bar WHERE time = %s", TUESDAY) == [(1.0, False)]
    [(status, author, why, at)] = asked(service, "SELECT status, decided_by, decision, released_at FROM quarantine")
    assert (status, author, why) == ("released", "ann", "seen on the tape")
    assert asked(service, "SELECT revised_at FROM series") == [(at,)]
    then = [service.bars(Selection(aapl, as_of=moment))["time"].is_in([TUESDAY]).any() for moment in (before, at)]
    assert then == [False, True], "it is known from its release on"


def test_a_released_bar_stays_unvalidated_when_those_around_it_are_judged_again(
    service: DatabaseService, aapl: Series
) -> None:
    held_back(service, aapl, rows(high=1.0), BEFORE, "low_too_high")
    early, tuesday = sorted(numbers(service), key=lambda number: number == numbers(service)[0])
    service.release([tuesday], reason="seen on the tape", author="ann")
    assert service.rejudge()["rows"][0]["id"] == early

    assert asked(service, "SELECT high, validated FROM bar WHERE time = %s", TUESDAY) == [(1.0, False)]
    assert asked(service, "SELECT validated FROM bar WHERE time = %s", BEFORE) == [(True,)]


@pytest.mark.parametrize("fault", [{"close": None}, {"volume": None}])
def test_nobody_makes_a_bar_of_four_numbers(service: DatabaseService, aapl: Series, fault: dict[str, None]) -> None:
    keep_one(service, as_polygon(aapl, rows(**fault)))

    with pytest.raises(InvalidParameter, match="missing_field"):
        service.release(numbers(service), reason="sure", author="ann")


def test_nobody_makes_a_bar_without_a_slot(service: DatabaseService, aapl: Series) -> None:
    days = rows()
    keep_one(service, as_polygon(aapl, days.with_columns(time=pl.col("time").replace(TUESDAY, HOLIDAY)).sort("time")))
    before = service.frame(BARS)

    with pytest.raises(InvalidParameter, match="off_grid"):
        service.release(numbers(service), reason="sure", author="ann")

    assert asked(service, "SELECT time, reason FROM quarantine") == [(HOLIDAY, "off_grid")]
    assert service.frame(BARS).equals(before)


def test_a_decision_needs_a_reason_an_author_and_a_row_that_waits(service: DatabaseService, aapl: Series) -> None:
    keep_one(service, as_polygon(aapl, rows(high=1.0)))
    [number] = numbers(service)

    for reason, author in [("", "ann"), ("sure", " ")]:
        with pytest.raises(InvalidParameter):
            service.release([number], reason=reason, author=author)
        with pytest.raises(InvalidParameter):
            service.reject([number], reason=reason, author=author)
    with pytest.raises(UnknownRecord):
        service.release([number, number + 1], reason="sure", author="ann")
    with pytest.raises(UnknownRecord):
        service.rejudge(ids=[number + 1])
    assert asked(service, "SELECT status FROM quarantine") == [("quarantined",)]

    assert service.reject([number], reason="a misprint", author="ann") == {"rejected": 1}
    for decide in (service.release, service.reject):
        with pytest.raises(Conflict, match="was rejected already"):
            decide([number], reason="sure", author="ann")
    assert service.rejudge()["judged"] == 0
    assert asked(service, "SELECT status, decided_by, decision FROM quarantine") == [("rejected", "ann", "a misprint")]


def test_of_two_rows_of_a_slot_one_can_be_released(service: DatabaseService, aapl: Series) -> None:
    days = rows(high=1.0)
    twice = pl.concat([days, days.filter(pl.col("time") == TUESDAY).with_columns(high=pl.lit(2.0))])
    keep_one(service, as_polygon(aapl, twice))
    first, second = numbers(service)

    with pytest.raises(Conflict, match="Several of these rows are of one slot"):
        service.release([first, second], reason="sure", author="ann")

    assert service.release([second], reason="sure", author="ann")["released"] == 1
    assert asked(service, "SELECT count(*) FROM bar WHERE time = %s", TUESDAY) == [(1,)]


def test_yahoos_row_is_released_less_the_splits_that_were_in_its_price(service: DatabaseService, aapl: Series) -> None:
    split = pl.DataFrame({"kind": ["split"], "effective": [datetime(2014, 6, 9, tzinfo=UTC).date()], "ratio": [7.0]})
    split = split.with_columns(amount=pl.lit(None, pl.Float64), currency=pl.lit(None, pl.String)).select(list(ACTIONS))
    days = rows(high=1.0)
    came = answer(aapl, days, source="yahoo", actions=split)
    divided = days.select(
        (pl.col("time").dt.epoch("s") + 14 * 3600 + 1800).alias("timestamp"),
        *(pl.col(name) / 7 for name in ("open", "high", "low", "close")),
        volume=pl.col("volume") * 7,
    )
    keep_one(service, Fetched(aapl, "yahoo", came.span, came.bars, divided, actions=split))

    service.release(numbers(service), reason="sure", author="ann")

    truth = days.filter(pl.col("time") == TUESDAY)
    [(opened, high, close, volume)] = asked(service, "SELECT open, high, close, volume FROM bar WHERE high = 1")
    assert (opened, high, close) == (truth["open"][0], 1.0, truth["close"][0])
    assert volume == pytest.approx(truth["volume"][0])


def test_a_row_of_another_timeframe_is_never_taken_for_a_bar(service: DatabaseService) -> None:
    hours = kept(service, "AAPL", Timeframe.H1)
    half_hour = '{"t": 1326812400000, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}'
    with service.transaction() as connection:
        connection.execute(
            "INSERT INTO quarantine (instrument, timeframe, source, reason, payload) VALUES (%s, 5, %s, 'astray', %s)",
            [hours.instrument.number, instruments.source_code(connection, "polygon"), half_hour],
        )

    told = service.rejudge()

    assert told["rows"][0]["reason"] == "no bar can be made of it"
    with pytest.raises(InvalidParameter, match="no bar can be made of it"):
        service.release(numbers(service), reason="sure", author="ann")
