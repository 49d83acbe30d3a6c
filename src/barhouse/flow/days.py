"""How good the data of each day are: counted by session, all timeframes of an instrument together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from psycopg import Connection

from barhouse.flow.judging import Seen
from barhouse.model import Schema, Span, Timeframe
from barhouse.store import quality
from barhouse.store.postgres import Database
from barhouse.store.quality import DAYS

DAY = ["instrument", "date"]
FIVE = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Days:
    """What is known of the days of a group before anybody knows what is wrong on them."""

    counted: pl.DataFrame
    """How much there is and ought to be of each day (`COUNTED`)."""
    known: pl.DataFrame
    """The figures that were written down (`quality.DAYS`), by instrument and date."""


def begun(db: Database, seen: Seen) -> Days:
    """Count the days of a group, and read what is known of them."""
    return Days(_counted(seen), quality.known_days(db, list(seen.group.instruments)).sort(DAY))


def keep(connection: Connection, seen: Seen, begun: Days) -> None:
    """Write down the daily figures of a group that differ from those that are known, and drop those of no day."""
    days = figures(seen, begun.counted, quality.causes(connection, list(seen.group.instruments)))
    known = begun.known
    if days.equals(known):
        return
    quality.keep_days(connection, days.join(known, on=list(DAYS), how="anti", nulls_equal=True))
    quality.drop_days(connection, known.join(days, on=DAY, how="anti").select(DAY))


def _counted(seen: Seen) -> pl.DataFrame:
    """What is counted of each day on which a bar is expected (`COUNTED`), all timeframes together."""
    parts = [part for timeframe in seen.bars for part in _of_timeframe(seen, timeframe)]
    every = pl.concat([pl.DataFrame(schema=COUNTED), *parts], how="diagonal_relaxed")
    return every.lazy().group_by(DAY).sum().filter(pl.col("expected") > 0).collect()


def figures(seen: Seen, counted: pl.DataFrame, causes: pl.DataFrame) -> pl.DataFrame:
    """The figures of the days that were counted (`quality.DAYS`); `causes` is what is wrong (`CAUSES`)."""
    return (
        counted.lazy()
        .join(_wrong(seen, causes).lazy(), on=DAY, how="left")
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
        .collect()
    )


def _share(part: str, whole: pl.Expr) -> pl.Expr:
    """A part of a whole; unknown where there is no whole."""
    return pl.when(whole > 0).then(pl.col(part) / whole)


COUNTS = ("stored", "validated", "scored", "quality", "present", "quarantined", "expected")
COUNTED: Schema = {"instrument": pl.Int32(), "date": pl.Date(), **dict.fromkeys(COUNTS, pl.Float64())}


def _of_timeframe(seen: Seen, timeframe: Timeframe) -> Iterator[pl.DataFrame]:
    """What is counted of one timeframe, each with some of `COUNTED`: a row a day and kind of count."""
    stored = _stored(seen.bars[timeframe])
    bounds = stored.filter(pl.col("first").is_not_null()).group_by("instrument").agg(pl.min("first"), pl.max("last"))
    yield stored.drop("first", "last")
    if bounds.height:
        yield _inside(seen, timeframe, bounds)
    if seen.quarantined[timeframe].height:
        turned_away = seen.calendar.located(_on_slots(seen, timeframe), timeframe)
        yield turned_away.group_by("instrument", date="session").agg(quarantined=pl.len())
        yield _outside(bounds, turned_away)


def _on_slots(seen: Seen, timeframe: Timeframe) -> pl.DataFrame:
    """The rows in quarantine, by the canonical times of their slots."""
    rows = seen.quarantined[timeframe]
    return rows.with_columns(time=seen.calendar.canonical(rows["time"], timeframe))


def _stored(placed: pl.DataFrame) -> pl.DataFrame:
    """What is counted of the settled bars of each day, and the `first` and `last` one that fills a slot."""
    fields = pl.sum_horizontal(pl.col(name).is_finite().fill_null(value=False) for name in FIVE)
    regular = pl.col("on_grid") & ~pl.col("beyond")
    days = placed.lazy().filter(~pl.col("forming")).group_by("instrument", date="session")
    return days.agg(
        stored=pl.len(),
        validated=pl.col("validated").sum(),
        scored=pl.col("quality_score").count(),
        quality=pl.col("quality_score").sum(),
        present=fields.filter(regular).sum(),
        first=pl.col("time").filter(regular).min(),
        last=pl.col("time").filter(regular).max(),
    ).collect()


def _inside(seen: Seen, timeframe: Timeframe, bounds: pl.DataFrame) -> pl.DataFrame:
    """The bars that each session between the bounds of a series ought to have; the first and the last may be cut."""
    stretch = Span(bounds["first"].min(), bounds["last"].max() + timeframe.duration)  # type: ignore[arg-type, operator]
    slots = seen.calendar.expected(timeframe, stretch)
    times = pl.lit(slots["time"])
    sessions = slots.lazy().group_by(date="session", maintain_order=True).agg(count=pl.len().cast(pl.Int64))
    numbered = sessions.select("date", start=pl.col("count").cum_sum() - pl.col("count"), end=pl.col("count").cum_sum())
    reach = bounds.lazy().select(
        "instrument",
        low=times.search_sorted(pl.col("first"), side="left").cast(pl.Int64),
        high=times.search_sorted(pl.col("last"), side="right").cast(pl.Int64),
    )
    of_series = reach.join_where(numbered, pl.col("start") < pl.col("high"), pl.col("end") > pl.col("low"))
    expected = pl.min_horizontal("end", "high") - pl.max_horizontal("start", "low")
    return of_series.select(*DAY, expected=expected).collect()


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
