"""Yahoo's charts, written by hand or recorded, and what our source makes of them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from barhouse.calendar import Calendar
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.resilience.manager import guards
from barhouse.resilience.retry import Retry
from barhouse.sources.base import Fetched
from barhouse.sources.yahoo import Yahoo
from tests.vendors import Reply, Request, Script, vendor

QUICK = Retry(wait_initial=0.001, wait_jitter=0.001, window=0.01)
NVDA = Instrument("NVDA")
COIN = Instrument("BTC", AssetClass.CRYPTO)
DAYS = Series(NVDA, Timeframe.D1)
MINUTES = Series(NVDA, Timeframe.M5)
NOW = datetime(2025, 2, 22, tzinfo=UTC)
FRIDAY = Span(datetime(2025, 2, 21, tzinfo=UTC), NOW)
NEW_YORK_ZONE = "America/New_York"


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """An instant in UTC."""
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def seconds(moment: datetime) -> int:
    """An instant as Yahoo counts it."""
    return int(moment.timestamp())


def chart(
    stamps: Sequence[datetime],
    granularity: str = "1d",
    *,
    splits: Sequence[tuple[datetime, int, int]] = (),
    zone: str = NEW_YORK_ZONE,
    cells: Mapping[str, Sequence[object]] = MappingProxyType({}),
) -> dict[str, Any]:
    """An answer as Yahoo builds it, with plain prices where `cells` names no others."""
    plain = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 100}
    told = {
        str(seconds(day)): {"date": seconds(day), "numerator": new, "denominator": old, "splitRatio": f"{new}:{old}"}
        for day, new, old in splits
    }
    quote = {name: list(cells.get(name, [value] * len(stamps))) for name, value in plain.items()}
    result = {
        "meta": {"currency": "USD", "exchangeTimezoneName": zone, "dataGranularity": granularity},
        "timestamp": [seconds(stamp) for stamp in stamps],
        **({"events": {"splits": told}} if told else {}),
        "indicators": {"quote": [quote]},
    }
    return {"chart": {"result": [result], "error": None}}


def host(answers: dict[str, dict[str, Any]]) -> Script:
    """A host that answers each interval with a chart of its own."""
    return lambda request: Reply.json(answers[request.query["interval"]])


def fetched(
    script: Script | Reply | Sequence[Reply],
    calendar: Calendar,
    span: Span,
    series: Series = DAYS,
    now: datetime = NOW,
) -> tuple[Fetched, list[Request]]:
    """What the source makes of a span, and what the host was asked."""
    with vendor(script) as yahoo:
        return asyncio.run(_fetched(yahoo.url, calendar, span, series, now)), yahoo.requests


async def _fetched(url: str, calendar: Calendar, span: Span, series: Series, now: datetime) -> Fetched:
    source = Yahoo(url, timeout=0.5, guard=guards("yahoo", QUICK), clock=lambda: now)
    try:
        return await source.bars(series, span, calendar)
    finally:
        await source.close()


def recorded(shared_data: Path, name: str) -> dict[str, Any]:
    """The body of a recorded exchange with Yahoo."""
    content = next((shared_data / "payloads/yahoo").glob(f"*{name}*")).read_bytes()
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    body: dict[str, Any] = orjson.loads(content)["response"]["bodyJson"]
    return body
