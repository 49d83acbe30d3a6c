"""Bars followed as server-sent events, over real sockets: each change once, whoever was away meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
from fastapi import FastAPI

from barhouse.api.vendor_side import served
from barhouse.flow import cleanup, sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import Series
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real
from tests.contract.test_api import app
from tests.integration.test_following import Read, events
from tests.workers import until

NOON = "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source) VALUES "


@pytest.fixture
def aapl(db: Database) -> Series:
    """A year of AAPL that is stored before anybody listens."""
    series = kept(db, "AAPL")
    stored(db, series, real("AAPL").head(250))
    return series


def stored(db: Database, series: Series, bars: pl.DataFrame) -> None:
    keep(db, Batch([answer(series, bars)], sessions.calendar(db, "XNYS")))


@pytest.fixture
def serving(database_url: str) -> FastAPI:
    return app(database_url)


@pytest.fixture
def url(serving: FastAPI) -> Iterator[str]:
    with served(serving) as url:
        yield url


@contextmanager
def listening(url: str, query: str = "symbols=AAPL", seen: str | None = None) -> Iterator[Iterator[Read]]:
    headers = {"Last-Event-ID": seen} if seen else {}
    with httpx.stream("GET", f"{url}/api/v1/stream?{query}", headers=headers, timeout=120) as response:
        assert response.status_code == 200, response.read()
        yield beginning(response)


def beginning(response: httpx.Response) -> Iterator[Read]:
    """The events of a stream, of which the first line is there already, so that it knows from when on."""
    first = iter(response.iter_lines())
    for line in first:
        if line.startswith("id: "):
            break
    return _events(first)


def _events(lines: Iterator[str]) -> Iterator[Read]:
    class Rest:
        def iter_lines(self) -> Iterator[str]:
            return lines

    return events(Rest())  # type: ignore[arg-type]


def taken(read: Iterator[Read], count: int) -> list[tuple[str, Any]]:
    return [(each.name, each.data["time"][:10]) for each in islice(read, count)]


def dates(bars: pl.DataFrame) -> list[tuple[str, Any]]:
    return [("bar", str(day)) for day in bars["time"].dt.date()]


def test_new_bars_are_told_once_and_old_ones_never(db: Database, aapl: Series, url: str) -> None:
    with listening(url) as news:
        stored(db, aapl, real("AAPL").slice(240, 20))
        stored(db, aapl, real("AAPL").slice(255, 6))
        told = list(islice(news, 11))

    assert [(each.name, each.data["time"][:10]) for each in told] == dates(real("AAPL").slice(250, 11))
    assert told[0].data["close"] == real("AAPL")["close"][250]
    assert (told[0].data["symbol"], told[0].data["source"], told[0].data["validated"]) == ("AAPL", "polygon", True)


def test_corrections_say_what_was_and_what_is(db: Database, aapl: Series, url: str) -> None:
    dearer = real("AAPL").slice(100, 1).with_columns(pl.col("close") + 0.01, pl.col("high") + 0.01)

    with listening(url) as news:
        stored(db, aapl, dearer)
        told = {each.data["field"]: each for each in islice(news, 2)}

    old = real("AAPL")["close"][100]
    assert {each.name for each in told.values()} == {"correction"}
    assert (told["close"].data["old_value"], told["close"].data["new_value"]) == (old, old + 0.01)
    assert told["close"].data["reason"] == "source_updated"


def test_what_a_cleanup_removes_is_told(db: Database, aapl: Series, url: str) -> None:
    day = real("AAPL")["time"][100]
    with listening(url) as news:
        with psycopg.connect(db.url) as connection:
            connection.execute(f"{NOON} ('AAPL', 'stock', '1d', '{day:%Y-%m-%d} 14:30Z', 1, 1, 1, 1, 1, 'yahoo')")
        came = next(news)
        cleanup.cleanup_duplicate_records(db, "AAPL")
        left = next(news)

    assert (came.name, came.data["time"]) == ("bar", f"{day:%Y-%m-%d}T14:30:00Z")
    assert (left.name, left.data["time"]) == ("removed", f"{day:%Y-%m-%d}T14:30:00Z")


def test_who_comes_back_is_told_all_that_was_missed_each_once(db: Database, aapl: Series) -> None:
    bars = real("AAPL")
    with served(app(db.url)) as url, listening(url) as news:
        stored(db, aapl, bars.slice(250, 10))
        first = list(islice(news, 4))
    stored(db, aapl, bars.slice(260, 3))
    dearer = bars.slice(252, 1).with_columns(pl.col("volume") + 1)
    stored(db, aapl, dearer)

    with served(app(db.url)) as url, listening(url, seen=first[-1].id) as news:
        rest = taken(news, 10)
        stored(db, aapl, bars.slice(263, 1))
        rest += taken(news, 1)

    assert rest[:9] == dates(bars.slice(254, 9))
    assert rest[9] == ("correction", str(bars["time"][252].date()))
    assert rest[10:] == dates(bars.slice(263, 1))


def test_what_is_stamped_early_and_committed_late_is_not_lost(db: Database, aapl: Series, url: str) -> None:
    stamp = """
        WITH told AS (
            INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, success, stamped_at)
            VALUES ('SLOW', 'stock', '1d', 'polygon', true, clock_timestamp()) RETURNING id
        ), bars AS (
            INSERT INTO bar (instrument, timeframe, time, open, high, low, close, volume, fetch_id, validated, extended,
                             forming)
            SELECT %(key)s, 7, '2024-01-02', 1, 1, 1, 1, 1, id, true, false, false FROM told
        )
        UPDATE series SET revision = revision + 1, revised_at = clock_timestamp(), bars = 1
        WHERE instrument = %(key)s AND timeframe = 7
    """
    slow = kept(db, "SLOW").instrument.number
    with listening(url, "symbols=AAPL,SLOW") as news, psycopg.connect(db.url) as late:
        late.execute(stamp, {"key": slow})
        stored(db, aapl, real("AAPL").slice(250, 1))
        time.sleep(2.5)
        late.commit()
        told = {each.data["symbol"] for each in islice(news, 2)}

    assert told == {"AAPL", "SLOW"}


def test_a_flood_is_read_by_the_page_by_each_who_listens(db: Database, aapl: Series, url: str) -> None:
    others = {name: kept(db, name) for name in ("MSFT", "IBM", "KO")}
    flood = [answer(series, real("AAPL")) for series in others.values()]
    with ExitStack() as stack:
        every = [stack.enter_context(listening(url, "symbols=AAPL,MSFT,IBM,KO")) for _ in range(2)]
        keep(db, Batch(flood, sessions.calendar(db, "XNYS")))
        count = 3 * real("AAPL").height
        told = [[(each.data["symbol"], each.data["time"]) for each in islice(news, count)] for news in every]

    assert told[0] == told[1]
    assert len(set(told[0])) == count


def test_nobody_looks_when_nobody_listens(serving: FastAPI, aapl: Series, url: str) -> None:
    with listening(url), listening(url, "symbols=*&timeframe=1d,1h"):
        assert serving.state.warehouse.listening.is_looking

    until(lambda: not serving.state.warehouse.listening.is_looking)


@pytest.mark.parametrize(
    ("query", "seen", "status"),
    [
        ("symbols=NONE", None, 404),
        ("symbols=AAPL&timeframe=2h", None, 400),
        ("symbols=AAPL&asset_class=bond", None, 400),
        ("symbols=AAPL", "4711", 422),
        ("", None, 422),
    ],
)
def test_what_cannot_be_followed_is_said(aapl: Series, url: str, query: str, seen: str | None, status: int) -> None:
    headers = {"Last-Event-ID": seen} if seen else {}

    assert httpx.get(f"{url}/api/v1/stream?{query}", headers=headers).status_code == status
