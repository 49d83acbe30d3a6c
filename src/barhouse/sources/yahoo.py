"""Yahoo: bars of stocks, ETFs and crypto without a key, brought back to prices as traded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import polars as pl

from barhouse.calendar import Calendar
from barhouse.errors import RequestRefused, UnreadableAnswer
from barhouse.model import ACTIONS, PRICES, AssetClass, Instrument, Series, Span, Timeframe, within
from barhouse.resilience.manager import Guards
from barhouse.resilience.pace import Turns
from barhouse.sources import decode, slots, splits, yahoo_answers
from barhouse.sources.base import Fetched, Kept
from barhouse.sources.browser import Browser
from barhouse.sources.http import Asking, Http
from barhouse.sources.symbols import spelled
from barhouse.sources.yahoo_answers import NAME, TAKEN, Chart

CALLS_A_MINUTE = 60
"""Yahoo tells no limit; who asks faster is turned away for hours."""

EXCHANGE_FROM = {
    Timeframe.M30: Timeframe.M15,
    Timeframe.H1: Timeframe.M15,
    Timeframe.H4: Timeframe.H1,
    Timeframe.W1: Timeframe.D1,
}
"""Its hours begin at :30 with the session, so clock hours are built from quarters; its weeks may lack days."""

CRYPTO_FROM = {Timeframe.H4: Timeframe.H1, Timeframe.W1: Timeframe.D1}

DAYS_BACK = {Timeframe.M1: 30, Timeframe.M5: 60, Timeframe.M15: 60, Timeframe.M30: 60, Timeframe.H1: 730}
"""How far back each interval goes; a span that begins earlier is refused whole."""

MARGIN = timedelta(hours=25)
"""An hour for the call that comes later than the plan, and the rest of the day that the limit falls in."""

A_CALL = {Timeframe.M1: timedelta(days=6)}
"""The longest span of a call where there is a limit, of seven days, with room for the slots at its edges."""

NO_BARS = "Data doesn't exist for startDate"
"""How Yahoo says, with status 400, that a span holds no bars."""

EVENTS_KEPT = timedelta(minutes=5)
"""How long the splits of an instrument are remembered, so that each piece of a backfill need not ask again."""


@dataclass(frozen=True, slots=True)
class Read:
    """An answer with its cost."""

    chart: Chart
    calls: int = 1
    ms: float = 0.0

    @property
    def empty(self) -> bool:
        """Whether it has no rows."""
        return self.chart.raw.is_empty()


def again(kept: Kept) -> pl.DataFrame:
    """Rows of old answers as `time`, measures and `origin`; none where they are but parts of the series' bars."""
    series, calendar = kept.series, kept.calendar
    if _finer(series) is not series.timeframe:
        return decode.NO_ROWS
    raw, _ = decode.texts(kept.rows, yahoo_answers.ROW)
    rows, _ = decode.measured(raw, TAKEN, "s")
    if _is_coin(series.instrument):
        return rows
    days = calendar.canonical(calendar.canonical(rows["time"], series.timeframe), Timeframe.D1).dt.date()
    return splits.as_traded(rows, days, dict(kept.ratios))


def is_abroad(base_url: str) -> bool:
    """Whether this is Yahoo itself, and not its double on this machine."""
    return base_url.startswith("https:")


class Yahoo(Asking):
    """The source that needs no key. A bar is never taken without the splits that are in its prices."""

    name = NAME
    delay = timedelta(minutes=15)

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 30.0,
        guard: Guards | None = None,
        pace: Turns | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._clock = clock
        self._known: dict[Instrument, tuple[datetime, datetime, Read]] = {}
        self._http = Http(
            NAME,
            base_url,
            timeout=timeout,
            guard=guard,
            pace=pace,
            transport=transport or (Browser() if is_abroad(base_url) else None),
        )

    def reach(self, series: Series, span: Span, now: datetime) -> Span | None:
        """The part of `span` that Yahoo keeps, from a midnight on so that it stays the same for a day."""
        days = DAYS_BACK.get(_finer(series))
        first = span.start
        if days is not None:
            first = (now - timedelta(days=days) + MARGIN).replace(hour=0, minute=0, second=0, microsecond=0)
        return span.common(Span(min(first, now), now))

    def pieces(self, series: Series, span: Span) -> list[Span]:
        """Stretches that one call answers."""
        step = A_CALL.get(_finer(series), span.duration)
        count = -(-span.duration // step) if span else 0
        starts = [span.start + step * number for number in range(count)]
        return [Span(start, min(start + step, span.end)) for start in starts]

    async def bars(self, series: Series, span: Span, calendar: Calendar) -> Fetched:
        """The bars of `series` in `span`, as traded, in canonical slots."""
        finer, now, coin = _finer(series), self._clock(), _is_coin(series.instrument)
        asked = calendar.whole(span, series.timeframe)
        to_now = Span(asked.start, max(asked.end, now))
        daily = finer is Timeframe.D1
        read = await self._bars(series.instrument, finer, to_now if daily else asked)
        told = read if coin or daily or read.empty else await self._events(series.instrument, to_now, now)
        rows, timeless = decode.measured(read.chart.raw, TAKEN, "s")
        rows = _honest(rows, series, calendar)
        if not coin:
            days = calendar.canonical(rows["time"], Timeframe.D1).dt.date()
            rows = splits.as_traded(rows, days, splits.combined(told.chart.splits))
        rejects = [timeless]
        if finer is not series.timeframe:
            rejects.append(slots.astray(rows.filter(within(asked)), read.chart.raw, _grid(series), calendar))
            rows = calendar.build(rows, finer, series.timeframe, read=asked)
        bars = slots.placed(rows, series.timeframe, calendar, now=now, delay=self.delay)
        return Fetched(
            series=series,
            source=NAME,
            span=span,
            bars=bars.filter(within(span)),
            raw=read.chart.raw,
            rejects=pl.concat(rejects),
            actions=_actions(told.chart),
            calls=read.calls + (told.calls if told is not read else 0),
            response_ms=read.ms + (told.ms if told is not read else 0.0),
            quota_remaining=self._http.quota_remaining,
        )

    async def actions(self, series: Series, span: Span) -> pl.DataFrame:
        """The splits and dividends of the instrument effective in `span` (`model.ACTIONS`)."""
        if _is_coin(series.instrument):
            return pl.DataFrame(schema=ACTIONS)
        now = self._clock()
        read = await self._chart(series.instrument, Timeframe.D1, Span(span.start, max(now, span.end)))
        return _actions(read.chart).filter(within(span, "effective"))

    async def _bars(self, instrument: Instrument, interval: Timeframe, span: Span) -> Read:
        """The chart of a span; one without rows where Yahoo says that there are none."""
        try:
            return await self._chart(instrument, interval, span)
        except RequestRefused as error:
            if NO_BARS not in str(error):
                raise
            return Read(yahoo_answers.NOTHING)

    async def _events(self, instrument: Instrument, to_now: Span, now: datetime) -> Read:
        """All events of a span that ends now, remembered for a while; at no cost where they were.

        UnreadableAnswer where there is no day at all: then its silence about splits is worth nothing.
        """
        known = self._known.get(instrument)
        if known and known[0] <= to_now.start and now - known[1] <= EVENTS_KEPT:
            return replace(known[2], calls=0, ms=0.0)
        read = await self._chart(instrument, Timeframe.D1, to_now)
        if read.empty:
            raise UnreadableAnswer(NAME, "no days beside its shorter bars, so nobody knows the splits in their prices")
        self._known[instrument] = (to_now.start, now, read)
        return read

    async def _chart(self, instrument: Instrument, interval: Timeframe, span: Span) -> Read:
        """Yahoo's answer to one question; the first and the last second are in it."""
        params: dict[str, str | int] = {
            "interval": str(interval),
            "period1": math.floor(span.start.timestamp()),
            "period2": math.ceil(span.end.timestamp()),
            "events": "div,splits",
            "includePrePost": "false",
        }
        path = f"/v8/finance/chart/{quote(spelled(instrument, NAME), safe='')}"
        chart, answer = await self._http.read(path, lambda payload: yahoo_answers.chart(payload, str(interval)), params)
        return Read(chart, answer.calls, answer.ms)


def _is_coin(instrument: Instrument) -> bool:
    return instrument.asset_class is AssetClass.CRYPTO


def _finer(series: Series) -> Timeframe:
    """The interval to ask for: the series' own, or one that its bars are built from."""
    return (CRYPTO_FROM if _is_coin(series.instrument) else EXCHANGE_FROM).get(series.timeframe, series.timeframe)


def _grid(series: Series) -> Timeframe:
    """The clock on which the rows of an answer stand: hours of an exchange begin at the half."""
    finer = _finer(series)
    return Timeframe.M30 if finer is Timeframe.H1 and not _is_coin(series.instrument) else finer


def _honest(rows: pl.DataFrame, series: Series, calendar: Calendar) -> pl.DataFrame:
    """The rows, in canonical slots, that are bars: neither padding nor a second tale of the price of now.

    Yahoo pads times without a trade with NULLs. While a market is open its last row is stamped with the moment
    itself: off the grid it is no bar, and beside another row of its day it is that day's again.
    """
    rows = rows.filter(~pl.all_horizontal(pl.col(*PRICES).is_null()))
    stamps, times = rows["time"], calendar.canonical(rows["time"], _finer(series))
    rows = rows.with_columns(times.alias("time"))
    last = stamps.arg_max()
    if last is None:
        return rows
    again = ((times == times[last]) & (stamps != stamps[last])).any()
    astray = not calendar.located(rows[last].select("time"), _grid(series))["on_grid"].item()
    return rows.filter(pl.int_range(pl.len()) != last) if again or astray else rows


def _actions(chart: Chart) -> pl.DataFrame:
    """The events of a chart as corporate actions, dividends in the shares of their day."""
    ratios = splits.combined(chart.splits)
    days = pl.Series("effective", [day for day, _ in chart.dividends], dtype=pl.Date)
    paid = pl.Series("amount", [amount for _, amount in chart.dividends], dtype=pl.Float64)
    dividends = pl.DataFrame([days, (paid * splits.factors(days, ratios)).round(6)])
    dividends = dividends.with_columns(kind=pl.lit("dividend"), currency=pl.lit(chart.currency, pl.String))
    divided = pl.DataFrame(
        {"effective": list(ratios), "ratio": [float(ratio) for ratio in ratios.values()]},
        schema={"effective": pl.Date, "ratio": pl.Float64},
    ).with_columns(kind=pl.lit("split"))
    none = pl.DataFrame(schema=ACTIONS)
    return pl.concat([none, divided, dividends], how="diagonal").sort("effective", "kind")
