"""Expected bars that are absent between the first and the newest stored one of a series."""

from __future__ import annotations

import polars as pl

from barhouse.calendar import Calendar
from barhouse.checks import absence
from barhouse.checks.registry import Severity
from barhouse.model import INSTANT, Schema, Span, Timeframe

GAPS: Schema = {
    "instrument": pl.Int32(),
    "first": INSTANT,
    "last": INSTANT,
    "before": INSTANT,
    "after": INSTANT,
    "missing": pl.UInt32(),
    "reason": pl.String(),
    "severity": pl.String(),
}
"""One row a gap: its first and last slot, the stored neighbours, how many bars are absent, why, how bad."""

MANY_SESSIONS = 5
"""From more absent sessions on a gap is critical."""


def gaps(
    bars: pl.DataFrame,
    *,
    calendar: Calendar,
    timeframe: Timeframe,
    told: pl.DataFrame,
    coarser: pl.DataFrame | None = None,
    quarantined: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The gaps of several series (`GAPS`), by instrument and time; closed time does not part one, its reason does.

    `bars` are sorted by instrument and time; those in extended hours or off the grid fill no slot. `told` is the
    coverage [instrument, start, end, state]; `coarser` are bars of other timeframes or sources [instrument, opens,
    closes, volume], which prove that nobody traded where `bars` (with `volume`) already add up to them; `quarantined`
    are the slots [instrument, time] that came, but not as sound bars. With `high` and `low` in `bars` the habits of
    a quiet series are known. Reasons: `absence.Reason`.
    """
    if bars.is_empty():
        return pl.DataFrame(schema=GAPS)
    slots = _slots(bars["time"], calendar, timeframe)
    stored = _placed(bars, slots, calendar, timeframe)
    runs = _runs(stored)
    if runs.is_empty():
        return pl.DataFrame(schema=GAPS)
    known = absence.Known(stored, slots, told, coarser, quarantined)
    pieces = absence.explained(runs, known, timeframe)
    return _described(pieces, slots["time"], calendar.per_session(timeframe))


def _slots(times: pl.Series, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """All slots from the first time to the last."""
    first, last = times.to_frame("time").select(pl.min("time").alias("first"), pl.max("time").alias("last")).row(0)
    return calendar.expected(timeframe, Span(first - 2 * timeframe.duration, last + 2 * timeframe.duration))


def _placed(bars: pl.DataFrame, slots: pl.DataFrame, calendar: Calendar, timeframe: Timeframe) -> pl.DataFrame:
    """The bars that fill a slot, with its number (`slot`); days and weeks do so whatever their stamp."""
    times = calendar.canonical(bars["time"], timeframe)
    number = slots["time"].search_sorted(times, side="left").cast(pl.Int64)
    there = slots["time"].gather(number.clip(0, slots.height - 1)) == times if slots.height else times.is_null()
    return bars.with_columns(number.alias("slot")).filter(there & ~pl.col("extended"))


def _runs(stored: pl.DataFrame) -> pl.DataFrame:
    """The runs of slots without a bar: [instrument, start, end, row], `row` being that of the bar after in `stored`."""
    step = pl.col("slot") - pl.col("slot").shift()
    follows = pl.col("instrument") == pl.col("instrument").shift()
    return (
        stored.lazy()
        .select(
            "instrument", "slot", before=pl.col("slot").shift(), row=pl.int_range(pl.len()), gap=follows & (step > 1)
        )
        .filter("gap")
        .select("instrument", start=pl.col("before") + 1, end="slot", row="row")
        .collect()
    )


def _described(pieces: pl.DataFrame, times: pl.Series, session: int) -> pl.DataFrame:
    """Runs with their reason, as people read them."""
    missing = pl.col("end") - pl.col("start")
    return pieces.select(
        "instrument",
        *(
            times.gather(pieces.select(number).to_series()).alias(name)
            for name, number in {
                "first": pl.col("start"),
                "last": pl.col("end") - 1,
                "before": pl.col("run_start") - 1,
                "after": pl.col("run_end"),
            }.items()
        ),
        missing=missing,
        reason="reason",
        severity=severity(missing, session),
    ).cast(pl.Schema(GAPS))


def severity(missing: pl.Expr, session: int) -> pl.Expr:
    """How bad it is that so many bars are absent, where a session holds `session` of them."""
    return (
        pl.when(missing <= 1)
        .then(pl.lit(Severity.LOW))
        .when(missing <= session)
        .then(pl.lit(Severity.MEDIUM))
        .when(missing <= MANY_SESSIONS * session)
        .then(pl.lit(Severity.HIGH))
        .otherwise(pl.lit(Severity.CRITICAL))
    )
