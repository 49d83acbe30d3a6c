"""How each vendor writes bars down: the scripts that its host follows in the tests, and how to reach it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from barhouse.errors import SourceError
from barhouse.model import Instrument
from barhouse.resilience.retry import Retry
from barhouse.sources.base import Source
from barhouse.sources.polygon import Polygon
from tests.contract.market import COIN, NEW_YORK, NOW, STOCK, Bar, clock, in_session, minutes, together
from tests.vendors import Reply, Request, Script

KEY = "s3cr3t-k3y-of-ours"
QUICK = Retry(attempts=3, wait_initial=0.001, wait_jitter=0.001, window=0.01)


@dataclass(frozen=True)
class Protocol:
    """One vendor in the tests.

    `bars` gives what it has for a request; `written` is an answer with these bars; `empty` an answer that says there
    are none; `meanings` are its statuses with another meaning than usual.
    """

    name: str
    instruments: Sequence[Instrument]
    source: Callable[[str], Source]
    bars: Callable[[Request], list[Bar]]
    written: Callable[[Sequence[Bar], Request], bytes]
    empty: bytes
    meanings: Mapping[int, type[SourceError]] = field(default_factory=dict)

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
    source=lambda url: Polygon(url, KEY, calls_per_minute=0, timeout=0.5, retry=QUICK, clock=lambda: NOW),
    bars=polygon_bars,
    written=polygon_written,
    empty=b'{"ticker":"AAPL","queryCount":0,"resultsCount":0,"adjusted":true,"status":"OK","request_id":"1"}',
)

PROTOCOLS = {protocol.name: protocol for protocol in (POLYGON,)}
