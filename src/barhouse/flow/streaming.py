"""What is new in some series: bars that came, fields that were corrected, bars that left."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from barhouse.flow import cross
from barhouse.model import AssetClass, Series, Timeframe
from barhouse.store import changes, reading
from barhouse.store.changes import Key, Position
from barhouse.store.postgres import Database

KINDS = ("bar", "correction", "removed")
"""What can happen to a bar, by its number in `changes.sql`."""
LOOK = 1.0
"""Seconds between two looks at series that are followed."""
PAGE = 500
"""Changes that are read at a time."""
BAR = ("open", "high", "low", "close", "volume", "source", "validated", "quality_score", "extended")
Change = dict[str, Any]


def followed(
    db: Database, symbols: Sequence[str], timeframes: Sequence[Timeframe], asset_class: AssetClass | None
) -> dict[Key, Series]:
    """The series of these symbols by their numbers; UnknownSymbol (404), AmbiguousSymbol (409)."""
    each = [Series(i, timeframe) for timeframe in timeframes for i in cross.named(db, symbols, timeframe, asset_class)]
    return {(series.instrument.number, series.timeframe.code): series for series in each}


def now(db: Database) -> datetime | None:
    """The latest instant up to which all changes can be seen; None as long as nobody can say."""
    with db.connection() as connection:
        return changes.horizon(connection)


def news(db: Database, keys: Collection[Key], position: Position, limit: int) -> list[Change]:
    """The next changes of these series behind a position, sources by their names."""
    with db.connection() as connection:
        found = changes.changes(connection, keys, position, limit)
    names = reading.sources(db) if found else {}
    return [each | {name: names.get(each[name]) for name in _coded(each)} for each in found]


def _coded(change: Change) -> tuple[str, ...]:
    """Where a change bears the number of a source."""
    return ("old_value", "new_value") if change["field"] == "source" else ("source",)


def followed_up(db: Database, keys: Collection[Key], seen: str | None) -> Iterator[tuple[Position, Change]]:
    """Each change of these series from now on, or behind what was `seen`, with the position behind it; for ever."""
    position = Position.of(seen) if seen else None
    while True:
        at = now(db)
        if position is None and at is not None:
            position = Position(at, at)
        if position is None or at is None or (position.is_whole and at <= position.after):
            time.sleep(LOOK)
            continue
        position = Position(position.after, at) if position.is_whole else position
        found = news(db, keys, position, PAGE)
        for change in found:
            position = position.behind(change)
            yield position, change
        if len(found) < PAGE:
            position = Position(position.until, position.until)
            time.sleep(LOOK)


def told(change: Change, series: Series) -> dict[str, Any]:
    """A change as readers are told of it."""
    head = {
        "symbol": series.instrument.symbol,
        "asset_class": series.instrument.asset_class,
        "timeframe": series.timeframe,
        "time": change["time"],
        "at": change["at"],
    }
    match KINDS[change["kind"]]:
        case "bar":
            return head | {name: change[name] for name in BAR}
        case "correction":
            names = ("field", "old_value", "new_value", "reason")
            return head | {name: change[name] for name in names} | {"corrected_by": change["by"]}
        case _:
            return head | {"reason": change["reason"]}
