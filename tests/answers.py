"""Answers of vendors, made of real bars, for tests of what is done with them."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from barhouse.api.sample import sample
from barhouse.model import ACTIONS, BARS, AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources.base import Fetched
from barhouse.sources.usual import USUAL
from barhouse.store import instruments
from barhouse.store.postgres import Database


def real(symbol: str) -> pl.DataFrame:
    """All daily bars of a packaged stock, as traded: time, open, high, low, close, volume."""
    found = sample().bars(symbol, AssetClass.STOCK, Timeframe.D1, *ALL_TIME)
    assert found is not None
    return found


ALL_TIME = (datetime.fromisoformat("1990-01-01T00:00:00Z"), datetime.fromisoformat("2030-01-01T00:00:00Z"))


def kept(db: Database, symbol: str, timeframe: Timeframe = Timeframe.D1) -> Series:
    """A series that the warehouse knows."""
    with db.transaction() as connection:
        return instruments.add_series(connection, Series(Instrument(symbol), timeframe))


def answer(
    series: Series,
    rows: pl.DataFrame,
    *,
    source: str = "polygon",
    span: Span | None = None,
    actions: pl.DataFrame | None = None,
) -> Fetched:
    """What `source` answers if its bars are `rows`, which may lack any column but time."""
    bars = rows.select(
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(_absent(name)).cast(kind).alias(name)
        for name, kind in BARS.items()
    )
    if span is None:
        span = Span(bars["time"].min(), bars["time"].max() + timedelta(days=1))  # type: ignore[arg-type, operator]
    return Fetched(
        series,
        source,
        span,
        bars.with_row_index("origin").select(*BARS, "origin"),
        rows.with_columns(pl.col("time").dt.epoch("ms").alias("t")).drop("time"),
        expects=USUAL.get(source, frozenset()),
        actions=pl.DataFrame(schema=ACTIONS) if actions is None else actions,
    )


def _absent(name: str) -> bool | None:
    return False if name in ("extended", "forming") else None
