"""How good the data of each day are: counted by session, all timeframes of an instrument together."""

from __future__ import annotations

import polars as pl
from psycopg import Connection

from barhouse.flow.judging import Seen
from barhouse.model import Span, Timeframe
from barhouse.store import quality
from barhouse.store.postgres import Database
from barhouse.store.quality import DAYS

DAY = ["instrument", "date"]
FIVE = ("open", "high", "low", "close", "volume")


def keep(db: Database, connection: Connection, seen: Seen) -> None:
    """Write down the daily figures of a group that differ from those that are known, and drop those of no day."""
    days = figures(seen, quality.causes(connection, list(seen.group.instruments)))
    known = quality.known_days(db, list(seen.group.instruments)).sort(DAY)
    if days.equals(known):
        return
    quality.keep_days(connection, days.join(known, on=list(DAYS), how="anti", nulls_equal=True))
    quality.drop_days(connection, known.join(days, on=DAY, how="anti").select(DAY))


def figures(seen: Seen, causes: pl.DataFrame) -> pl.DataFrame:
    """The figures of each day on which a bar is expected (`quality.DAYS`); `causes` is what is wrong (`CAUSES`)."""
    day = pl.concat(_of_timeframe(seen, timeframe) for timeframe in seen.bars).group_by(DAY).sum()
    wrong = _wrong(seen, causes)
    return (
        day.filter(pl.col("expected") > 0)
        .join(wrong, on=DAY, how="left")
        .select(
            *DAY,
            total_records=pl.col("stored") + pl.col("quarantined"),
            validated_records="validated",
            validation_rate=(_share("validated", pl.col("stored") + pl.col("quarantined")) * 100).round(2),
            gaps_detected=pl.col("gaps").fill_null(0),
            anomalies_detected=pl.col("anomalies").fill_null(0),
            avg_quality_score=_share("quality", pl.col("scored")).round(6),
            data_completeness=_share("present", 5 * pl.col("expected")).round(6),
        )
        .cast(pl.Schema(DAYS))
        .sort(DAY)
    )


def _share(part: str, whole: pl.Expr) -> pl.Expr:
    """A part of a whole; unknown where there is no whole."""
    return pl.when(whole > 0).then(pl.col(part) / whole)


COUNTS = ("stored", "validated", "scored", "quality", "present", "quarantined", "expected")


def _of_timeframe(seen: Seen, timeframe: Timeframe) -> pl.DataFrame:
    """What is counted of one timeframe: [instrument, date, *COUNTS], a row a day and kind of count."""
    placed = seen.bars[timeframe].filter(~pl.col("forming"))
    turned_away = seen.calendar.located(_on_slots(seen, timeframe), timeframe)
    parts = [_stored(placed), _expected(seen, timeframe, placed, turned_away)]
    if turned_away.height:
        parts.append(turned_away.group_by("instrument", date="session").agg(quarantined=pl.len()))
    whole = pl.concat(parts, how="diagonal_relaxed")
    empty = [pl.lit(0.0).alias(name) for name in COUNTS if name not in whole.columns]
    return whole.with_columns(*empty).select(*DAY, pl.col(COUNTS).cast(pl.Float64).fill_null(0.0))


def _on_slots(seen: Seen, timeframe: Timeframe) -> pl.DataFrame:
    """The rows in quarantine, by the canonical times of their slots."""
    rows = seen.quarantined[timeframe]
    return rows.with_columns(time=seen.calendar.canonical(rows["time"], timeframe))


def _stored(placed: pl.DataFrame) -> pl.DataFrame:
    fields = pl.sum_horizontal(pl.col(name).is_finite().fill_null(value=False) for name in FIVE)
    return placed.group_by("instrument", date="session").agg(
        stored=pl.len(),
        validated=pl.col("validated").sum(),
        scored=pl.col("quality_score").count(),
        quality=pl.col("quality_score").sum(),
        present=fields.filter(pl.col("on_grid") & ~pl.col("beyond")).sum(),
    )


def _expected(seen: Seen, timeframe: Timeframe, placed: pl.DataFrame, turned_away: pl.DataFrame) -> pl.DataFrame:
    """The bars that a day ought to have, from the first stored one to the newest, and where rows were turned away."""
    regular = placed.lazy().filter(pl.col("on_grid") & ~pl.col("beyond"))
    bounds = regular.group_by("instrument").agg(first=pl.min("time"), last=pl.max("time")).collect()
    if bounds.is_empty():
        return _outside(bounds, turned_away)
    stretch = Span(bounds["first"].min(), bounds["last"].max() + timeframe.duration)  # type: ignore[arg-type, operator]
    slots = seen.calendar.expected(timeframe, stretch)
    sessions = slots.group_by(date="session", maintain_order=True).agg(count=pl.len().cast(pl.Int64))
    inside = _inside(bounds, slots["time"], sessions)
    return pl.concat([inside, _outside(bounds, turned_away)]) if turned_away.height else inside


def _inside(bounds: pl.DataFrame, times: pl.Series, sessions: pl.DataFrame) -> pl.DataFrame:
    """The expected bars of each session between the bounds of each series; the first and the last may be cut."""
    ends = pl.col("count").cum_sum()
    numbered = sessions.select("date", start=ends - pl.col("count"), end=ends)
    reach = bounds.select(
        "instrument",
        low=times.search_sorted(bounds["first"], side="left").cast(pl.Int64),
        high=times.search_sorted(bounds["last"], side="right").cast(pl.Int64),
    )
    of_series = reach.join_where(numbered, pl.col("start") < pl.col("high"), pl.col("end") > pl.col("low"))
    count = pl.min_horizontal("end", "high") - pl.max_horizontal("start", "low")
    return of_series.select(*DAY, expected=count)


def _outside(bounds: pl.DataFrame, turned_away: pl.DataFrame) -> pl.DataFrame:
    """A slot is expected too where a row for it came and was turned away, before the first or after the newest bar."""
    slots = turned_away.filter(pl.col("on_grid") & ~pl.col("extended")).unique(["instrument", "time"])
    beyond = slots.join(bounds, on="instrument", how="left").filter(
        ~pl.col("time").is_between("first", "last").fill_null(value=False)
    )
    return beyond.group_by("instrument", date="session").agg(expected=pl.len().cast(pl.Int64))


def _wrong(seen: Seen, causes: pl.DataFrame) -> pl.DataFrame:
    """How many gaps and how much of everything there is on each day: [instrument, date, gaps, anomalies]."""
    dated = pl.concat(
        seen.calendar.located(causes.filter(pl.col("timeframe") == timeframe.code), timeframe).select(
            "instrument", "is_gap", date="session"
        )
        for timeframe in seen.bars
    )
    return dated.group_by(DAY).agg(gaps=pl.col("is_gap").sum(), anomalies=pl.len())
