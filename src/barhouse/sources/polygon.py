"""Polygon, called Massive since 2025: bars of stocks, ETFs and crypto as traded, splits and dividends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import quote

import httpx
import polars as pl

from barhouse.calendar import Calendar
from barhouse.errors import UnreadableAnswer
from barhouse.model import ACTIONS, AssetClass, Series, Span, Timeframe, within
from barhouse.resilience.manager import Guards
from barhouse.resilience.pace import Turns
from barhouse.sources import decode, polygon_answers, slots
from barhouse.sources.base import Fetched, Kept
from barhouse.sources.http import Asking, Http
from barhouse.sources.polygon_answers import NAME, TAKEN, Page
from barhouse.sources.symbols import spelled
from barhouse.sources.usual import USUAL

HOSTS = frozenset({"api.polygon.io", "api.massive.com"})

LIMIT = 50_000
"""The most base bars behind an answer: minutes for intraday timeframes, days for longer ones."""

PAGES = 24
"""No honest answer goes on for so long: a piece's base bars fit into one page, a life's actions into one."""

RANGES = {
    Timeframe.M1: "1/minute",
    Timeframe.M5: "5/minute",
    Timeframe.M15: "15/minute",
    Timeframe.M30: "30/minute",
    Timeframe.H1: "1/hour",
    Timeframe.D1: "1/day",
    Timeframe.W1: "1/week",
}
"""How Polygon names a timeframe in a path."""

EXCHANGE_FROM = {Timeframe.H1: Timeframe.M30, Timeframe.H4: Timeframe.M30}
"""What its hour bars mix with the pre-market is apart in half hours, at the same number of calls."""

CRYPTO_FROM = {Timeframe.H4: Timeframe.H1, Timeframe.D1: Timeframe.H1, Timeframe.W1: Timeframe.H1}
"""Its days of crypto are New York's; hours are the same everywhere."""

EXCHANGE_WEEKS = 10
"""Fifty sessions of 960 minutes, extended hours included, stay below the limit."""

CRYPTO_WEEKS = 4
"""Weeks of 10,080 minutes below the limit, with room for a week that has to be read whole."""

EVENTS = (
    ("splits", "execution_date", polygon_answers.splits),
    ("dividends", "ex_dividend_date", polygon_answers.dividends),
)
"""Corporate actions: their noun in a path, the field of the day they take effect, how they are read."""


@dataclass(frozen=True, slots=True)
class Read:
    """All pages of one question."""

    pages: list[Page]
    calls: int
    ms: float

    @property
    def silent(self) -> bool:
        """Whether it ends with a page without any rows, after others that had some."""
        last = self.pages[-1]
        return len(self.pages) > 1 and last.rows.is_empty() and last.rejects.is_empty()

    @property
    def rows(self) -> pl.DataFrame:
        """The rows of all pages; as text, if one page had to be read carefully."""
        frames = [page.rows for page in self.pages]
        if len({tuple(frame.schema.items()) for frame in frames}) > 1:
            frames = [frame.cast(pl.String) for frame in frames]
        return pl.concat(frames)


def again(kept: Kept) -> pl.DataFrame:
    """Rows of old answers as `time`, measures and `origin`; none where they are but parts of the series' bars."""
    if _finer(kept.series) is not kept.series.timeframe:
        return decode.NO_ROWS
    raw, _ = decode.texts(kept.rows, list(TAKEN))
    return decode.measured(raw, TAKEN, "ms")[0]


class Polygon(Asking):
    """The source behind a Polygon key; both hosts are the same service."""

    name = NAME
    delay: timedelta

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        timeout: float = 30.0,
        guard: Guards | None = None,
        pace: Turns | None = None,
        delay: timedelta = timedelta(minutes=15),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.delay = delay
        self._clock = clock
        self._http = Http(
            NAME,
            base_url,
            headers={"authorization": f"Bearer {key}"},
            timeout=timeout,
            guard=guard,
            pace=pace,
            hosts=HOSTS,
            secrets=frozenset({key}),
            transport=transport,
        )

    def reach(self, series: Series, span: Span, now: datetime) -> Span | None:  # noqa: ARG002
        """All of the past: how far back the plan goes, the vendor says by a 403."""
        return span.common(Span(min(span.start, now), now))

    def pieces(self, series: Series, span: Span) -> list[Span]:
        """Stretches that one call answers, cut at the ends of weeks."""
        crypto = series.instrument.asset_class is AssetClass.CRYPTO
        if not crypto and not series.timeframe.intraday:
            return [span] if span else []
        step = timedelta(weeks=CRYPTO_WEEKS if crypto else EXCHANGE_WEEKS)
        monday = span.start - timedelta(days=span.start.weekday())
        cut = monday.replace(hour=0, minute=0, second=0, microsecond=0) + step
        result, start = [], span.start
        while start < span.end:
            result.append(Span(start, min(cut, span.end)))
            start, cut = cut, cut + step
        return result

    async def bars(self, series: Series, span: Span, calendar: Calendar) -> Fetched:
        """The bars of `series` in `span`, as traded, in canonical slots."""
        timeframe = series.timeframe
        finer = _finer(series)
        asked = span if finer is timeframe else _widened(calendar.whole(span, timeframe), timeframe)
        ticker = quote(spelled(series.instrument, NAME), safe=":")
        path = f"/v2/aggs/ticker/{ticker}/range/{RANGES[finer]}/{_edges(finer, asked)}"
        params: dict[str, str | int] = {"adjusted": "false", "sort": "asc", "limit": LIMIT}
        read = await self._read(path, params, polygon_answers.bars)
        raw = read.rows
        rows, timeless = decode.measured(raw, TAKEN, "ms")
        rejects = [*(page.rejects for page in read.pages), timeless]
        if read.silent:
            asked = _until(asked, rows["time"].filter(rows.select(within(asked)).to_series()).max(), finer)
        if finer is not timeframe:
            rejects.append(slots.astray(rows.filter(within(asked)), raw, finer, calendar))
            rows = calendar.build(rows, finer, timeframe, read=asked)
        placed = slots.placed(rows, timeframe, calendar, now=self._clock(), delay=self.delay).filter(within(span))
        return Fetched(
            series=series,
            source=NAME,
            span=_until(span, placed["time"].max(), timeframe) if read.silent else span,
            bars=placed,
            raw=raw,
            expects=USUAL[NAME],
            rejects=pl.concat(rejects),
            calls=read.calls,
            response_ms=read.ms,
            quota_remaining=self._http.quota_remaining,
        )

    async def actions(self, series: Series, span: Span) -> pl.DataFrame:
        """The splits and dividends of the instrument effective in `span` (`model.ACTIONS`)."""
        if series.instrument.asset_class is AssetClass.CRYPTO:
            return pl.DataFrame(schema=ACTIONS)
        ticker = spelled(series.instrument, NAME)
        frames = []
        for noun, field, parse in EVENTS:
            parse_own = partial(parse, ticker=ticker)
            frames.append((await self._read(f"/v3/reference/{noun}", _dated(ticker, field, span), parse_own)).rows)
        told = pl.concat(frames)
        return told.unique(maintain_order=True).filter(within(span, "effective")) if told.height else told

    async def _read(self, path: str, params: Mapping[str, str | int], parse: Callable[[bytes], Page]) -> Read:
        """All pages from `path` on; UnreadableAnswer if they come to no end."""
        page, answer = await self._http.read(path, parse, params)
        read = Read([page], answer.calls, answer.ms)
        seen = set[str]()
        while url := read.pages[-1].next_url:
            if url in seen or len(seen) == PAGES:
                raise UnreadableAnswer(NAME, f"its pages come to no end, after {len(read.pages)} of them")
            seen.add(url)
            page, answer = await self._http.read(url, parse)
            read = Read([*read.pages, page], read.calls + answer.calls, read.ms + answer.ms)
        return read


def _finer(series: Series) -> Timeframe:
    """The timeframe to ask for: the series' own, or one that its bars are built from."""
    crypto = series.instrument.asset_class is AssetClass.CRYPTO
    return (CRYPTO_FROM if crypto else EXCHANGE_FROM).get(series.timeframe, series.timeframe)


def _widened(span: Span, timeframe: Timeframe) -> Span:
    """The span with room for bars of extended hours that begin before it or end after it."""
    room = timeframe.duration if timeframe.intraday else timedelta(0)
    return Span(span.start - room, span.end + room)


def _until(span: Span, last: object, timeframe: Timeframe) -> Span:
    """The span up to the end of its `last` bar; all of it where there is none."""
    return Span(span.start, min(last + timeframe.duration, span.end)) if isinstance(last, datetime) else span


def _edges(timeframe: Timeframe, span: Span) -> str:
    """The first and the last stamp of `span` for a path: Polygon includes both, a span not its end."""
    if timeframe.intraday:
        width = timeframe.minutes * 60_000
        first = _milliseconds(span.start) // width * width
        last = -(-_milliseconds(span.end) // width) * width - 1
        return f"{first}/{last}"
    first_day, last_day = span.start.date(), (span.end - timedelta(microseconds=1)).date()
    if timeframe is Timeframe.W1:
        # a week is stamped with the Sunday before it, and is whole only with its Saturday
        first_day, last_day = first_day - timedelta(days=1), last_day + timedelta(days=6)
    return f"{first_day}/{last_day}"


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _dated(ticker: str, field: str, span: Span) -> dict[str, str | int]:
    """The question for events of `ticker` with a date in `span`."""
    return {
        "ticker": ticker,
        f"{field}.gte": str(span.start.date()),
        f"{field}.lte": str(span.end.date()),
        "sort": field,
        "order": "asc",
        "limit": 1000,
    }
