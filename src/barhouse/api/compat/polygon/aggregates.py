"""Polygon's aggregates: windows in New York time, adjusted by default, in pages of base aggregates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import polars as pl
from fastapi import Request

from barhouse.api.compat import Shelf
from barhouse.api.compat.polygon.wire import WireError, limit, onward, parameters
from barhouse.api.compat.windows import (
    EVER,
    ZONE,
    Stretch,
    adjusted,
    clocked,
    crypto,
    effective,
    epoch,
    held,
    instant,
    named,
    paired,
    session_day,
    windowed,
)
from barhouse.model import INSTANT, Instrument, Timeframe

_MINUTES = {"minute": 1, "hour": 60}
_DAYS = {"day": "d", "week": "w", "month": "mo", "quarter": "q", "year": "y"}
_LONGEST = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
_WEEK = 5
"""Daily aggregates in a week."""
_HOURS = [Timeframe.H1, Timeframe.M30, Timeframe.M15, Timeframe.M5, Timeframe.M1]
_UNPARSED = "Could not parse the time parameter: '{}'. Use YYYY-MM-DD or Unix MS Timestamps"
_BACKWARDS = "The parameter 'to' cannot be a time that occurs before 'from'"
_LOCAL = pl.col("time").dt.convert_time_zone(ZONE)
_FIELDS = {"v": "volume", "vw": "vwap", "o": "open", "c": "close", "h": "high", "l": "low", "t": "t"}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, read: `start` and `end` in epoch milliseconds, both included."""

    ticker: str
    multiplier: int
    timespan: str
    start: int
    end: int
    adjusted: bool
    descending: bool
    limit: int

    @property
    def minutes(self) -> int | None:
        """How long a window is by the clock; None from a day on."""
        return self.multiplier * _MINUTES[self.timespan] if self.timespan in _MINUTES else None

    @property
    def stretch(self) -> Stretch:
        """What has to be read for a page: wider than asked, so that its first window and its last one are whole."""
        length = self.minutes or min(_LONGEST[self.timespan] * self.multiplier, 100_000) * 1440
        base, slack = 1 if self.minutes else 1440, timedelta(minutes=length)
        page = self.limit * base + 4 * length
        return Stretch(instant(self.start) - slack, instant(self.end) + slack, page, self.descending)


class Ground(NamedTuple):
    """The bars that windows are made of."""

    bars: pl.DataFrame
    base: int
    """How many base aggregates each stands for."""
    whole: bool
    """Whether they are the windows already."""
    day: pl.Expr = _LOCAL.dt.date()
    """The day in whose shares each of them is."""


def asked(request: Request, ticker: str, window: tuple[str, str], span: tuple[str, str], most: int) -> Ask:
    """The request as it is meant, or why it cannot be answered."""
    query = parameters(request)
    multiplier, timespan = window
    counted = len(multiplier) < 5 and multiplier.isdecimal() and int(multiplier) > 0
    if timespan not in {*_MINUTES, *_DAYS} or not counted:
        raise WireError(400, f"Cannot aggregate by {multiplier} {timespan}")
    start, end = _moment("from", span[0], time.min), _moment("to", span[1], time.max)
    if end < start:
        raise WireError(400, _BACKWARDS)
    adjust, descending = query.get("adjusted", "true").lower() != "false", query.get("sort", "asc") == "desc"
    return Ask(ticker, int(multiplier), timespan, start, end, adjust, descending, min(limit(query, 5000), most))


def _moment(name: str, text: str, at: time) -> int:
    """A day of New York or epoch milliseconds, as epoch milliseconds; `at` is the time on a mere day."""
    try:
        if len(text) < 19 and text.removeprefix("-").isdecimal():
            return int(text)
        return int(datetime.combine(date.fromisoformat(text), at, ZoneInfo(ZONE)).timestamp() * 1000)
    except ValueError:
        raise WireError(400, _UNPARSED.format(name)) from None


def windows(shelf: Shelf, ask: Ask) -> pl.DataFrame:
    """All bars that the request spans, oldest first, each with the `base` aggregates that it was made of."""
    of = paired(shelf, ask.ticker[2:], "USD") if ask.ticker.startswith("X:") else named(shelf, ask.ticker)
    if of is None:
        return pl.DataFrame()
    bars, base, whole, day = _ground(shelf, of, ask)
    # Where no vendor told it, the turnover has it: exchanges of coins give that
    bars = bars.with_columns(pl.col("vwap").fill_null(pl.col("quote_volume") / pl.col("volume")).fill_nan(None))
    if ask.adjusted and not crypto(of):
        bars = adjusted(bars, effective(shelf, of), day)
        bars = bars.with_columns(pl.col("open", "high", "low", "close", "vwap").round(4))
    if whole:
        bars = bars.with_columns(pl.lit(base, pl.Int64).alias("base"))
    else:
        bars = windowed(bars, _window(ask), (pl.len().cast(pl.Int64) * base).alias("base"))
    bars = bars.with_columns(epoch(pl.col("time")).alias("t"))
    return bars.filter(pl.col("t").is_between(_snapped(ask), ask.end))


def _snapped(ask: Ask) -> int:
    """Where the window begins that the start lies in: it is given whole."""
    start = pl.DataFrame({"time": [instant(ask.start)]}, schema={"time": INSTANT})
    return int(start.select(epoch(_window(ask))).item())


def _ground(shelf: Shelf, of: Instrument, ask: Ask) -> Ground:
    """What the windows are made of. A day begins at midnight in New York, for crypto too."""
    if ask.minutes:
        bars, base = clocked(shelf, of, ask.minutes, ask.stretch)
        return Ground(bars, base, whole=base == ask.minutes)
    daily = (ask.timespan, ask.multiplier) == ("day", 1)
    if crypto(of):
        hours, _ = held(shelf, of, _HOURS, ask.stretch)
        return Ground(windowed(hours, _LOCAL.dt.truncate("1d")), 1, daily)
    weekly = (ask.timespan, ask.multiplier) == ("week", 1)
    bars, step = held(shelf, of, [Timeframe.D1, *([Timeframe.W1] if weekly else [])], ask.stretch)
    bars = bars.with_columns(session_day(pl.col("time")))
    if step is Timeframe.D1:
        return Ground(bars, 1, daily)
    sundays = bars.with_columns(_LOCAL.dt.offset_by("-1d").dt.convert_time_zone("UTC").alias("time"))
    return Ground(sundays, _WEEK, whole=True, day=_LOCAL.dt.offset_by("5d").dt.date())


def _window(ask: Ask) -> pl.Expr:
    """The window that a bar belongs to; weeks begin on Sunday."""
    if ask.minutes:
        return _LOCAL.dt.truncate(f"{ask.minutes}m")
    every = f"{ask.multiplier}{_DAYS[ask.timespan]}"
    if ask.timespan == "week":
        return _LOCAL.dt.offset_by("1d").dt.truncate(every).dt.offset_by("-1d")
    return _LOCAL.dt.truncate(every)


def page(request: Request, ask: Ask, bars: pl.DataFrame) -> dict[str, Any]:
    """As many windows as the limit allows, at least one, and where the others are."""
    head = {"ticker": ask.ticker, "queryCount": 0, "resultsCount": 0, "adjusted": ask.adjusted}
    if bars.is_empty():
        return {**head, "status": "OK"}
    ordered = bars.reverse() if ask.descending else bars
    kept = max(int((ordered["base"].cum_sum() <= ask.limit).sum()), 1)
    shown = ordered.head(kept)
    found = {"queryCount": int(shown["base"].sum()), "resultsCount": kept, "results": _rows(shown)}
    body = {**head, **found, "status": "OK", "count": kept}
    return {**body, "next_url": _rest(request, ask, ordered["t"][kept])} if kept < ordered.height else body


def previous(request: Request, shelf: Shelf, ticker: str) -> dict[str, Any]:
    """The last day before today, stamped with its close."""
    today = datetime.combine(shelf.now().astimezone(ZoneInfo(ZONE)).date(), time.min, ZoneInfo(ZONE))
    adjust = parameters(request).get("adjusted", "true").lower() != "false"
    start, end = (int(moment.timestamp() * 1000) for moment in (EVER[0], today))
    ask = Ask(ticker, 1, "day", start, end - 1, adjust, descending=True, limit=1)
    bars = windows(shelf, ask).tail(1)
    answer = page(request, ask, bars)
    if bars.is_empty():
        return answer
    closes = epoch(pl.col("time").dt.convert_time_zone(ZONE).dt.offset_by("16h")).alias("t")
    return {**answer, "results": _rows(bars.with_columns(closes), pl.lit(ticker).alias("T"))}


def _rows(bars: pl.DataFrame, *first: pl.Expr) -> orjson.Fragment:
    """The bars as the vendor writes them, each with some fields before; what the data lack is left out."""
    trades = pl.col("trades").cast(pl.Int64).alias("n")
    rows = bars.select(*first, *(pl.col(name).alias(short) for short, name in _FIELDS.items()), trades)
    absent = {name: rows[name].null_count() for name in ("vw", "n")}
    written = rows.drop(name for name, nulls in absent.items() if nulls == rows.height).write_json().encode()
    for name in (name for name, nulls in absent.items() if 0 < nulls < rows.height):
        written = written.replace(f',"{name}":null'.encode(), b"")
    return orjson.Fragment(written)


def _rest(request: Request, ask: Ask, following: int) -> str:
    """The address of what follows: the path begins, or ends, at the first window left out."""
    path = request.url.path.rsplit("/", 2)[0]
    start, end = (ask.start, following) if ask.descending else (following, ask.end)
    query = {n: v for n, v in parameters(request).items() if n in {"adjusted", "sort", "limit"}}
    return onward(request, f"{path}/{start}/{end}", query)
