"""Binance: klines of the spot market, and what its futures market tells beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import polars as pl

from barhouse.calendar import Calendar
from barhouse.errors import NotEntitled, SourceError, UnknownAtSource, UnreadableAnswer
from barhouse.model import ACTIONS, AssetClass, Series, Span, within
from barhouse.resilience.manager import Guards
from barhouse.resilience.pace import Pace, Turns
from barhouse.sources import decode, slots
from barhouse.sources.base import REJECTS, Fetched, Kept
from barhouse.sources.futures import Futures, joined, milliseconds
from barhouse.sources.http import Answer, Asking, Http
from barhouse.sources.symbols import spelled
from barhouse.sources.usual import USUAL

NAME = "binance"
ROWS = 1000
"""The most klines in an answer."""

PAGES = 20
"""How many answers are fetched and kept together."""

BEGINNING = datetime(2017, 7, 1, tzinfo=UTC)
"""Its market opened in that month."""

WEIGHT = 2
"""What a question for klines costs."""

WEIGHT_A_MINUTE = 6000
SPARE_WEIGHT = 300
"""So much is never used, since others may be at the same address: a ban is worse than a pause."""

KLINE = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "trades",
    "taker_buy_base",
    "taker_buy_quote",
    "unused",
)
"""The cells of a row, in the order of the documentation."""

SAME = ("open", "high", "low", "close", "volume", "quote_volume", "trades")
TAKEN = {"open_time": "time", "taker_buy_base": "taker_buy_volume"} | {name: name for name in SAME}
CODES: dict[object, type[SourceError]] = {-1121: UnknownAtSource}
LISTS = pl.List(pl.List(pl.String))


@dataclass(frozen=True, slots=True)
class Klines:
    """The rows of one question, a cell a text, and what in its answers was no row."""

    raw: pl.DataFrame
    rejects: pl.DataFrame
    calls: int = 1
    ms: float = 0.0
    weight_left: int | None = None
    silent_from: datetime | None = None
    """Where a page without any rows began, after full ones."""


def parse(payload: bytes) -> Klines:
    """The klines in an answer as they came; UnreadableAnswer where it is no list of rows."""
    if payload.lstrip().startswith(b"["):
        try:
            rows = pl.Series("row", [payload.decode()]).str.json_decode(LISTS)[0]
        except (UnicodeDecodeError, pl.exceptions.ComputeError):
            return _carefully(payload)
        if not rows.null_count():
            cells = [pl.col("row").list.get(at, null_on_oob=True).alias(name) for at, name in enumerate(KLINE)]
            return Klines(rows.to_frame("row").select(cells), pl.DataFrame(schema=REJECTS))
    return _carefully(payload)


def _carefully(payload: bytes) -> Klines:
    """The same where a row is no list of plain cells."""
    rows = decode.document(payload, NAME)
    if not isinstance(rows, list):
        raise UnreadableAnswer(NAME, "its klines are no list")
    return Klines(*decode.texts(rows, KLINE))


def again(kept: Kept) -> pl.DataFrame:
    """Klines of old answers as `time`, measures and `origin`, without those that are cut short."""
    raw, _ = decode.texts(kept.rows, KLINE)
    return _with_sells(decode.measured(raw, TAKEN, "ms")[0]).filter(_whole_slots(raw, kept.series))


def refusal(answer: Answer) -> type[SourceError] | None:
    """What Binance means by a refusal: by its own code, or by barring the caller's country."""
    if answer.status == 451:
        return NotEntitled
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
    return CODES.get(body.get("code")) if isinstance(body, dict) else None


class Binance(Asking):
    """The source of crypto bars: taker volumes come along, funding and open interest where futures are reachable."""

    name = NAME
    delay = timedelta(0)

    def __init__(
        self,
        base_url: str,
        futures: Futures | None = None,
        *,
        timeout: float = 30.0,
        guard: Guards | None = None,
        pace: Turns | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._clock = clock
        self._pace: Turns = pace or Pace(0)
        self._futures = futures
        self._http = Http(
            NAME,
            base_url,
            timeout=timeout,
            guard=guard,
            pace=self._pace,
            refusal=refusal,
            transport=transport,
        )

    def reach(self, series: Series, span: Span, now: datetime) -> Span | None:
        """Coins only, and none before its market opened."""
        if series.instrument.asset_class is not AssetClass.CRYPTO:
            return None
        return span.common(Span(BEGINNING, max(now, BEGINNING)))

    def pieces(self, series: Series, span: Span) -> list[Span]:
        """Stretches of some pages each."""
        step = series.timeframe.duration * ROWS * PAGES
        count = -(-span.duration // step)
        starts = [span.start + step * number for number in range(count)]
        return [Span(start, min(start + step, span.end)) for start in starts]

    async def bars(self, series: Series, span: Span, calendar: Calendar) -> Fetched:
        """The bars of `series` in `span`, with taker volumes, and with the inputs that futures give."""
        symbol, now = spelled(series.instrument, NAME), self._clock()
        klines = await self._klines(symbol, series, span)
        rows, timeless = decode.measured(klines.raw, TAKEN, "ms")
        whole, rows = _whole_slots(klines.raw, series), _with_sells(rows)
        bars = slots.placed(rows.filter(whole & within(span)), series.timeframe, calendar, now=now, delay=self.delay)
        if self._futures and len(bars):
            bars = joined(bars, series.timeframe, await self._futures.known(symbol, series.timeframe, span, now))
        return Fetched(
            series=series,
            source=NAME,
            span=Span(span.start, klines.silent_from or span.end),
            bars=bars,
            raw=klines.raw,
            expects=USUAL[self.name],
            rejects=pl.concat([klines.rejects, timeless, _cut_short(rows.filter(~whole), klines.raw)]),
            calls=klines.calls,
            response_ms=klines.ms,
            quota_remaining=klines.weight_left,
        )

    async def actions(self, series: Series, span: Span) -> pl.DataFrame:  # noqa: ARG002
        """None: coins are not split."""
        return pl.DataFrame(schema=ACTIONS)

    async def close(self) -> None:
        """End the connections."""
        await super().close()
        if self._futures:
            await self._futures.close()

    async def _klines(self, symbol: str, series: Series, span: Span) -> Klines:
        """All pages of `span`; UnreadableAnswer where they do not get on."""
        pages: list[Klines] = []
        start, most = span.start, span.duration // (series.timeframe.duration * ROWS) + 2
        while start < span.end:
            if len(pages) == most:
                raise UnreadableAnswer(NAME, f"its pages come to no end, after {most} of them")
            page = await self._page(symbol, series, Span(start, span.end))
            pages.append(page)
            rows = len(page.raw) + len(page.rejects)
            if not rows and len(pages) > 1:
                return replace(_whole(pages), silent_from=start)
            if rows < ROWS:
                break
            start = _goes_on(page, series, span)
        return _whole(pages)

    async def _page(self, symbol: str, series: Series, span: Span) -> Klines:
        params: dict[str, str | int] = {
            "symbol": symbol,
            "interval": str(series.timeframe),
            "startTime": milliseconds(span.start),
            "endTime": milliseconds(span.end) - 1,  # Binance includes the end, a span does not
            "limit": ROWS,
        }
        page, answer = await self._http.read("/api/v3/klines", parse, params, weight=WEIGHT)
        return Klines(page.raw, page.rejects, answer.calls, answer.ms, await self._weight_left(answer))

    async def _weight_left(self, answer: Answer) -> int | None:
        """What is left of this minute's weight, as Binance counts it; who keeps the quota is told."""
        used = answer.headers.get("x-mbx-used-weight-1m", "")
        if not used.isdigit():
            return None
        await self._pace.seen(int(used))
        return WEIGHT_A_MINUTE - int(used)


def _goes_on(page: Klines, series: Series, span: Span) -> datetime:
    """Where the page after a full one begins; a bar of the future leads nowhere."""
    times = decode.measured(page.raw, {"open_time": "time"}, "ms")[0]
    last = times.filter(within(span))["time"].max()
    if not isinstance(last, datetime):
        raise UnreadableAnswer(NAME, "a full page of klines without a readable time")
    return last + series.timeframe.duration


def _whole(pages: list[Klines]) -> Klines:
    """All pages as one."""
    return Klines(
        pl.concat([page.raw for page in pages]),
        pl.concat([page.rejects for page in pages]),
        sum(page.calls for page in pages),
        sum(page.ms for page in pages),
        pages[-1].weight_left,
    )


def _with_sells(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the other side of the takers' volume."""
    return rows.with_columns(taker_sell_volume=pl.col("volume") - pl.col("taker_buy_volume"))


def _whole_slots(raw: pl.DataFrame, series: Series) -> pl.Expr:
    """Whether a row is as long as its slot: a kline cut short is no bar of it."""
    opens, closes = (pl.col(name).cast(pl.Int64, strict=False) for name in ("open_time", "close_time"))
    length = (closes + 1 - opens) == series.timeframe.minutes * 60_000
    return pl.col("origin").is_in(raw.with_row_index("origin").filter(length)["origin"].implode())


def _cut_short(rows: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """Rejects for klines that are shorter or longer than their slot."""
    payload = raw[rows["origin"]].select(payload=pl.struct(pl.all()).struct.json_encode())
    return rows.select("time", reason=pl.lit("wrong_length")).hstack(payload)
