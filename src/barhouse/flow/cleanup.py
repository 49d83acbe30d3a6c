"""Duplicates: the best bar of a slot stays, the others go, and all of it can be undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.errors import Conflict, UnknownCalendar, UnknownRecord
from barhouse.flow import causes, sessions
from barhouse.flow.actions import reconsider
from barhouse.flow.causes import Look
from barhouse.flow.choosing import Symbols, chosen
from barhouse.flow.enrich import KEY, MOMENTS, Kind
from barhouse.flow.findings import Findings
from barhouse.flow.instruments import find
from barhouse.flow.rewrite import PLACED, rewrite
from barhouse.model import INSTANT, MEASURES, AssetClass, Series, Timeframe, instant
from barhouse.store import anomalies, bars, duplicates, stays
from barhouse.store.duplicates import Cleaned
from barhouse.store.postgres import Database

TOGETHER = 10
"""Series that are cleaned in one transaction."""

CAUSE, UNDONE = "duplicate", "cleanup undone"
"""Why bars leave and come back, as their stays tell it."""


class Run(NamedTuple):
    """One call that cleans, and whose."""

    id: UUID
    by: str | None


def cleanup_duplicate_records(
    db: Database,
    symbol: Symbols = None,
    timeframe: str | None = None,
    dry_run: bool = False,
    asset_class: str | None = None,
    *,
    by: str | None = None,
) -> dict[str, Any]:
    """Take all but the best bar out of each slot that holds several, of one symbol, of several or of all.

    The validated bar stays, then that of the best quality, then the newest; it stands at the slot's canonical time
    from then on. A `dry_run` only tells: `total_duplicates_found` (slots), `total_records_removed`, and in
    `cleanup_details` a dict a slot with `symbol, timeframe, candle_time, duplicates_removed`. A series is cleaned whole
    or not at all. What went is in the log, whole, for `undo_cleanup`, with who did it (`by`); the anomalies of these
    slots are resolved.
    `failed_checks` are the series whose slots nobody can tell: `symbol, asset_class, timeframe, reason, severity`.
    """
    run, details, told = Run(uuid4(), by), [], Findings()
    for kind, alike in kinds(db, chosen(db, symbol, timeframe, asset_class), told):
        stretches = duplicates.near_strays(db, sorted(alike), kind.timeframe)
        slots = doubled(db, kind, stretches) if dry_run else _cleaned_out(db, kind, stretches, run)
        details += [_told(alike[key], slot, removed) for key, slot, removed in _removals(slots)]
    details.sort(key=lambda slot: (slot["symbol"], slot["timeframe"], slot["candle_time"]))
    return {
        "total_duplicates_found": len(details),
        "total_records_removed": 0 if dry_run else sum(slot["duplicates_removed"] for slot in details),
        "cleanup_details": details,
        "failed_checks": told.failed,
    }


def doubled(db: Database, kind: Kind, stretches: pl.DataFrame) -> pl.DataFrame:
    """All bars in slots that hold several, in some `duplicates.near_strays` of one kind (`checks.doubles`)."""
    near = duplicates.within(db, stretches, kind.timeframe)
    return checks.doubles(near, calendar=kind.calendar, timeframe=kind.timeframe)


def kinds(db: Database, wanted: Sequence[Series], told: Findings) -> Iterator[tuple[Kind, dict[int, Series]]]:
    """The series by what they have in common, each by the number of its instrument; those without slots are `told`."""
    for (exchange, asset_class, _), alike in groupby(sorted(wanted, key=_kind), key=_kind):
        series = {each.instrument.number: each for each in alike}
        timeframe = next(iter(series.values())).timeframe
        try:
            kind = Kind(asset_class, timeframe, sessions.calendar(db, exchange))
        except UnknownCalendar as cause:
            told.add_failed(series.values(), str(cause))
            continue
        yield kind, series


def _kind(series: Series) -> tuple[str, AssetClass, int]:
    return series.instrument.exchange, series.instrument.asset_class, series.timeframe.code


def _removals(slots: pl.DataFrame) -> Iterator[tuple[int, datetime, int]]:
    """How many bars are too many in each slot of each instrument."""
    return slots.group_by("instrument", "slot").agg((~pl.col("keeps")).sum()).iter_rows()


def _told(series: Series, slot: datetime, removed: int) -> dict[str, Any]:
    symbol, timeframe = series.instrument.symbol, str(series.timeframe)
    return {"symbol": symbol, "timeframe": timeframe, "candle_time": slot, "duplicates_removed": removed}


def _cleaned_out(db: Database, kind: Kind, stretches: pl.DataFrame, run: Run) -> pl.DataFrame:
    """Clean the doubled slots in some stretches, some series at a time; the bars that shared one."""
    parts = stretches.partition_by("instrument", maintain_order=True)
    together = [pl.concat(parts[at : at + TOGETHER]) for at in range(0, len(parts), TOGETHER)]
    nothing = doubled(db, kind, stretches.clear())
    return pl.concat([nothing, *(_clean(db, kind, part, run) for part in together)])


def _clean(db: Database, kind: Kind, stretches: pl.DataFrame, run: Run) -> pl.DataFrame:
    """Clean the slots of some series in one transaction; what shared a slot.

    Nobody else can write these series meanwhile, and no sweep that saw the doubled slots can tell of them afterwards.
    """
    with db.transaction() as connection:
        anomalies.take_turns(connection)
        bars.lock(connection, kind.timeframe, stretches["instrument"].unique())
        found = doubled(db, kind, stretches)
        if found.height:
            _take_out(db, connection, kind, found, run)
            anomalies.resolve(connection, found.select("instrument", time="slot").unique(), kind.timeframe, CAUSE)
    reconsider(db, stretches["instrument"].unique())
    return found


def _take_out(db: Database, connection: Connection, kind: Kind, found: pl.DataFrame, run: Run) -> None:
    """Leave of each doubled slot one bar at its canonical time, and write down what was there."""
    stands = pl.col("slot") == pl.col("time")
    leaving, astray = found.filter(~(pl.col("keeps") & stands)), found.filter("keeps", ~stands)
    survivors = bars.whole(db, astray.select(KEY), kind.timeframe)
    placed = survivors.join(astray.select(*KEY, "slot"), on=KEY).with_columns(time="slot").sort(KEY)
    placed = placed.with_columns(kind.calendar.located(placed, kind.timeframe)["extended"])
    keep = partial(duplicates.keep, connection, found, kind.timeframe, run.id, run.by)
    rewrite(db, connection, kind, gone=leaving.select(KEY), placed=placed.select(*PLACED), cause=CAUSE, last_look=keep)
    bars.rejudge(connection, placed.filter(pl.col("quality_score").is_null()), kind.timeframe)


def cleanups(
    db: Database,
    symbol: str | None = None,
    timeframe: str | None = None,
    asset_class: str | None = None,
    *,
    before: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """The log of cleaned slots, latest first: what went, whole, what stayed, and when it was undone.

    `before` leads on: slots with a lower number. UnknownSymbol (404), AmbiguousSymbol (409), InvalidTimeframe and
    InvalidAssetClass (400).
    """
    only = None if timeframe is None else Timeframe.of(timeframe)
    kind = None if asset_class is None else AssetClass.of(asset_class)
    instrument = None if symbol is None else find(db, symbol, kind)
    with db.connection() as connection:
        return duplicates.listed(connection, instrument, only, limit=limit, before=before)


def undo_cleanup(db: Database, number: int, *, by: str | None = None) -> dict[str, Any]:
    """Bring all bars back that one cleanup of a slot took out, and its survivor back to where it stood; who did it.

    `number` is the `id` in the log of cleanups. What was brought back: `id, symbol, asset_class, timeframe,
    candle_time, records_restored, restored_at`; that they share a slot is an open anomaly from then on.
    UnknownRecord (404) if there is no such cleanup; Conflict (409) if it was undone before, or if other bars stand in
    the way by now. Then nothing has changed.
    """
    with db.transaction() as connection:
        series = _cleaned(connection, number).series
        anomalies.take_turns(connection)
        bars.lock(connection, series.timeframe, [series.instrument.number])
        cleanup = _cleaned(connection, number)
        if cleanup.restored_at:
            raise Conflict(f"Cleanup {number} was undone already, at {instant(cleanup.restored_at)}")
        shared = duplicates.rows(db, number)
        back = shared if cleanup.moved else shared.filter(pl.col("time") != cleanup.stood)
        _refuse_if_taken(db, cleanup, back)
        at = _bring_back(db, connection, cleanup, back)
        duplicates.undone(connection, number, at, by)
        anomalies.raised(connection, _doubled_again(cleanup, shared))
    reconsider(db, [series.instrument.number])
    return {
        "id": number,
        "symbol": series.instrument.symbol,
        "asset_class": str(series.instrument.asset_class),
        "timeframe": str(series.timeframe),
        "candle_time": cleanup.slot,
        "records_restored": back.height - cleanup.moved,
        "restored_at": at.astimezone(UTC),
    }


def _doubled_again(cleanup: Cleaned, shared: pl.DataFrame) -> pl.DataFrame:
    """The cause that a sweep would see later: these bars stand in one slot (`anomalies.FOUND`)."""
    of_slot = {"slot": pl.lit(cleanup.slot).cast(INSTANT), "timeframe": pl.lit(cleanup.series.timeframe.code, pl.Int16)}
    return causes.of(Look.DUPLICATES, shared.sort("time").with_columns(**of_slot))


def _cleaned(connection: Connection, number: int) -> Cleaned:
    found = duplicates.cleaned(connection, number)
    if found is None:
        raise UnknownRecord(f"No cleanup has the number {number}; `barhouse duplicates list` shows those there are")
    return found


def _refuse_if_taken(db: Database, cleanup: Cleaned, back: pl.DataFrame) -> None:
    """Conflict where a bar cannot come back: its place is taken, or the one that was moved is no longer the same."""
    there = bars.whole(db, back.select(KEY).extend(_slot(cleanup)).unique(), cleanup.series.timeframe)
    away = there.filter(pl.col("time") != cleanup.slot) if cleanup.moved else there.join(back, on=KEY, how="semi")
    if away.height:
        taken = instant(away["time"][0])
        raise Conflict(
            f"A bar of {cleanup.series} stands at {taken} by now; clean up again, or remove it, and undo then"
        )
    if not cleanup.moved:
        return
    moved = back.filter(pl.col("time") == cleanup.stood).select("instrument", *MEASURES, "source")
    if not there.select(moved.columns).equals(moved):
        slot = instant(cleanup.slot)
        raise Conflict(f"The bar of {cleanup.series} at {slot} was changed since it was moved there; it stays")


def _slot(cleanup: Cleaned) -> pl.DataFrame:
    key = (cleanup.series.instrument.number, cleanup.slot)
    return pl.DataFrame([key], schema=MOMENTS, orient="row")


def _bring_back(db: Database, connection: Connection, cleanup: Cleaned, back: pl.DataFrame) -> datetime:
    """Put the bars back as they were; the instant of it. Those off their slots bear on no others."""
    series, slot = cleanup.series, pl.col("time") == cleanup.slot
    calendar = sessions.calendar(db, series.instrument.exchange)
    kind = Kind(series.instrument.asset_class, series.timeframe, calendar)
    gone = _slot(cleanup).filter(cleanup.moved)
    at = rewrite(db, connection, kind, gone=gone, placed=back.filter(slot).select(*PLACED), cause=UNDONE)
    bars.rejudge(connection, back.filter(slot), series.timeframe)
    astray = back.filter(~slot)
    bars.insert(connection, astray)
    stays.come(connection, astray, series.timeframe, at=at, cause=UNDONE)
    bars.restamp(connection, {series.instrument.number: astray.height}, series.timeframe, at=at)
    return at
