"""Yahoo's chart: bars stamped at the session's open, in today's shares, with the events that fell in the span."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import Any

import orjson
import polars as pl

from barhouse.api.compat import Shelf
from barhouse.api.compat.windows import (
    EVER,
    OPEN,
    ZONE,
    NotKept,
    Stretch,
    adjusted,
    clocked,
    crypto,
    day_stamps,
    effective,
    epoch,
    held,
    instant,
    later,
    past,
    regular,
    session_day,
    uniform,
    windowed,
)
from barhouse.api.compat.yahoo import meta
from barhouse.api.compat.yahoo.ask import DAYS, Ask, WireError
from barhouse.model import Timeframe

_FIVE = ["open", "high", "low", "close", "volume"]
_DAY = pl.col("time").dt.date()


def result(shelf: Shelf, ask: Ask) -> dict[str, Any]:
    """The one result of a chart."""
    days = _days(shelf, ask)
    bars = _clocked(shelf, ask, ask.minutes) if ask.minutes else _stamped(days, ask)
    bars = bars.with_columns(epoch(pl.col("time"), "s").alias("stamp"))
    bars = bars.filter(pl.col("stamp").is_between(ask.start, ask.end))
    body: dict[str, Any] = {"meta": meta.meta(shelf, ask, days, bars)}
    if ask.end < (body["meta"]["firstTradeDate"] or ask.end):
        reason = f"Data doesn't exist for startDate = {ask.start}, endDate = {ask.end}"
        raise WireError(400, "Bad Request", reason)
    if bars.is_empty():
        return {**body, "indicators": {"quote": [{}]}}
    body["timestamp"] = bars["stamp"].to_list()
    events = _events(shelf, ask)
    return {**body, **({"events": events} if events else {}), "indicators": _indicators(bars)}


def _indicators(bars: pl.DataFrame) -> dict[str, Any]:
    """Prices have single precision here, volumes none behind the point."""
    prices = [name for name in [*_FIVE[:4], "adjclose"] if name in bars.columns]
    bars = bars.select(
        pl.col(prices).fill_nan(None).cast(pl.Float32), pl.col("volume").fill_nan(None).round().cast(pl.Int64)
    )
    lists = {name: bars[name].to_list() for name in bars.columns}
    adjclose = {"adjclose": [{"adjclose": lists.pop("adjclose")}]} if "adjclose" in lists else {}
    return {"quote": [orjson.Fragment(orjson.dumps(lists))], **adjclose}


def _days(shelf: Shelf, ask: Ask) -> pl.DataFrame:
    """All daily bars of the instrument in today's shares, with the close less later dividends."""
    days = _traded_days(shelf, ask)
    if crypto(ask.of):
        return days.with_columns(adjclose=pl.col("close"))
    days = adjusted(days, effective(shelf, ask.of), _DAY)
    return days.with_columns(adjclose=pl.col("close") * _less_dividends(shelf, ask, days))


def _traded_days(shelf: Shelf, ask: Ask) -> pl.DataFrame:
    """The daily bars as traded: of use, but no need, beside shorter ones."""
    try:
        return held(shelf, ask.of, [Timeframe.D1], Stretch(*EVER))[0]
    except NotKept:
        if not ask.minutes:
            raise
        return uniform(pl.DataFrame())


def _dividends(shelf: Shelf, ask: Ask) -> pl.DataFrame:
    """The dividends paid by now (`effective`, `amount`), in today's shares."""
    paid = past(shelf, shelf.dividends([ask.of.symbol]))
    return paid.select("effective", pl.col("amount") / later(effective(shelf, ask.of), pl.col("effective")))


def _less_dividends(shelf: Shelf, ask: Ask, days: pl.DataFrame) -> pl.Expr:
    """What is left of a close less all later dividends, each as a share of the close before it."""
    paid = _dividends(shelf, ask)
    before = days.select((_DAY + timedelta(days=1)).alias("effective"), "close")
    cut = paid.join_asof(before, on="effective").with_columns((1 - pl.col("amount") / pl.col("close")).alias("ratio"))
    kept = cut.drop_nulls("ratio").select("effective", "ratio")
    return later(kept, _DAY)


def _stamped(days: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Days as asked: a stock's day is stamped at the open, longer bars at their first midnight."""
    every = DAYS[ask.interval]
    if every != "1d":
        window = _DAY.cast(pl.Datetime("us")).dt.truncate(every).dt.replace_time_zone("UTC")
        days = windowed(days, window, pl.col("adjclose").last())
    if crypto(ask.of):
        return days
    return days.with_columns(session_day(pl.col("time"), OPEN) if every == "1d" else session_day(pl.col("time")))


def _clocked(shelf: Shelf, ask: Ask, minutes: int) -> pl.DataFrame:
    """Intraday bars in windows that begin with the session, at 09:30; a coin's begin at midnight."""
    spare = timedelta(minutes=minutes)
    stretch = Stretch(instant(ask.start * 1000) - spare, instant(ask.end * 1000) + spare)
    bars, step = clocked(shelf, ask.of, minutes, stretch)
    anchor = pl.col("time").dt.truncate("1d")
    if not crypto(ask.of):
        bars = bars if ask.extended else bars.filter(regular(pl.col("time")))
        local = pl.col("time").dt.convert_time_zone(ZONE)
        bars = adjusted(bars, effective(shelf, ask.of), local.dt.date())
        anchor = local.dt.truncate("1d").dt.offset_by("9h30m").dt.convert_time_zone("UTC")
    if step == minutes:
        return bars
    every = minutes * 60_000_000
    passed = (pl.col("time") - anchor).dt.total_microseconds() // every * every
    return windowed(bars, anchor + pl.duration(microseconds=passed))


def _events(shelf: Shelf, ask: Ask) -> dict[str, Any]:
    """The splits and dividends that were asked for and fell in the span."""
    if crypto(ask.of):
        return {}
    found: dict[str, Any] = {}
    if "div" in ask.events:
        found["dividends"] = _in_span(_dividends(shelf, ask), ask, lambda amount: {"amount": round(amount, 6)})
    if "split" in ask.events:
        found["splits"] = _in_span(effective(shelf, ask.of).select("effective", "ratio"), ask, _ratio)
    return {kind: events for kind, events in found.items() if events}


def _in_span(happened: pl.DataFrame, ask: Ask, told: Callable[[float], dict[str, Any]]) -> dict[str, Any]:
    """Events under the epoch second of their day's open."""
    stamps = day_stamps(happened["effective"], ZONE, OPEN)
    values = happened.to_series(1)
    return {
        str(stamp): {**told(value), "date": stamp}
        for stamp, value in zip(stamps, values, strict=True)
        if ask.start <= stamp <= ask.end
    }


def _ratio(ratio: float) -> dict[str, Any]:
    share = Fraction(ratio).limit_denominator(1000)
    told = f"{share.numerator}:{share.denominator}"
    return {"numerator": share.numerator, "denominator": share.denominator, "splitRatio": told}
