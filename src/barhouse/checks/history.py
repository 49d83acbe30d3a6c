"""The flags: what is kept, but looks odd, by itself or beside the bars before it."""

from __future__ import annotations

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks.limits import LIMITS, Limits, beyond, exact
from barhouse.checks.past import with_past
from barhouse.checks.registry import Kind, Severity, check, named, of_kind
from barhouse.model import AssetClass, Timeframe


@check(Severity.MEDIUM, Kind.FLAG)
def wide_range(limits: Limits) -> pl.Expr:
    """The high is more than 500 % above the low."""
    return beyond((pl.col("high") - pl.col("low")) / pl.col("low"), limits.range)


@check(Severity.MEDIUM, Kind.FLAG)
def open_jump(limits: Limits) -> pl.Expr:
    """The open is more than 15 % (stock), 12 % (etf) or 30 % (crypto) away from the previous close."""
    return beyond((pl.col("open") / pl.col("previous_close") - 1).abs(), limits.open_jump)


@check(Severity.LOW, Kind.FLAG)
def unusual_volume(limits: Limits) -> pl.Expr:
    """The volume is beyond 5 or 0.2 (stock), 4 or 0.15 (etf), 50 or 0.001 (crypto) times the usual one.

    Usual is the median of the twenty bars before; intraday on exchanges that of the same slot in the twenty
    sessions before.
    """
    times = exact(pl.col("volume") / pl.col("usual_volume"))
    return (times > limits.volume_above) | (times < limits.volume_below)


def flag(
    bars: pl.DataFrame,
    *,
    before: pl.DataFrame,
    asset_class: AssetClass,
    timeframe: Timeframe,
    calendar: Calendar,
    splits: pl.DataFrame,
) -> pl.DataFrame:
    """Sound `bars` with `flags`, and how many checks applied to each (`applicable`) and held (`passed`).

    `before` are stored bars of the same series: the `LOOK_BACK` ones before the first, intraday on exchanges those
    of as many sessions. `splits` are `instrument, effective, ratio`: earlier bars are seen in the shares of the bar
    that is judged. A flag does not apply where the history is too short, nor in extended hours if it looks back.
    """
    past = with_past(bars, before, splits, calendar=calendar, timeframe=timeframe, asset_class=asset_class)
    fails = {one.name: one.fails(LIMITS[asset_class]) for one in of_kind(Kind.FLAG)}
    raised = bars.hstack(past).select(**fails)
    applicable = pl.sum_horizontal(pl.all().is_not_null()) + len(of_kind(Kind.HARD))
    judged = raised.select(
        flags=named({name: pl.col(name) for name in fails}),
        passed=(applicable - pl.sum_horizontal(pl.all())).cast(pl.UInt8),
        applicable=applicable.cast(pl.UInt8),
    )
    return bars.hstack(judged)
