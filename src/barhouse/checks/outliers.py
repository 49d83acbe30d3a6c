"""Faulty bars with the cause and its proof, and real moves, which are told but are no faults."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks import repeats
from barhouse.checks.candidates import candidates
from barhouse.checks.evidence import listed
from barhouse.checks.ground import grounded, impossible, standing
from barhouse.checks.levels import explained, levels
from barhouse.checks.verdicts import Verdict, seen
from barhouse.checks.witness import with_witnesses
from barhouse.model import ALWAYS_OPEN, INSTANT, AssetClass, Schema, Timeframe

OUTLIERS: Schema = {
    "instrument": pl.Int32(),
    "time": INSTANT,
    "field": pl.String(),
    "value": pl.Float64(),
    "close": pl.Float64(),
    "prev_close": pl.Float64(),
    "pct_change": pl.Float64(),
    "verdict": pl.String(),
    "severity": pl.String(),
    "evidence": pl.String(),
}
"""One row a bar: its worst field and value, the close before in its shares, the move in per cent, the verdict."""


def outliers(
    bars: pl.DataFrame,
    *,
    asset_class: AssetClass,
    calendar: Calendar,
    timeframe: Timeframe,
    splits: pl.DataFrame,
    coarser: Mapping[Timeframe, pl.DataFrame] | None = None,
    finer: Mapping[Timeframe, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """The outliers of several series of one kind (`OUTLIERS`), by instrument and time; `real_move` rows included.

    `bars` are sorted stored ones [instrument, time, open, high, low, close, volume, extended, forming]; those off
    their slot, forming or in extended hours are not judged. `splits` are the accepted [instrument, effective, ratio]:
    moves are seen in the shares of one day. `coarser` and `finer` are bars of the same instruments by timeframe.
    """
    there = standing(bars, calendar, timeframe)
    if there.is_empty():
        return pl.DataFrame(schema=OUTLIERS)
    broken = impossible(there)
    ground = grounded(there.filter(~broken) if broken.any() else there, splits, calendar, timeframe)
    nights = timeframe.intraday and calendar.name != ALWAYS_OPEN
    moved = candidates(ground, stride=calendar.per_session(timeframe) if nights else 1)
    found = seen(with_witnesses(moved, finer or {}, coarser or {}, calendar))
    shares = asset_class is not AssetClass.CRYPTO
    told = _told(ground, found, levels(ground, found, splits, shares=shares), timeframe)
    rows = [_impossible(there, broken), _shifted(bars, calendar, timeframe), listed(ground, found, told)]
    once = pl.concat(rows).lazy().unique(["instrument", "time"], keep="first", maintain_order=True)
    return once.sort("instrument", "time").collect()


ALONE = {"ratio": pl.lit(None, pl.Float64), "bars": pl.lit(1, pl.Int64)}
"""What there is to say of one bar that is at fault by itself."""


def _told(ground: pl.DataFrame, found: pl.DataFrame, steps: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """The rows of the ground with their verdict: [row, verdict, ratio, bars], each once."""
    alone = found.select("row", verdict=pl.when(~explained().fill_null(value=False)).then("verdict"))
    real = pl.col("verdict") == Verdict.REAL_MOVE
    behind = steps.filter(pl.col("verdict") != Verdict.MISSED_SPLIT)["row"] + 1
    faulty = alone.filter(~real & ~pl.col("row").is_in(behind.implode()))
    single = pl.concat([repeats.repeated(ground), repeats.unfinished(ground, timeframe), faulty])
    faults = pl.concat([steps, single.with_columns(**ALONE)]).unique("row", keep="first", maintain_order=True)
    # The bar after a faulty one only moves back
    after = pl.concat([faults["row"], faults["row"] + 1])
    moves = alone.filter(real & ~pl.col("row").is_in(after.implode()))
    return pl.concat([faults, moves.with_columns(**ALONE)])


def _impossible(standing: pl.DataFrame, broken: pl.Series) -> pl.DataFrame:
    """Stored rows that no bar can be; other tools wrote them."""
    if not broken.any():
        return pl.DataFrame(schema=OUTLIERS)
    rows = standing.filter(broken).with_columns(verdict=pl.lit(Verdict.IMPOSSIBLE_BAR))
    return _plain(rows, pl.struct("verdict", "open", "high", "low", "close", "volume"))


def _shifted(bars: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """Sessions an hour off, each by its first bar."""
    late = repeats.shifted(bars, calendar, timeframe)
    if late.is_empty():
        return pl.DataFrame(schema=OUTLIERS)
    rows = late.join(bars, on=["instrument", "time"]).with_columns(verdict=pl.lit(Verdict.CLOCK_SHIFT))
    return _plain(rows, pl.struct("verdict", "hours"))


def _plain(rows: pl.DataFrame, evidence: pl.Expr) -> pl.DataFrame:
    """Rows for whose verdict no move counts."""
    return rows.select(
        "instrument",
        "time",
        field=pl.lit("close"),
        value="close",
        close="close",
        prev_close=pl.lit(None, pl.Float64),
        pct_change=pl.lit(None, pl.Float64),
        verdict="verdict",
        severity=pl.lit("high"),
        evidence=evidence.struct.json_encode(),
    ).cast(pl.Schema(OUTLIERS))
