"""A source's own adjusted closes, beside the dividends and splits that they ought to carry."""

from __future__ import annotations

import polars as pl

from barhouse.model import INSTANT, Schema, Timeframe
from barhouse.sources import headings
from barhouse.sources.base import Fetched

ADJUSTED: Schema = {
    "time": INSTANT,
    "close": pl.Float64(),
    "adjusted": pl.Float64(),
    "dividend": pl.Float64(),
    "ratio": pl.Float64(),
}
"""What a source tells of a day: its close, the same adjusted, and what was paid or split on it (else NULL)."""

COLUMNS = {
    "close": headings.NAMES["close"],
    "adjusted": ("adjclose", "adjustedclose"),
    "dividend": ("dividends", "dividend"),
    "ratio": ("stocksplits", "splits"),
}


def told(fetched: Fetched) -> pl.DataFrame:
    """What an answer says of adjusted closes (`ADJUSTED`), oldest first; no rows where it has none or no dividends.

    They are for judging alone: bars are stored as traded.
    """
    names = {ours: headings.first(fetched.raw.columns, theirs) for ours, theirs in COLUMNS.items()}
    beside = names["dividend"] is not None or fetched.actions.height > 0
    daily = fetched.series.timeframe is Timeframe.D1 and fetched.bars.height > 0
    if names["close"] is None or names["adjusted"] is None or not beside or not daily:
        return pl.DataFrame(schema=ADJUSTED)
    cells = fetched.raw[fetched.bars["origin"].to_list()]
    numbers = [_number(cells, name).alias(ours) for ours, name in names.items()]
    days = fetched.bars.select("time", traded="close").hstack(pl.DataFrame(numbers))
    if names["dividend"] is None:
        days = _with_actions(days, fetched)
    nothing = [pl.when(pl.col(name) > 0).then(name) for name in ("dividend", "ratio")]
    return days.with_columns(nothing).select(ADJUSTED.keys()).sort("time").cast(pl.Schema(ADJUSTED))


def _number(cells: pl.DataFrame, name: str | None) -> pl.Series:
    if name is None:
        return pl.repeat(None, cells.height, dtype=pl.Float64, eager=True)
    return cells[name].cast(pl.Float64, strict=False)


def _with_actions(days: pl.DataFrame, fetched: Fetched) -> pl.DataFrame:
    """Days with the actions that came along, whose amounts are in the shares of their day as the bars are.

    What fell on a day without a bar counts on the next one.
    """
    ordered = days.sort("time")
    paid = fetched.actions.select("amount", "ratio", at=pl.col("effective").cast(INSTANT)).sort("at")
    placed = paid.join_asof(ordered.select("time"), left_on="at", right_on="time", strategy="forward")
    once = placed.group_by("time").agg(dividend=pl.col("amount").sum(), ratio=pl.col("ratio").drop_nulls().first())
    traded = ordered.with_columns(adjusted=pl.col("adjusted") / pl.col("close") * pl.col("traded"), close="traded")
    return traded.drop("dividend", "ratio").join(once, on="time", how="left", maintain_order="left")
