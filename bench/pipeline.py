"""How fast a vendor's answer becomes durable bars with features, from its bytes on and from its server on."""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import orjson
import polars as pl

from barhouse.api import vendor_side
from barhouse.calendar import Calendar
from barhouse.config import Settings
from barhouse.flow import jobs, run, sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.flow.plan import Wanted
from barhouse.model import Series, Span, Timeframe
from barhouse.scheduler.worker import working
from barhouse.sources import configured
from barhouse.sources.polygon import Polygon
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from bench.data import SPAN, minutes, real_bars, series_of
from bench.harness import RUNS, Figure, emptied, figure, in_turn, warehouse
from bench.writing import Ready, copy

HUNDRED_THOUSAND = 100_000
FIFTY = 50
LEFT = b"SELECT id FROM barhouse_queue.procrastinate_jobs"
LOOK = 0.05
"""Seconds between two looks at a job: whoever looks takes from the same two cores."""
YEAR = Span(datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))


@figure
def pipeline_json() -> Figure:
    """100 k minute bars from Polygon's bytes to durable rows, beside decoding those bytes and COPY of the rows.

    Seconds; the ratio is ours ÷ (decoding + COPY), of which at most 1.5 is aimed at.
    """
    with warehouse() as db:
        calendar = sessions.calendar(db, "XNYS")
        [series] = series_of(db, 1)
        bars = minutes(calendar, HUNDRED_THOUSAND)
        payload = _polygon(bars)
        span = Span(SPAN.start, bars["time"][-1] + timedelta(minutes=1))
        work = partial(_pipe, db, series, span, calendar, payload)
        work()
        ready = [Ready.of(db, "bar"), Ready.of(db, "bar_feature")]
        mine, top, ratio = in_turn(work, partial(_decode_and_copy, db, payload, ready), before=lambda: emptied(db))
        return Figure("pipeline_json", mine, "s", top, 1 / ratio, {"peak_mb": peak_mb()})


def _decode_and_copy(db: Database, payload: bytes, ready: list[Ready]) -> None:
    orjson.loads(payload)
    copy(db, *ready)


def _polygon(bars: pl.DataFrame) -> bytes:
    """The bars as Polygon sends them."""
    rows = bars.select(
        v="volume", vw="vwap", o="open", c="close", h="high", l="low", t=pl.col("time").dt.epoch("ms"), n="trades"
    )
    head = {"ticker": "BENCH00", "queryCount": bars.height, "resultsCount": bars.height, "adjusted": False}
    return orjson.dumps(head | {"results": rows.to_dicts(), "status": "OK", "request_id": "0", "count": bars.height})


def _pipe(db: Database, series: Series, span: Span, calendar: Calendar, payload: bytes) -> None:
    """Polygon's adapter reads the bytes as if they came over the wire; the flow keeps what it gives."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=payload))
    source = Polygon("https://api.polygon.io", "bench", transport=transport)
    fetched = asyncio.run(source.bars(series, span, calendar))
    [kept] = keep(db, Batch([fetched], calendar, source.delay))
    assert kept.inserted == HUNDRED_THOUSAND, kept


@figure
def year_of_fifty() -> Figure:
    """A year of daily bars of fifty symbols from a vendor side over HTTP, beside bare GETs of them and COPY.

    Seconds; the ratio is ours ÷ (GETs + COPY).
    """
    return _fifty("year_of_fifty", _alone, _backfill)


@figure
def enrichment_fifty() -> Figure:
    """The same as a job of a worker: fetched, enriched, kept, booked and swept; seconds until all is done."""
    return _fifty("enrichment_fifty", working, _enrich)


def _fifty(
    name: str,
    beside: Callable[[Database, Settings], AbstractContextManager[object]],
    bring: Callable[[Database, Settings, list[Series]], None],
) -> Figure:
    with warehouse() as db, tempfile.TemporaryDirectory(prefix="barhouse-shelf-") as shelf:
        calendar = sessions.calendar(db, "XNYS")
        every = series_of(db, FIFTY, Timeframe.D1)
        stock(Path(shelf), every, calendar)
        with vendor_side.running(Path(shelf)) as vendors:
            settings = asking(vendors)
            work = partial(bring, db, settings, every)
            with beside(db, settings):
                work()
                ready = [Ready.of(db, "bar"), Ready.of(db, "bar_feature")]
                urls = [_url(vendors, series) for series in every]
                mine, top, ratio = in_turn(
                    work,
                    partial(_fetch_and_copy, db, urls, settings.max_concurrent_symbols, ready),
                    before=lambda: emptied(db),
                    runs=RUNS,
                )
        return Figure(name, mine, "s", top, 1 / ratio, {"peak_mb": peak_mb(), "bars": FIFTY * 250})


def _alone(_db: Database, _settings: Settings) -> AbstractContextManager[object]:
    return nullcontext()


def asking(vendors: str, **others: object) -> Settings:
    """Settings that ask the vendor side, without a limit of calls or a pause between series."""
    places = {"polygon_url": vendors, "yahoo_url": vendors, "binance_url": vendors}
    free = {"polygon_api_key": "bench", "polygon_calls_per_minute": 0, "stagger_seconds": 0}
    return Settings.model_validate({**places, **free, **others})


def stock(shelf: Path, every: list[Series], calendar: Calendar) -> None:
    """Put a year of real daily bars a symbol where the vendor side finds them."""
    days = calendar.expected(Timeframe.D1, YEAR).select("time")
    real = real_bars()
    (shelf / "stock").mkdir()
    for number, series in enumerate(every):
        rows = real.slice(number * 200, days.height)
        days.hstack(rows).write_parquet(shelf / "stock" / f"{series.instrument.symbol}.1d.parquet")


def _backfill(db: Database, settings: Settings, every: list[Series]) -> None:
    wanted = [Wanted(series, YEAR) for series in every]
    outcomes = asyncio.run(run.bring(db, configured(settings), wanted, concurrency=settings.max_concurrent_symbols))
    assert sum(outcome.inserted for outcome in outcomes) == FIFTY * 250, outcomes[0]


def _enrich(db: Database, _: Settings, every: list[Series]) -> None:
    brought(db, every, Kind.ENRICHMENT)
    while not db.frame(LEFT).is_empty():
        time.sleep(LOOK)


def brought(db: Database, series: list[Series], kind: Kind) -> None:
    """Ask the workers for a year of some series, and wait until it is there."""
    number = str(jobs.request(db, kind, [Wanted(each, YEAR) for each in series], by="bench")["job_id"])
    while (job := jobs.standings(db, [number])[number])["status"] not in ("completed", "failed"):
        time.sleep(LOOK)
    assert job["successful"] == len(series), job


def _url(vendors: str, series: Series) -> str:
    path = f"{series.instrument.symbol}/range/1/day/{YEAR.start:%Y-%m-%d}/{YEAR.end:%Y-%m-%d}"
    return f"{vendors}/v2/aggs/ticker/{path}?adjusted=false&limit=50000"


def _fetch_and_copy(db: Database, urls: list[str], concurrency: int, ready: list[Ready]) -> None:
    asyncio.run(_fetch(urls, concurrency))
    copy(db, *ready)


async def _fetch(urls: list[str], concurrency: int) -> None:
    """GET all, so many at a time as the backfill does."""
    gate = asyncio.Semaphore(concurrency)
    async with httpx.AsyncClient(headers={"authorization": "Bearer bench"}) as client:

        async def one(url: str) -> None:
            async with gate:
                (await client.get(url)).raise_for_status()

        await asyncio.gather(*map(one, urls))


def peak_mb() -> float:
    """The most memory that this process has had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
