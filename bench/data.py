"""A million bars: real daily bars of the packaged set, laid out again and again as minutes of real sessions."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import bokeh_sampledata
import polars as pl

from barhouse.calendar import Calendar
from barhouse.flow import sessions
from barhouse.model import BARS, Instrument, Series, Span, Timeframe
from barhouse.sources.base import Fetched
from barhouse.store import instruments
from barhouse.store.postgres import Database

MILLION = 1_000_000
SPAN = Span(datetime(2012, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))


def real_bars() -> pl.DataFrame:
    """The packaged daily bars, one under the other."""
    packed = (Path(bokeh_sampledata.__file__).parent / "_data" / "stocks.csv.gz").read_bytes()
    table = pl.read_csv(gzip.decompress(packed)).rename(str.lower)
    return table.select(pl.col("open", "high", "low", "close", "volume").cast(pl.Float64))


def minutes(calendar: Calendar, count: int, *, shift: int = 0) -> pl.DataFrame:
    """`count` minute bars in the slots of real sessions, with prices and volumes of real days (`model.BARS`)."""
    slots = calendar.expected(Timeframe.M1, SPAN)["time"].head(count)
    real = real_bars()
    rows = (pl.int_range(len(slots), eager=True) + shift) % real.height
    return (
        real[rows]
        .with_columns(
            time=slots,
            vwap=(pl.col("high") + pl.col("low") + pl.col("close")) / 3,
            trades=(pl.col("volume") / 100).round(),
            extended=pl.lit(value=False),
            forming=pl.lit(value=False),
        )
        .select(pl.col(name) if name in BENCHED else pl.lit(None, kind).alias(name) for name, kind in BARS.items())
    )


BENCHED = {"time", "open", "high", "low", "close", "volume", "vwap", "trades", "extended", "forming"}


def series_of(db: Database, count: int, timeframe: Timeframe = Timeframe.M1) -> list[Series]:
    """`count` series in the warehouse, made if need be."""
    with db.transaction() as connection:
        return [
            instruments.add_series(connection, Series(Instrument(f"BENCH{number:02}"), timeframe))
            for number in range(count)
        ]


def answers(db: Database, bars: int = MILLION, series: int = 50) -> tuple[Calendar, list[Fetched]]:
    """What a vendor would have answered: `bars` minute bars spread over `series` series."""
    calendar = sessions.calendar(db, "XNYS")
    each = bars // series
    fetched = []
    for number, one in enumerate(series_of(db, series)):
        frame = minutes(calendar, each, shift=number * 211)
        span = Span(frame["time"][0], frame["time"][-1] + Timeframe.M1.duration)
        raw = pl.DataFrame({"row": pl.int_range(frame.height, eager=True)})
        fetched.append(
            Fetched(one, "polygon", span, frame.with_row_index("origin").select(*BARS, "origin"), raw, EXPECTS)
        )
    return calendar, fetched


EXPECTS = frozenset({"vwap", "trades"})
