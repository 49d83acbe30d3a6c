"""Duplicates: the best bar of a slot stays, the others go, and all of it can be undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.calendar import Calendar
from barhouse.errors import Conflict, UnknownRecord
from barhouse.flow import sessions
from barhouse.flow.choosing import Symbols, chosen
from barhouse.flow.enrich import KEY, MOMENTS, Kind
from barhouse.flow.rewrite import PLACED, rewrite
from barhouse.model import MEASURES, Series, instant
from barhouse.store import bars, duplicates, stays
from barhouse.store.duplicates import Cleaned
from barhouse.store.postgres import Database

CAUSE, UNDONE = "duplicate", "cleanup undone"
"""Why bars leave and come back, as their stays tell it."""


def cleanup_duplicate_records(
    db: Database,
    symbol: Symbols = None,
    timeframe: str | None = None,
    dry_run: bool = False,
    asset_class: str | None = None,
) -> dict[str, Any]:
    """Take all but the best bar out of each slot that holds several, of one symbol, of several or of all.

    The validated bar stays, then that of the best quality, then the newest; it stands at the slot's canonical time
    from then on. A `dry_run` only tells: `total_duplicates_found` (slots), `total_records_removed`, and in
    `cleanup_details` a dict a slot with `symbol, timeframe, candle_time, duplicates_removed`. Each series is kept in
    a transaction of its own. What went is in the log, whole, for `undo_cleanup`.
    """
    run, details = uuid4(), []
    for series, calendar, found in doubled(db, chosen(db, symbol, timeframe, asset_class)):
        slots = found if dry_run else _clean(db, series, calendar, found, run)
        details += _told(series, slots)
    details.sort(key=lambda slot: (slot["symbol"], slot["timeframe"], slot["candle_time"]))
    return {
        "total_duplicates_found": len(details),
        "total_records_removed": 0 if dry_run else sum(slot["duplicates_removed"] for slot in details),
        "cleanup_details": details,
    }


def doubled(db: Database, wanted: Sequence[Series]) -> Iterator[tuple[Series, Calendar, pl.DataFrame]]:
    """Those of some series that have slots with several bars, and all bars of these slots (`checks.doubles`)."""
    kinds = sorted(wanted, key=_kind)
    for (exchange, _), alike in groupby(kinds, key=_kind):
        of_kind = {series.instrument.number: series for series in alike}
        timeframe, calendar = next(iter(of_kind.values())).timeframe, sessions.calendar(db, exchange)
        near = duplicates.near_strays(db, sorted(of_kind), timeframe)
        found = checks.doubles(near, calendar=calendar, timeframe=timeframe)
        for part in found.partition_by("instrument", maintain_order=True):
            yield of_kind[part["instrument"][0]], calendar, part


def _kind(series: Series) -> tuple[str, int]:
    return series.instrument.exchange, series.timeframe.code


def _told(series: Series, slots: pl.DataFrame) -> list[dict[str, Any]]:
    """What is told of each slot of a series."""
    counts = slots.group_by("slot").agg(removed=(~pl.col("keeps")).sum())
    names = {"symbol": series.instrument.symbol, "timeframe": str(series.timeframe)}
    return [{**names, "candle_time": slot, "duplicates_removed": removed} for slot, removed in counts.iter_rows()]


def _clean(db: Database, series: Series, calendar: Calendar, seen: pl.DataFrame, run: UUID) -> pl.DataFrame:
    """Clean the slots of one series in which bars are still doubled once nobody else can write it; those bars."""
    slots = seen.group_by("instrument", "slot").agg(first=pl.min("time"), last=pl.max("time"))
    kind = Kind(series.instrument.asset_class, series.timeframe, calendar)
    with db.transaction() as connection:
        bars.lock(connection, series.timeframe, [series.instrument.number])
        held = duplicates.within(db, slots.drop("slot"), series.timeframe)
        found = checks.doubles(held, calendar=calendar, timeframe=series.timeframe)
        if found.height:
            ids = duplicates.keep(connection, series, found, run)
            duplicates.stamp(connection, ids, _take_out(db, connection, kind, found))
    return found


def _take_out(db: Database, connection: Connection, kind: Kind, found: pl.DataFrame) -> datetime:
    """Leave of each doubled slot one bar at its canonical time; the instant of it."""
    stands = pl.col("slot") == pl.col("time")
    leaving, astray = found.filter(~(pl.col("keeps") & stands)), found.filter("keeps", ~stands)
    survivors = bars.whole(db, astray.select(KEY), kind.timeframe)
    placed = survivors.join(astray.select(*KEY, "slot"), on=KEY).with_columns(time="slot").sort(KEY)
    placed = placed.with_columns(kind.calendar.located(placed, kind.timeframe)["extended"])
    at = rewrite(db, connection, kind, gone=leaving.select(KEY), placed=placed.select(*PLACED), cause=CAUSE)
    bars.rejudge(connection, placed.filter(pl.col("quality_score").is_null()), kind.timeframe)
    return at


def undo_cleanup(db: Database, number: int) -> dict[str, Any]:
    """Bring all bars back that one cleanup of a slot took out, and its survivor back to where it stood.

    `number` is the `id` in the log of cleanups. What was brought back: `id, symbol, asset_class, timeframe,
    candle_time, records_restored, restored_at`. UnknownRecord (404) if there is no such cleanup; Conflict (409) if it
    was undone before, or if other bars stand in the way by now. Then nothing has changed.
    """
    with db.transaction() as connection:
        series = _cleaned(connection, number).series
        bars.lock(connection, series.timeframe, [series.instrument.number])
        cleanup = _cleaned(connection, number)
        if cleanup.restored_at:
            raise Conflict(f"Cleanup {number} was undone already, at {instant(cleanup.restored_at)}")
        back = duplicates.rows(db, number)
        back = back if cleanup.moved else back.filter(pl.col("time") != cleanup.stood)
        _refuse_if_taken(db, cleanup, back)
        at = _bring_back(db, connection, cleanup, back)
        duplicates.undone(connection, number, at)
    return {
        "id": number,
        "symbol": series.instrument.symbol,
        "asset_class": str(series.instrument.asset_class),
        "timeframe": str(series.timeframe),
        "candle_time": cleanup.slot,
        "records_restored": back.height - cleanup.moved,
        "restored_at": at.astimezone(UTC),
    }


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
