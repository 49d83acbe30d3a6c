"""From a vendor's answer to durable bars: sift, compare, enrich, score, keep."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.calendar import Calendar
from barhouse.flow import adjusting, holes, receipts
from barhouse.flow.actions import learn, reconsider
from barhouse.flow.batch import Batch, revisit, with_forming
from barhouse.flow.computed import computed, recorded
from barhouse.flow.enrich import KEY, enrich
from barhouse.model import MEASURES, Series, Timeframe
from barhouse.sources.base import Fetched
from barhouse.sources.fallback import Attempt
from barhouse.sources.order import outranked
from barhouse.store import actions, bars, computations, coverage, executions, fetches, instruments
from barhouse.store import features as feature_store
from barhouse.store.difference import Difference
from barhouse.store.executions import Claim, Step
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database


def keep(db: Database, batch: Batch, now: datetime | None = None) -> list[Fetch]:
    """Keep what a source answered; the true counts of each fetch.

    All of it is durable when this returns, or nothing is kept: bars, features, corrections, quarantine, coverage
    and the log change in one transaction. Splits and dividends are kept before, since the features hang on them;
    which splits count is decided anew after it, where the bars are evidence (`reconsider`). LeaseLost, and nothing is
    kept, where another worker has taken over an execution that it is kept for.
    """
    now = now or datetime.now(UTC)
    sifted = checks.sift(batch.bars, calendar=batch.calendar, timeframe=batch.timeframe)
    sound = with_forming(sifted.sound, batch, now)
    for each in batch.fetched:
        learn(db, each.series.instrument, each.actions, each.source)
    with db.transaction() as connection:
        executions.check(connection, list(batch.steps.values()))
        bars.lock(connection, batch.timeframe, batch.keys)
        source = instruments.source_code(connection, batch.source)
        ids = dict(zip(batch.keys, fetches.reserve(connection, len(batch.fetched)), strict=True))
        ranks = _outranked(connection, batch)
        difference = bars.compared(db, connection, sound, batch.timeframe, source=source, outranks=ranks)
        stamps, features = _write(db, connection, batch, difference, source, ids)
        told = receipts.told(batch, ids, sifted, sound, difference, stamps, features)
        actions.review(connection, _stretches(difference))
        receipts.write_down(connection, batch, difference, source, ids, stamps)
        receipts.set_aside(connection, batch, sifted, source, ids)
        fetches.log(connection, told)
        executions.advance(
            connection,
            [(batch.steps[key], each) for key, each in zip(batch.keys, told, strict=True) if key in batch.steps],
        )
        for each in batch.fetched:
            receipts.cover(connection, each, batch, source, ids, now)
    reconsider(db, batch.keys)
    for each in batch.fetched:
        adjusting.note(db, each)
    return told


def _stretches(difference: Difference) -> pl.DataFrame:
    """Of each series that was written, the first and the last bar that came."""
    return difference.fresh.group_by("instrument").agg(first=pl.min("time"), last=pl.max("time"))


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
    read, closed = holes.closed(holes.read(connection, batch.keys, batch.timeframe), batch.fetched)
    moved = closed.join(difference.fresh, on="instrument", how="anti")
    if difference.fresh.is_empty() and moved.is_empty():
        return {}, {}
    held = bars.whole(db, difference.changed.select(KEY), batch.timeframe)
    fresh = _merged(difference, held).with_columns(source=pl.lit(source, pl.Int16))
    splits = actions.splits(connection, batch.keys)
    expects = batch.fetched[0].expects
    every, began = [each.series for each in batch.fetched], perf_counter()
    with recorded(db, every, batch.executions):
        enriched = enrich(db, fresh, batch.kind, splits=splits, read=read, moved=moved, expects=expects)
    told = computed(every, enriched.features, perf_counter() - began, batch.executions)
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
            kind = type(attempt.error).__name__
            own = claim.execution_id if claim else None
            told = Fetch(number, series, attempt.source, attempt.span, error=reason, error_class=kind, execution=own)
            fetches.log(connection, [told])
        stretch = coverage.Stretch(attempt.span, state, now, reason, fetch_id=number)
        coverage.record(connection, series, source, stretch, revisit(calendar))


def note_outdone(db: Database, fetched: Fetched, claim: Claim | None = None) -> None:
    """Write down an answer that gave way to a better one: a fetch that succeeded, of which nothing is kept."""
    with db.transaction() as connection:
        [number] = fetches.reserve(connection, 1)
        fetches.log(connection, [receipts.outdone(fetched, number, claim.execution_id if claim else None)])
