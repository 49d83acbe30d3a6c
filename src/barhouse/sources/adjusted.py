"""A source's own adjusted closes, beside the dividends and splits that they ought to carry."""

from __future__ import annotations

import polars as pl

from barhouse.model import INSTANT, Schema
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
    if any(names[ours] is None for ours in ("close", "adjusted", "dividend")) or fetched.bars.is_empty():
        return pl.DataFrame(schema=ADJUSTED)
    cells = fetched.raw[fetched.bars["origin"].to_list()]
    numbers = [_number(cells, name).alias(ours) for ours, name in names.items()]
    days = fetched.bars.select("time").hstack(pl.DataFrame(numbers))
    nothing = [pl.when(pl.col(name) > 0).then(name) for name in ("dividend", "ratio")]
    return days.with_columns(nothing).sort("time").cast(pl.Schema(ADJUSTED))


def _number(cells: pl.DataFrame, name: str | None) -> pl.Series:
    if name is None:
        return pl.repeat(None, cells.height, dtype=pl.Float64, eager=True)
    return cells[name].cast(pl.Float64, strict=False)
