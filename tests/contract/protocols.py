"""How each vendor writes bars down: the scripts that its host follows in the tests, and how to reach it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from barhouse.model import Instrument
from barhouse.resilience.manager import guards
from barhouse.resilience.retry import Retry
from barhouse.sources.base import Source
from barhouse.sources.binance import Binance
from barhouse.sources.polygon import Polygon
from barhouse.sources.yahoo import Yahoo
from tests.contract.market import COIN, NEW_YORK, NOW, STOCK, Bar, clock, in_session, minutes, session, together
from tests.vendors import Reply, Request, Script

KEY = "s3cr3t-k3y-of-ours"
QUICK = Retry(attempts=3, wait_initial=0.001, wait_jitter=0.001, window=0.01)


@dataclass(frozen=True)
class Protocol:
    """One vendor in the tests.

    `source` makes its source from a host's address and the seconds to wait for an answer; `bars` gives what it has
    for a request; `written` is an answer with these bars; `empty` an answer that says there are none; `extended`
    tells whether it has bars outside the regular session.
    """

    name: str
    instruments: Sequence[Instrument]
    source: Callable[[str, float], Source]
    bars: Callable[[Request], list[Bar]]
    written: Callable[[Sequence[Bar], Request], bytes]
    empty: bytes
    extended: bool = True

    @property
    def honest(self) -> Script:
        """The host as it should be."""
        return self.spoilt(list)

    def spoilt(self, spoil: Callable[[list[Bar]], list[Bar]]) -> Script:
        """The host whose bars `spoil` has changed before they were written."""
        return lambda request: Reply(self.written(spoil(self.bars(request)), request))


POLYGON_PATH = re.compile(r"/v2/aggs/ticker/([^/]+)/range/(\d+)/(\w+)/([^/]+)/([^/]+)")


def polygon_bars(request: Request) -> list[Bar]:
    """Polygon's aggregates: by the clock, days from midnight in New York, weeks from Sunday; the end is included."""
    return _polygon_bars(request.path)


@lru_cache
def _polygon_bars(path: str) -> list[Bar]:
    match = POLYGON_PATH.fullmatch(path)
    if match is None:
        return []
    ticker, count, unit, first, last = match.groups()
    width = timedelta(minutes=int(count) * {"minute": 1, "hour": 60}.get(unit, 0))
    instrument = COIN if ticker == "X:BTCUSD" else STOCK
    traded = minutes(instrument)
    if width:
        kept = together(traded, clock(width))
    else:
        sessions = traded if instrument is COIN else [bar for bar in traded if in_session(_moment(bar))]
        kept = together(sessions, lambda moment: _polygon_day(moment, weekly=unit == "week"))
    begin, end = _polygon_edge(first), _polygon_edge(last)
    end += timedelta(days=1, microseconds=-1) if "-" in last else timedelta(0)
    return [bar for bar in kept if begin <= _moment(bar) <= end]


def _moment(bar: Bar) -> datetime:
    assert isinstance(bar.time, datetime)
    return bar.time


def _polygon_day(moment: datetime, *, weekly: bool) -> datetime:
    day = moment.astimezone(NEW_YORK).date()
    day -= timedelta(days=(day.weekday() + 1) % 7 if weekly else 0)
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def _polygon_edge(text: str) -> datetime:
    if "-" in text:
        return datetime.combine(date.fromisoformat(text), time(), NEW_YORK).astimezone(UTC)
    return datetime.fromtimestamp(int(text) / 1000, UTC)


def stamp(moment: object, per_second: int = 1000) -> object:
    """A moment since 1970 as vendors count it; anything else as it is."""
    return round(moment.timestamp() * per_second) if isinstance(moment, datetime) else moment


def polygon_written(bars: Sequence[Bar], _: Request) -> bytes:
    """Polygon's envelope; without bars it leaves the results out."""
    rows = [
        {"v": b.volume, "vw": 1.5, "o": b.open, "c": b.close, "h": b.high, "l": b.low, "t": stamp(b.time), "n": 7}
        for b in bars
    ]
    answer = {"ticker": "?", "queryCount": len(rows), "resultsCount": len(rows), "adjusted": False, "status": "OK"}
    return json.dumps({**answer, "results": rows} if rows else answer).encode()


POLYGON = Protocol(
    name="polygon",
    instruments=(STOCK, COIN),
    source=lambda url, timeout: Polygon(url, KEY, timeout=timeout, guard=guards("polygon", QUICK), clock=lambda: NOW),
    bars=polygon_bars,
    written=polygon_written,
    empty=b'{"ticker":"AAPL","queryCount":0,"resultsCount":0,"adjusted":true,"status":"OK","request_id":"1"}',
)

WIDTHS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def _width(interval: str) -> timedelta:
    """How long a bar of 15m, 1h, 1d or 1w is."""
    return int(interval[:-1]) * WIDTHS[interval[-1]]


def binance_bars(request: Request) -> list[Bar]:
    """Binance's klines: by the UTC clock, the end is included, a thousand at most."""
    kept = _binance_bars(request.query["interval"])
    first, last = (datetime.fromtimestamp(int(request.query[edge]) / 1000, UTC) for edge in ("startTime", "endTime"))
    return [bar for bar in kept if first <= _moment(bar) <= last][: int(request.query["limit"])]


@lru_cache
def _binance_bars(interval: str) -> list[Bar]:
    return together(minutes(COIN), clock(_width(interval)))


def binance_written(bars: Sequence[Bar], request: Request) -> bytes:
    """A row a list, numbers in quotes."""
    width = _width(request.query["interval"]) // timedelta(milliseconds=1)
    rows = []
    for bar in bars:
        opens = stamp(bar.time)
        closes = opens + width - 1 if isinstance(opens, int) else 0
        five = [_quoted(cell) for cell in (bar.open, bar.high, bar.low, bar.close, bar.volume)]
        rows.append([opens, *five, closes, "2.5", 7, "0.5", "1.5", "0"])
    return json.dumps(rows).encode()


def _quoted(cell: object) -> object:
    """A number as Binance writes it."""
    return str(cell) if isinstance(cell, float) and math.isfinite(cell) else cell


BINANCE = Protocol(
    name="binance",
    instruments=(COIN,),
    source=lambda url, timeout: Binance(url, timeout=timeout, guard=guards("binance", QUICK), clock=lambda: NOW),
    bars=binance_bars,
    written=binance_written,
    empty=b"[]",
)


def yahoo_bars(request: Request) -> list[Bar]:
    """Yahoo's chart: regular hours alone, hours and days of a share from the session's open."""
    kept = _yahoo_bars(request.path.rsplit("/", 1)[1], request.query["interval"])
    first, last = (datetime.fromtimestamp(int(request.query[edge]), UTC) for edge in ("period1", "period2"))
    return [bar for bar in kept if first <= _moment(bar) <= last]


@lru_cache
def _yahoo_bars(symbol: str, interval: str) -> list[Bar]:
    width = _width(interval)
    if symbol == "BTC-USD":
        return together(minutes(COIN), clock(width))
    regular = [bar for bar in minutes(STOCK) if in_session(_moment(bar))]
    return together(regular, lambda moment: moment - (moment - session(moment)[0]) % width)


def yahoo_written(bars: Sequence[Bar], request: Request) -> bytes:
    """A column a list; without bars there is no list at all."""
    quote = {name: [getattr(bar, name) for bar in bars] for name in ("open", "high", "low", "close", "volume")}
    meta = {"dataGranularity": request.query["interval"], "exchangeTimezoneName": "America/New_York"}
    times = {"timestamp": [stamp(bar.time, 1) for bar in bars]} if bars else {}
    result = {"meta": meta, **times, "indicators": {"quote": [quote if bars else {}]}}
    return json.dumps({"chart": {"result": [result], "error": None}}).encode()


YAHOO = Protocol(
    name="yahoo",
    instruments=(STOCK, COIN),
    source=lambda url, timeout: Yahoo(url, timeout=timeout, guard=guards("yahoo", QUICK), clock=lambda: NOW),
    bars=yahoo_bars,
    written=yahoo_written,
    empty=b'{"chart":{"result":[{"meta":{"symbol":"AAPL"},"indicators":{"quote":[{}]}}],"error":null}}',
    extended=False,
)

PROTOCOLS = {protocol.name: protocol for protocol in (POLYGON, BINANCE, YAHOO)}
