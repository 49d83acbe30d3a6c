"""What readers rely on where bars are built from shorter ones while they are read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.config import Settings
from barhouse.flow import reads, resample, sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe, moment
from barhouse.store import instruments
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import answer
from tests.servers import Server
from tests.unit.calendar.moments import real

HERE = "http://127.0.0.1:8000"
SIX = ["time", "open", "high", "low", "close", "volume"]
M30, H1, H4, D1, W1 = (Timeframe.of(name) for name in ("30m", "1h", "4h", "1d", "1w"))
WEEK = Span(moment("2024-03-04"), moment("2024-03-09"))


def brought(db: Database, series: Series, bars: pl.DataFrame, span: Span | None = None) -> Series:
    with db.transaction() as connection:
        known = instruments.add_series(connection, series)
    keep(db, Batch([answer(known, bars, span=span)], sessions.calendar(db, known.instrument.exchange)))
    return known


def counted(db: Database, instrument: Instrument, timeframe: Timeframe, span: Span) -> pl.DataFrame:
    """A bar in each slot of a span, dearer each time, by the same share."""
    slots = sessions.calendar(db, instrument.exchange).expected(timeframe, span).select("time")
    prices = pl.select(price=100 + pl.int_range(slots.height) / 100)["price"]
    return slots.with_columns(
        open=prices, high=prices + 0.5, low=prices - 0.5, close=prices + 0.1, volume=pl.lit(10.0), vwap=prices
    )


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[Database]:
    with server.database() as url, Database(url) as db:
        yield db


@pytest.fixture(scope="module")
def api(database: Database) -> Iterator[TestClient]:
    brought(database, Series(Instrument("HOURS"), H1), counted(database, Instrument("HOURS"), H1, WEEK), WEEK)
    halves = counted(database, Instrument("HALVES"), M30, WEEK)
    quiet = halves.filter(pl.col("time") != moment("2024-03-05T15:00Z"))
    brought(database, Series(Instrument("HALVES"), M30), quiet, WEEK)
    torn = counted(database, Instrument("TORN"), H1, WEEK).filter(pl.col("time") != moment("2024-03-06T16:00Z"))
    brought(database, Series(Instrument("TORN"), H1), torn, WEEK)
    coin = Instrument("COIN", AssetClass.CRYPTO)
    brought(database, Series(coin, H1), counted(database, coin, H1, WEEK), WEEK)
    with TestClient(create(Settings(database_url=SecretStr(database.url))), HERE) as api:
        yield api


def asked(api: TestClient, symbol: str, **parameters: Any) -> Any:
    response = api.get(f"/api/v1/historical/{symbol}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_days_are_built_from_hours_where_no_days_are_stored(api: TestClient) -> None:
    page = asked(api, "HOURS")

    assert (page["count"], page["resampled_from"]) == (5, "1h")
    first = page["data"][0]
    assert (first["time"], first["open"], first["close"], first["volume"]) == (
        "2024-03-04T00:00:00Z",
        100,
        100.06 + 0.1,
        70,
    )
    assert (first["built_from"], first["source"]) == ("1h", "polygon")


def test_stored_bars_are_given_as_they_are_unless_somebody_says_otherwise(api: TestClient) -> None:
    page = asked(api, "HOURS", timeframe="1h")

    assert "resampled_from" not in page
    assert "built_from" not in page["data"][0]


def test_a_slot_that_lacks_a_shorter_bar_is_left_out(api: TestClient) -> None:
    days = [bar["time"][:10] for bar in asked(api, "TORN")["data"]]

    assert days == ["2024-03-04", "2024-03-05", "2024-03-07", "2024-03-08"]
    assert asked(api, "TORN", timeframe="1w")["data"] == []


def test_half_an_hour_that_was_read_and_had_no_trade_is_no_hole(api: TestClient) -> None:
    page = asked(api, "HALVES", resample_from="30m")

    assert [bar["volume"] for bar in page["data"]] == [130, 120, 130, 130, 130]


def test_coins_take_four_hours_from_hours_and_shares_do_not(api: TestClient) -> None:
    assert asked(api, "COIN", timeframe="4h")["count"] == 30
    assert asked(api, "HALVES", timeframe="4h")["resampled_from"] == "30m"
    assert asked(api, "HOURS", timeframe="4h")["count"] == 0


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_built_bars_are_streamed_and_paged_and_stand_beside_others(api: TestClient, form: str) -> None:
    whole = api.get("/api/v1/historical/HOURS", params={"format": form}).content
    frame = pl.read_csv(whole) if form == "csv" else pl.read_parquet(io.BytesIO(whole))
    page = asked(api, "HOURS", limit=2)
    rest = asked(api, "HOURS", cursor=page["next_cursor"])
    many = api.get("/api/v1/bars?symbols=HOURS,COIN&timeframe=1d&resample_from=1h").json()

    assert frame["close"].to_list() == [bar["close"] for bar in page["data"] + rest["data"]]
    assert [bar["symbol"] for bar in many["data"]] == ["HOURS"] * 5 + ["COIN"] * 5


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("resample_from=1d&timeframe=1h", 422, "are built from 1m 5m 15m 30m"),
        ("resample_from=1h&timeframe=4h", 422, "are built from 1m 5m 15m 30m"),
        ("resample_from=2h", 400, "Invalid timeframes: ['2h']"),
        ("features=true", 422, "built while they are read have none"),
        ("session=all", 422, "of the regular session"),
    ],
)
def test_what_cannot_be_built_is_said(api: TestClient, query: str, status: int, detail: str) -> None:
    response = api.get(f"/api/v1/historical/HOURS?{query}")

    assert (response.status_code, detail in response.json()["detail"]) == (status, True), response.text


def test_built_bars_have_a_mark_that_changes_with_the_shorter_ones(api: TestClient, database: Database) -> None:
    for form in ("json", "arrow"):
        mark = api.get("/api/v1/historical/COIN", params={"format": form}).headers["etag"]
        known = {"If-None-Match": mark}
        assert api.get("/api/v1/historical/COIN", params={"format": form}, headers=known).status_code == 304

    with database.transaction() as connection:
        connection.execute("UPDATE series SET revision = revision + 1 WHERE timeframe = 5")
    assert api.get("/api/v1/historical/COIN?format=arrow", headers=known).status_code == 200


def test_real_hours_give_the_vendor_s_own_days(shared_data: Path, db: Database) -> None:
    spy = brought(db, Series(Instrument("SPY", AssetClass.ETF), H1), real(shared_data, "lean_equity/SPY.1h"))
    calendar = sessions.calendar(db, "XNYS")
    days = real(shared_data, "lean_equity/SPY.1d")
    own = days.with_columns(time=calendar.canonical(days["time"], D1)).select(SIX)

    found = reads.bars(db, Selection(Series(spy.instrument, D1), finer=H1), 10_000).select(SIX)

    # the vendor counts trades after an early close into the day, and its hours have some holes
    full = calendar.sessions.filter(pl.col("close") - pl.col("open") == timedelta(hours=6.5))["date"]
    sound = found.filter(pl.col("time").dt.date().is_in(full.implode()))
    assert sound.height > 5700
    assert_frame_equal(sound, own.join(sound, on="time", how="semi"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lost=st.sets(st.integers(0, 34), max_size=6), size=st.integers(1, 40), count=st.integers(1, 5))
def test_whatever_is_missing_no_built_day_lacks_an_hour(
    database: Database, lost: set[int], size: int, count: int
) -> None:
    instrument = Instrument(f"H{hash((frozenset(lost), size, count)) & 0xFFFFFFF:X}")
    hours = counted(database, instrument, H1, WEEK)
    left = hours.with_row_index().filter(~pl.col("index").is_in(list(lost))).drop("index")
    known = brought(database, Series(instrument, H1), left, WEEK)
    selection = Selection(Series(known.instrument, D1), finer=H1)
    sound = [date(2024, 3, 4 + day) for day in range(5) if not lost & set(range(7 * day, 7 * day + 7))]

    paged = pl.concat(resample.pages(database, selection, size))

    assert paged["time"].dt.date().to_list() == sound
    assert paged["volume"].to_list() == [70.0] * len(sound)
    assert resample.newest(database, selection, count).equals(paged.tail(count))
