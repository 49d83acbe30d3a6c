"""What Binance's futures market tells beside the bars of a coin: funding, open interest, long against short."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import httpx
import polars as pl
import structlog

from barhouse.errors import SourceError, UnknownAtSource, UnreadableAnswer
from barhouse.model import INSTANT, Span, Timeframe
from barhouse.resilience.manager import Guards, guards
from barhouse.resilience.pace import Turns
from barhouse.resilience.retry import Retry
from barhouse.sources import decode
from barhouse.sources.http import Http, Refusal

NAME = "binance"
KNOWN = pl.Schema({"at": INSTANT, "value": pl.Float64()})
KNOWN_FOR = timedelta(days=1)
"""An older value is none any more: the contract was suspended or delisted."""

PERIODS = MappingProxyType({Timeframe.M1: "5m", Timeframe.W1: "1d"})
"""What stands for the timeframes in which the statistics are not kept; the others are asked for by their names."""

STATISTICS_REACH = timedelta(days=30) - timedelta(hours=1)
"""Binance keeps them for 30 days, and refuses a span that begins earlier whole."""

MARKET = "binance-futures"
"""What its guards and its quota are called: it is another host, which may fail and count by itself."""

CALLS_A_MINUTE = 200
"""A thousand in five minutes for the statistics."""

ONCE = Retry(attempts=1)
"""Nothing here is asked for twice: bars do not wait for it."""

CLOSED_FOR = 600.0
"""Seconds for which a host that refused is not asked again: bars do not wait for it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the features: where it is asked, and the fields of a row with its instant and its value."""

    path: str
    at: str
    value: str
    limit: int


INPUTS: Mapping[str, Input] = MappingProxyType(
    {
        "funding_rate": Input("/fapi/v1/fundingRate", "fundingTime", "fundingRate", 1000),
        "open_interest": Input("/futures/data/openInterestHist", "timestamp", "sumOpenInterest", 500),
        "long_short_ratio": Input("/futures/data/globalLongShortAccountRatio", "timestamp", "longShortRatio", 500),
    }
)


def parse(payload: bytes, source: Input) -> pl.DataFrame:
    """The values in an answer with the instants since which they are known, oldest first."""
    rows = decode.document(payload, NAME)
    if not isinstance(rows, list):
        raise UnreadableAnswer(NAME, f"its answer of {source.path} is no list")
    raw, _ = decode.texts(rows, [source.at, source.value])
    known, _ = decode.measured(raw, {source.at: "time", source.value: "value"}, "ms")
    return known.select(at="time", value="value").cast(KNOWN).drop_nulls().sort("at")


def joined(bars: pl.DataFrame, timeframe: Timeframe, known: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The bars, in their order, with what was last known at the close of each; NULL where nothing was."""
    closes = bars["time"] + timeframe.duration
    return bars.with_columns(_last_known(closes, values).alias(name) for name, values in known.items())


def _last_known(moments: pl.Series, known: pl.DataFrame) -> pl.Series:
    place = known["at"].search_sorted(moments, side="right").cast(pl.Int64) - 1
    found = known[place.set(place < 0, None)] if len(known) else known.clear(len(moments))
    fresh = moments - found["at"] <= KNOWN_FOR
    return found["value"].set(~fresh.fill_null(False), None)


class Futures:
    """The public part of Binance's USD-M futures. Bars never wait or fail for what it does not give."""

    def __init__(
        self,
        base_url: str,
        *,
        refusal: Refusal,
        timeout: float,
        guard: Guards | None = None,
        pace: Turns | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        guard = guard or guards(MARKET, ONCE)
        self._http = Http(NAME, base_url, timeout=timeout, guard=guard, pace=pace, refusal=refusal, transport=transport)
        self._closed_until = 0.0
        self._told = set[str]()

    async def known(self, symbol: str, timeframe: Timeframe, span: Span, now: datetime) -> dict[str, pl.DataFrame]:
        """The values of each input that matter to bars in `span`; those that cannot be had are left out."""
        if time.monotonic() < self._closed_until:
            return {}
        until = min(span.end + timeframe.duration, max(now, span.start))
        wanted = Span(span.start - KNOWN_FOR, until)
        recent = wanted.common(Span(now - STATISTICS_REACH, now))
        names = [name for name in INPUTS if name == "funding_rate" or recent]
        answers = await asyncio.gather(
            *(
                self._tolerant(name, symbol, timeframe, wanted if name == "funding_rate" else recent or wanted)
                for name in names
            )
        )
        return {name: found for name, found in zip(names, answers, strict=True) if found is not None}

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()

    async def _tolerant(self, name: str, symbol: str, timeframe: Timeframe, span: Span) -> pl.DataFrame | None:
        """The values of one input; None where they cannot be had, which is told once."""
        try:
            if name == "funding_rate":
                return await self._settlements(INPUTS[name], symbol, span)
            return await self._statistics(INPUTS[name], symbol, PERIODS.get(timeframe, str(timeframe)), span)
        except SourceError as error:
            if not isinstance(error, UnknownAtSource):
                self._closed_until = time.monotonic() + CLOSED_FOR
            if name not in self._told:
                self._told.add(name)
                log.warning("input_unavailable", source=NAME, input=name, symbol=symbol, error=str(error))
            return None

    async def _settlements(self, source: Input, symbol: str, span: Span) -> pl.DataFrame:
        """All values in `span`, page after page: an answer holds the oldest ones."""
        pages, start = [pl.DataFrame(schema=KNOWN)], span.start
        while start < span.end:
            page = await self._page(source, {"symbol": symbol}, Span(start, span.end))
            pages.append(page)
            if len(page) < source.limit:
                break
            start, before = page["at"][-1] + timedelta(milliseconds=1), start
            if start <= before:
                raise UnreadableAnswer(NAME, f"its pages of {source.path} come to no end")
        return pl.concat(pages)

    async def _statistics(self, source: Input, symbol: str, period: str, span: Span) -> pl.DataFrame:
        """All values in `span`, in stretches that fit into one answer each: it holds the newest ones."""
        stretch = Timeframe.of(period).duration * source.limit
        pages, start = [pl.DataFrame(schema=KNOWN)], span.start
        while start < span.end:
            part = Span(start, min(start + stretch, span.end))
            pages.append(await self._page(source, {"symbol": symbol, "period": period}, part))
            start = part.end
        return pl.concat(pages)

    async def _page(self, source: Input, asked: Mapping[str, str], span: Span) -> pl.DataFrame:
        params: dict[str, str | int] = {
            **asked,
            "startTime": milliseconds(span.start),
            "endTime": milliseconds(span.end) - 1,
            "limit": source.limit,
        }
        return (await self._http.read(source.path, lambda payload: parse(payload, source), params))[0]


def milliseconds(moment: datetime) -> int:
    """An instant as Binance counts it."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
