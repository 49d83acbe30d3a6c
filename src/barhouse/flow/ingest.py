"""From a vendor's answer to durable bars: sift, compare, enrich, score, keep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.calendar import Calendar
from barhouse.flow import adjusting, holes
from barhouse.flow.actions import learn, reconsider
from barhouse.flow.computed import computed, recorded
from barhouse.flow.enrich import KEY, Kind, enrich
from barhouse.model import ALWAYS_OPEN, BARS, MEASURES, Series, Timeframe, at
from barhouse.sources.base import Fetched
from barhouse.sources.fallback import Attempt
from barhouse.sources.order import outranked
from barhouse.store import (
    actions,
    bars,
    computations,
    corrections,
    coverage,
    executions,
    fetches,
    instruments,
    quarantine,
)
from barhouse.store import features as feature_store
from barhouse.store.difference import Difference
from barhouse.store.executions import Claim, Step
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Batch:
    """Answers of one source for several series of one kind, each series once: what is kept in one transaction."""

    fetched: Sequence[Fetched]
    calendar: Calendar
    delay: timedelta = timedelta(minutes=15)
    """How long after its close the source has a bar for good."""
    steps: Mapping[int, Step] = field(default_factory=dict)
    """The executions that it is kept for, by the number of the instrument."""

    @property
    def source(self) -> str:
        """Who answered."""
        return self.fetched[0].source

    @property
    def timeframe(self) -> Timeframe:
        """The timeframe of all its series."""
        return self.fetched[0].series.timeframe

    @property
    def kind(self) -> Kind:
        """What its series have in common."""
        return Kind(self.fetched[0].series.instrument.asset_class, self.timeframe, self.calendar)


def revisit(calendar: Calendar) -> timedelta:
    """How long after a span's end its bars may still be restated: five sessions, two days where there are none."""
    return timedelta(days=2) if calendar.name == ALWAYS_OPEN else timedelta(days=7)


def keep(db: Database, batch: Batch, now: datetime | None = None) -> list[Fetch]:
    """Keep what a source answered; the true counts of each fetch.

    All of it is durable when this returns, or nothing is kept: bars, features, corrections, quarantine, coverage
    and the log change in one transaction. Splits and dividends are kept before, since the features hang on them;
    which splits count is decided anew after it, where the bars are evidence. LeaseLost, and nothing is kept, where
    another worker has taken over an execution that it is kept for; the others go on in the same transaction.
    """
    now = now or datetime.now(UTC)
    sifted = checks.sift(_incoming(batch), calendar=batch.calendar, timeframe=batch.timeframe)
    sound = _with_forming(sifted.sound, batch, now)
    for each in batch.fetched:
        learn(db, each.series.instrument, each.actions, each.source)
    with db.transaction() as connection:
        executions.check(connection, list(batch.steps.values()))
        bars.lock(connection, batch.timeframe, _keys(batch))
        source = instruments.source_code(connection, batch.source)
        ids = dict(zip(_keys(batch), fetches.reserve(connection, len(batch.fetched)), strict=True))
        ranks = _outranked(connection, batch)
        difference = bars.compared(db, connection, sound, batch.timeframe, source=source, outranks=ranks)
        stamps, features = _write(db, connection, batch, difference, source, ids)
        told = _told(batch, ids, sifted, sound, difference, stamps, features)
        _write_down(connection, batch, difference, source, ids, stamps)
        _set_aside(connection, batch, sifted, source, ids)
        fetches.log(connection, told)
        executions.advance(
            connection,
            [(batch.steps[key], each) for key, each in zip(_keys(batch), told, strict=True) if key in batch.steps],
        )
        for each in batch.fetched:
            _cover(connection, each, batch, source, ids, now)
    reconsider(db, [each.series.instrument for each in batch.fetched], _stretches(difference))
    for each in batch.fetched:
        adjusting.note(db, each)
    return told


def _stretches(difference: Difference) -> pl.DataFrame:
    """Of each series that was written, the first and the last bar that came."""
    return difference.fresh.group_by("instrument").agg(first=pl.min("time"), last=pl.max("time"))


def _keys(batch: Batch) -> list[int]:
    return [each.series.instrument.number for each in batch.fetched]


def _incoming(batch: Batch) -> pl.DataFrame:
    """All bars that came, each with the number of its instrument."""
    return pl.concat(
        each.bars.select(pl.lit(each.series.instrument.number, pl.Int32).alias("instrument"), *BARS, "origin")
        for each in batch.fetched
    )


def _with_forming(sound: pl.DataFrame, batch: Batch, now: datetime) -> pl.DataFrame:
    """The bars with `forming` as of `now`; only the newest ones have to be looked up in the calendar."""
    horizon = now - batch.delay - timedelta(days=7)
    recent = sound.filter(pl.col("time") > at(horizon))
    if recent.is_empty():
        return sound.with_columns(forming=pl.lit(value=False))
    closes = batch.calendar.located(recent, batch.timeframe)["closes"]
    late = recent.select(*KEY, forming=closes + batch.delay > at(now))
    return (
        sound.drop("forming")
        .join(late, on=KEY, how="left", maintain_order="left")
        .with_columns(pl.col("forming").fill_null(value=False))
        .select(sound.columns)
    )


def _outranked(connection: Connection, batch: Batch) -> set[int]:
    """The numbers of the sources whose bars this one may restate."""
    names = {batch.source, *outranked(batch.source, batch.kind.asset_class)}
    return {code for code, name in instruments.source_names(connection).items() if name in names}


def _write(
    db: Database,
    connection: Connection,
    batch: Batch,
    difference: Difference,
    source: int,
    ids: dict[int, int],
) -> tuple[dict[int, datetime], dict[int, int]]:
    """Write what is new or changed, and the features that hang on it.

    The instant of each series that was written, and how many features came to a value in it.
    A series without a fresh bar has features to write where the answer tells that a hole is none.
    """
    read, closed = holes.closed(holes.read(connection, _keys(batch), batch.timeframe), batch.fetched)
    moved = closed.join(difference.fresh, on="instrument", how="anti")
    if difference.fresh.is_empty() and moved.is_empty():
        return {}, {}
    held = bars.whole(db, difference.changed.select(KEY), batch.timeframe)
    fresh = _merged(difference, held).with_columns(source=pl.lit(source, pl.Int16))
    splits = actions.splits(connection, _keys(batch))
    expects = batch.fetched[0].expects
    every, began = [each.series for each in batch.fetched], perf_counter()
    with recorded(db, every):
        enriched = enrich(db, fresh, batch.kind, splits=splits, read=read, moved=moved, expects=expects)
    told = computed(every, enriched.features, perf_counter() - began)
    rows = enriched.bars.with_columns(source=pl.lit(source, pl.Int16))
    _store(connection, rows, difference, held, ids, batch.timeframe)
    feature_store.replace(connection, enriched.features, batch.timeframe)
    computations.log(connection, list(told.values()))
    stamps = bars.stamp(connection, _written(difference, enriched.features), batch.timeframe)
    return stamps, {key: each.features for key, each in told.items()}


def _written(difference: Difference, features: pl.DataFrame) -> pl.DataFrame:
    """The series that were written: how many bars of each are new, the first and the last of those that came."""
    fresh = _stretches(difference)
    inserted = difference.new.group_by("instrument").agg(inserted=pl.len().cast(pl.Int64))
    every = pl.concat([fresh["instrument"], features["instrument"]]).unique().to_frame()
    both = every.join(fresh, on="instrument", how="left").join(inserted, on="instrument", how="left")
    return both.with_columns(pl.col("inserted").fill_null(0))


def _merged(difference: Difference, held: pl.DataFrame) -> pl.DataFrame:
    """All bars to be written; a changed one keeps the stored value where the answer says nothing."""
    if difference.changed.is_empty():
        return difference.new
    both = difference.changed.join(
        held.select(*KEY, pl.col(MEASURES).name.prefix("stored_")), on=KEY, how="left", maintain_order="left"
    )
    changed = both.with_columns(pl.coalesce(name, f"stored_{name}").alias(name) for name in MEASURES)
    return pl.concat([difference.new, changed.select(difference.new.columns)]).sort(KEY)


def _store(
    connection: Connection,
    scored: pl.DataFrame,
    difference: Difference,
    held: pl.DataFrame,
    ids: dict[int, int],
    timeframe: Timeframe,
) -> None:
    """New bars in, changed ones in the place of the old; a settled bar keeps the fetch that first stored it."""
    rows = scored.with_columns(
        timeframe=pl.lit(timeframe.code, pl.Int16),
        fetch_id=pl.col("instrument").replace_strict(ids, return_dtype=pl.Int64),
    )
    if difference.changed.is_empty():
        bars.insert(connection, rows)
        return
    first = difference.changed.select(*KEY, "settled").join(held.select(*KEY, first="fetch_id"), on=KEY, how="left")
    changed = rows.join(first, on=KEY).with_columns(fetch_id=pl.when("settled").then("first").otherwise("fetch_id"))
    bars.insert(connection, rows.join(difference.changed, on=KEY, how="anti"))
    bars.replace(connection, changed.drop("settled", "first"), timeframe)


def _told(
    batch: Batch,
    ids: dict[int, int],
    sifted: checks.Sifted,
    sound: pl.DataFrame,
    difference: Difference,
    stamps: dict[int, datetime],
    features: dict[int, int],
) -> list[Fetch]:
    """What came of each fetch, in figures that add up."""
    inserted, updated = _counts(difference.new), _counts(difference.changed)
    sounds, rejected = _counts(sound), _counts(sifted.rejected)
    return [
        Fetch(
            id=ids[key],
            series=each.series,
            source=each.source,
            span=each.span,
            calls=each.calls,
            fetched=each.bars.height + each.rejects.height,
            inserted=inserted.get(key, 0),
            updated=updated.get(key, 0),
            unchanged=sounds.get(key, 0) - inserted.get(key, 0) - updated.get(key, 0),
            quarantined=rejected.get(key, 0) + each.rejects.height,
            response_ms=each.response_ms,
            quota=each.quota_remaining,
            stamped_at=stamps.get(key),
            features=features.get(key, 0),
        )
        for key, each in zip(_keys(batch), batch.fetched, strict=True)
    ]


def _counts(frame: pl.DataFrame) -> dict[int, int]:
    """How many rows there are of each instrument."""
    return dict(frame.group_by("instrument").len().iter_rows())


def _write_down(
    connection: Connection,
    batch: Batch,
    difference: Difference,
    source: int,
    ids: dict[int, int],
    stamps: dict[int, datetime],
) -> None:
    """A row a restated field, at the instant of the series' new revision; one more where the bar changed hands."""
    if difference.corrections.is_empty():
        return
    told = pl.concat([difference.corrections, _changed_hands(difference.corrections, source)])
    told = told.with_columns(fetch_id=pl.col("instrument").replace_strict(ids, return_dtype=pl.Int64))
    corrections.write(connection, told, batch.timeframe, at=max(stamps.values()), by=batch.source)


def _changed_hands(restated: pl.DataFrame, source: int) -> pl.DataFrame:
    """The bars that were another source's, as corrections of the field `source` by their numbers."""
    others = restated.unique(KEY).filter(pl.col("source") != source)
    return others.with_columns(
        field=pl.lit("source"), old=pl.col("source").cast(pl.Float64), new=pl.lit(source, pl.Float64)
    )


def _set_aside(connection: Connection, batch: Batch, sifted: checks.Sifted, source: int, ids: dict[int, int]) -> None:
    """What was no bar goes to the quarantine, as it came, with the reason."""
    faulty = set(sifted.rejected["instrument"])
    for each in batch.fetched:
        key = each.series.instrument.number
        if key not in faulty and each.rejects.is_empty():
            continue
        rejected = sifted.rejected.filter(pl.col("instrument") == key)
        rows = pl.concat(
            [
                rejected.select("time", "reason").with_columns(payload=_payloads(each, rejected["origin"])),
                each.rejects.select("time", "reason", "payload"),
            ]
        )
        quarantine.keep(
            connection,
            rows.select(
                pl.lit(key, pl.Int32).alias("instrument"),
                pl.lit(batch.timeframe.code, pl.Int16).alias("timeframe"),
                "time",
                pl.lit(source, pl.Int16).alias("source"),
                pl.lit(ids[key], pl.Int64).alias("fetch_id"),
                "reason",
                "payload",
            ),
        )


def _payloads(each: Fetched, origins: pl.Series) -> pl.Series:
    """The vendor's own rows behind some bars, as JSON."""
    rows = each.raw[origins.to_list()].rows(named=True) if len(origins) else []
    return pl.Series([json.dumps(row, default=str) for row in rows], dtype=pl.String)


def _cover(
    connection: Connection, each: Fetched, batch: Batch, source: int, ids: dict[int, int], now: datetime
) -> None:
    """From now on this span counts as read."""
    came = each.bars.height + each.rejects.height
    state = coverage.State.FETCHED if came else coverage.State.EMPTY
    stretch = coverage.Stretch(each.span, state, now, fetch_id=ids[each.series.instrument.number])
    coverage.record(connection, each.series, source, stretch, revisit(batch.calendar))


def note(
    db: Database, series: Series, calendar: Calendar, attempt: Attempt, now: datetime, claim: Claim | None = None
) -> None:
    """Write down that a source could not give a span, and why: it was not read, so it is not empty.

    What a source does not reach it was not even asked for: that is no fetch. LeaseLost where the `claim` on the
    execution that asked stands no more: who took it over knows better.
    """
    state, reason = coverage.State(attempt.state), str(attempt.error)
    with db.transaction() as connection:
        executions.check(connection, [Step(claim, 0)] if claim else [])
        bars.lock(connection, series.timeframe, [series.instrument.number])
        source = instruments.source_code(connection, attempt.source)
        number = None
        if state is not coverage.State.UNREACHABLE:
            [number] = fetches.reserve(connection, 1)
            fetches.log(connection, [Fetch(number, series, attempt.source, attempt.span, error=reason)])
        stretch = coverage.Stretch(attempt.span, state, now, reason, fetch_id=number)
        coverage.record(connection, series, source, stretch, revisit(calendar))
