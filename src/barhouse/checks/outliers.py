"""Faulty bars with the cause and its proof, and real moves, which are told but are no faults."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks import repeats
from barhouse.checks.candidates import candidates
from barhouse.checks.evidence import listed
from barhouse.checks.ground import grounded, impossible, standing, timeframe_of
from barhouse.checks.levels import explained, levels
from barhouse.checks.verdicts import Verdict, seen
from barhouse.checks.witness import with_witnesses
from barhouse.model import INSTANT, AssetClass, Schema, Timeframe

OUTLIERS: Schema = {
    "timeframe": pl.Int16(),
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
"""One row a bar, with the code of its timeframe: its worst field and value, the close before in its shares, the move in
per cent, the verdict."""


def outliers(
    bars: Mapping[Timeframe, pl.DataFrame],
    *,
    asset_class: AssetClass,
    calendar: Calendar,
    splits: pl.DataFrame,
    wanted: Collection[Timeframe] | None = None,
) -> pl.DataFrame:
    """The outliers of several series of one class (`OUTLIERS`), by timeframe, instrument and time.

    `bars` are, by timeframe, the sorted stored ones [instrument, time, open, high, low, close, volume, extended,
    forming]; those off their slot, forming or in extended hours are not judged. All timeframes are evidence for each
    other; the bars of those `wanted` are judged. `splits` are the accepted [instrument, effective, ratio]: moves are
    seen in the shares of one day. `real_move` rows are included.
    """
    judged = sorted(bars if wanted is None else wanted, key=lambda each: each.code)
    there = pl.concat(standing(bars[each], splits, calendar, each) for each in judged)
    if there.is_empty():
        return pl.DataFrame(schema=OUTLIERS)
    broken = impossible(there)
    ground = grounded(there.filter(~broken) if broken.any() else there)
    found = seen(with_witnesses(candidates(ground), bars, calendar))
    shares = asset_class is not AssetClass.CRYPTO
    told = _told(ground, found, levels(ground, found, splits, shares=shares))
    shifted = [_shifted(bars[each], calendar, each) for each in judged]
    key = ["timeframe", "instrument", "time"]
    rows = pl.concat([_impossible(there, broken), *shifted, listed(ground, found, told)])
    return rows.lazy().unique(key, keep="first", maintain_order=True).sort(key).collect()


ALONE = {"ratio": pl.lit(None, pl.Float64), "bars": pl.lit(1, pl.Int64)}
"""What there is to say of one bar that is at fault by itself."""


def _told(ground: pl.DataFrame, found: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """The rows of the ground with their verdict: [row, verdict, ratio, bars], each once."""
    alone = found.select("row", verdict=pl.when(~explained().fill_null(value=False)).then("verdict"))
    real = pl.col("verdict") == Verdict.REAL_MOVE
    behind = steps.filter(pl.col("verdict") != Verdict.MISSED_SPLIT)["row"] + 1
    faulty = alone.filter(~real & ~pl.col("row").is_in(behind.implode()))
    single = pl.concat([repeats.repeated(ground), repeats.unfinished(ground), faulty])
    faults = pl.concat([steps, single.with_columns(**ALONE)]).unique("row", keep="first", maintain_order=True)
    # The bar after a faulty one only moves back
    after = pl.concat([faults["row"], faults["row"] + 1])
    moves = alone.filter(real & ~pl.col("row").is_in(after.implode()))
    return pl.concat([faults, moves.with_columns(**ALONE)])


def _impossible(standing: pl.DataFrame, broken: pl.Series) -> pl.DataFrame:
    """Stored rows that no bar can be; other tools wrote them."""
    if not broken.any():
        return pl.DataFrame(schema=OUTLIERS)
    rows = standing.filter(broken).with_columns(verdict=pl.lit(Verdict.IMPOSSIBLE_BAR), timeframe=timeframe_of())
    return _plain(rows, pl.struct("verdict", "open", "high", "low", "close", "volume"))


def _shifted(bars: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """Sessions an hour off, each by its first bar."""
    late = repeats.shifted(bars, calendar, timeframe)
    if late.is_empty():
        return pl.DataFrame(schema=OUTLIERS)
    rows = late.join(bars, on=["instrument", "time"])
    told = rows.with_columns(verdict=pl.lit(Verdict.CLOCK_SHIFT), timeframe=pl.lit(timeframe.code))
    return _plain(told, pl.struct("verdict", "hours"))


def _plain(rows: pl.DataFrame, evidence: pl.Expr) -> pl.DataFrame:
    """Rows for whose verdict no move counts."""
    return rows.select(
        "timeframe",
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
