"""The sieve on the way in: what is a sound bar goes on, all else to the quarantine with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks import candle
from barhouse.checks.registry import Kind, named, of_kind
from barhouse.model import Timeframe

ORDER = ("instrument", "time", "origin")


@dataclass(frozen=True, slots=True)
class Sifted:
    """Every row that came is in one of the two, but for exact repeats, of which one is."""

    sound: pl.DataFrame
    """Bars that passed all hard checks, by instrument and time; `extended` as the calendar says."""
    rejected: pl.DataFrame
    """The others, with `reason`: the names of the checks that they failed, joined by commas."""


def sift(bars: pl.DataFrame, *, calendar: Calendar, timeframe: Timeframe) -> Sifted:
    """The rows of `bars` (`instrument`, `model.BARS`, `origin`), in any order, parted by the hard checks."""
    placed = calendar.located(_in_order(bars), timeframe)
    failing = placed.select(pl.any_horizontal(_by_itself().values()).fill_null(value=False)).to_series()
    faulty = placed.filter(failing) if failing.any() else placed.clear()
    sound = (placed.filter(~failing) if faulty.height else placed).select(bars.columns)
    rejected = [_with_reasons(faulty).select(*bars.columns, "reason")]
    if not _increasing(sound):
        doubled = sound.with_columns(reason=named({"duplicate": candle.duplicate()}))
        rejected.append(doubled.filter(pl.col("reason").is_not_null()))
        sound = doubled.filter(pl.col("reason").is_null()).drop("reason")
    return Sifted(sound, pl.concat(rejected).sort(ORDER))


def _by_itself() -> dict[str, pl.Expr]:
    """The hard checks that a row passes or fails whatever other rows came with it."""
    return {one.name: one.fails() for one in of_kind(Kind.HARD) if one.fails is not candle.duplicate}


def _with_reasons(faulty: pl.DataFrame) -> pl.DataFrame:
    """Faulty rows with the checks they fail; a field that is no number fails for that alone."""
    five = pl.col(candle.FIVE)
    numbers = faulty.with_columns(pl.when(five.is_finite()).then(five))
    return faulty.with_columns(numbers.select(reason=named(_by_itself())).to_series())


def _in_order(bars: pl.DataFrame) -> pl.DataFrame:
    """The rows by slot and then as they arrived, equal rows once."""
    if _increasing(bars):
        return bars
    ordered = bars.sort(ORDER)
    crowded = ordered.select(candle.same_slot(1) | candle.same_slot(-1)).to_series()
    if not crowded.any():
        return ordered
    content = pl.struct(pl.exclude("origin"))
    last = ordered.filter(crowded).select(content.is_last_distinct()).to_series()
    return ordered.filter((~crowded).scatter(crowded.arg_true(), last))


def _increasing(bars: pl.DataFrame) -> bool:
    """Whether each row's slot comes after that of the row before: sorted, and none twice."""
    instrument, time = pl.col("instrument"), pl.col("time")
    later = (instrument == instrument.shift()) & (time > time.shift())
    steps = bars.select((later | (instrument > instrument.shift())).slice(1)).to_series()
    return bool(steps.all(ignore_nulls=False))
