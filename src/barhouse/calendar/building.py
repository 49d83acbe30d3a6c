"""Bars out of finer ones, by the stretches of time that they really cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from barhouse.calendar import slots
from barhouse.calendar.zone import local
from barhouse.model import INSTANT, Span, Timeframe

if TYPE_CHECKING:
    from barhouse.calendar.sessions import Calendar

SUMS = frozenset(
    {
        "volume",
        "trades",
        "quote_volume",
        "taker_buy_volume",
        "taker_sell_volume",
        "liquidations_long",
        "liquidations_short",
        "exchange_inflow",
    }
)
"""What adds up over time; NULL where no finer bar knew it."""

LEVELS = frozenset({"open_interest", "funding_rate", "long_short_ratio"})
"""What stands at a moment: the last one known counts."""


def build(
    calendar: Calendar, bars: pl.DataFrame, finer: Timeframe, timeframe: Timeframe, read: Span | None
) -> pl.DataFrame:
    """Bars of `timeframe` out of `bars`, which are of the timeframe `finer`."""
    if finer.minutes >= timeframe.minutes:
        raise ValueError(f"{timeframe} bars cannot be built from {finer} bars")
    keys = [name for name in ("instrument",) if name in bars.columns]
    pieces = _pieces(calendar, _once(bars, keys), finer, timeframe)
    if read is not None:
        pieces = pieces.filter(pl.col("slot_opens") >= read.start, pl.col("slot_closes") <= read.end)
    inside = pl.col("closes") <= pl.col("slot_closes")
    torn = _torn(pieces.filter(~inside), keys, timeframe)
    held = pieces.filter(inside).join(torn, on=[*keys, "slot"], how="anti", maintain_order="left")
    measures = [_merged(name).alias(name) for name in bars.columns if name not in {*keys, "time"}]
    whole = held.group_by([*keys, "slot"], maintain_order=True).agg(measures)
    return whole.rename({"slot": "time"}).select(bars.columns).sort(*keys, "time")


def _once(bars: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The bars in order of time; of several in one slot the one that came last."""
    ordered = bars.sort(*keys, "time", maintain_order=True)
    next_one = [pl.col(name) == pl.col(name).shift(-1) for name in (*keys, "time")]
    return ordered.filter(~pl.all_horizontal(next_one).fill_null(value=False))


def _pieces(calendar: Calendar, bars: pl.DataFrame, finer: Timeframe, timeframe: Timeframe) -> pl.DataFrame:
    """The finer bars with their stretch [opens, closes), their `slot`, and the stretch of that."""
    place = calendar.located(bars.select("time"), finer)
    near = slots.nearest(calendar.grid(finer), bars["time"], finer)
    # Yahoo's hours begin at the half, as the session does
    from_open = near.select(slots.on("open", finer) & slots.touches(finer)).to_series()
    sound = bars.with_columns(place["opens", "closes", "session", "extended"]).filter(place["on_grid"] | from_open)
    placed = sound.with_columns(slot=_slots(calendar, sound, timeframe))
    target = calendar.located(placed.select(time="slot"), timeframe)
    stretch = target.select(slot_opens="opens", slot_closes="closes")
    return placed.hstack(stretch).filter(target["extended"] == placed["extended"])


def _slots(calendar: Calendar, bars: pl.DataFrame, timeframe: Timeframe) -> pl.Series:
    """The slot in which each finer bar begins."""
    if not timeframe.intraday:
        day = bars["session"]
        return (day if timeframe is Timeframe.D1 else day.dt.truncate("1w")).cast(INSTANT)
    begun = slots.begun(calendar.grid(timeframe), bars["opens"], timeframe)
    if not bars["extended"].any():
        return begun
    clock = local(bars["opens"], calendar.zone)
    by_clock = bars["opens"] - (clock - clock.dt.truncate(timeframe))
    return bars.select(pl.when("extended").then(by_clock).otherwise(begun)).to_series()


def _torn(across: pl.DataFrame, keys: list[str], timeframe: Timeframe) -> pl.DataFrame:
    """The slots on both sides of an edge that a finer bar reaches across."""
    here = across.select(*keys, "slot")
    return pl.concat([here, here.with_columns(pl.col("slot") + timeframe.duration)]).unique()


def _merged(name: str) -> pl.Expr:
    """How a measure of the finer bars becomes the bar's."""
    column = pl.col(name)
    if name in SUMS:
        return pl.when(column.count() > 0).then(column.sum())
    if name in LEVELS:
        return column.drop_nulls().last()
    whole, traded = pl.when(column.null_count() == 0), pl.col("volume").filter(column.is_not_null())
    words = column.cast(pl.String).drop_nulls().str.split(",").explode().unique().sort().str.join(",")
    named = pl.when(column.count() > 0).then(words)
    others = {
        "high": whole.then(column.nan_max()),
        "low": whole.then(column.nan_min()),
        "close": column.last(),
        "vwap": pl.when(traded.sum() > 0).then((column * pl.col("volume")).sum() / traded.sum()),
        "forming": column.any(),
        "validated": column.all(),
        "quality_score": column.mean(),
        "source": named,
        "flags": named,
    }
    return others.get(name, column.first())
