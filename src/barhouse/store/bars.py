"""Bars: written once, restated with proof, read as frames."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import polars as pl
from psycopg import Connection, sql

from barhouse.model import INSTANT, MEASURES, Schema, Timeframe
from barhouse.store import corrections
from barhouse.store.arrays import array
from barhouse.store.copying import copy_in
from barhouse.store.difference import KEY, Difference, difference, heeding, told
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("bars")

COLUMNS: Schema = {
    "instrument": pl.Int32(),
    "timeframe": pl.Int16(),
    "time": INSTANT,
    **MEASURES,
    "quality_score": pl.Float64(),
    "fetch_id": pl.Int64(),
    "source": pl.Int16(),
    "extended": pl.Boolean(),
    "forming": pl.Boolean(),
    "validated": pl.Boolean(),
    "flags": pl.String(),
}
"""The table `bar`, column for column."""


def lock(connection: Connection, timeframe: Timeframe, instruments: Iterable[int]) -> None:
    """Wait until this transaction is the only writer of these series."""
    connection.execute(query.lock, {"timeframe": timeframe.code, "instruments": list(instruments)})


def compared(
    db: Database,
    connection: Connection,
    bars: pl.DataFrame,
    timeframe: Timeframe,
    *,
    source: int,
    outranks: Collection[int],
) -> Difference:
    """What `bars` of one source change in their stored series, whose lock is held.

    A field that a human corrected stays, unless the source of the bar says something new of it.
    The stored bars are read as a frame on a connection of its own: the lock keeps other writers out meanwhile.
    """
    stretches = bars.group_by("instrument", maintain_order=True).agg(
        first=pl.col("time").min(), last=pl.col("time").max()
    )
    parameters = {name: stretches[column].to_list() for name, column in _STRETCH.items()}
    held = connection.execute(query.overlapping, {**parameters, "timeframe": timeframe.code}).fetchall()
    stretches = stretches.filter(pl.col("instrument").is_in([row[0] for row in held]))
    known = _known(db, stretches, timeframe, [*KEY, *told(bars), "source", "forming"])
    by_hand = corrections.overruled(connection, stretches["instrument"], timeframe)
    return difference(heeding(bars, known, by_hand, source=source), known, outranks=outranks)


_STRETCH = {"instruments": "instrument", "firsts": "first", "lasts": "last"}


def _known(db: Database, stretches: pl.DataFrame, timeframe: Timeframe, columns: list[str]) -> pl.DataFrame:
    if stretches.is_empty():
        return pl.DataFrame(schema={name: COLUMNS[name] for name in columns})
    parameters = [stretches[column].to_list() for column in _STRETCH.values()]
    # The stretches come in the order of their keys, so a sort by the server would be a second one; this one is free.
    found = db.frame(_with_columns(query.known, columns), [*parameters, timeframe.code])
    return found.sort(KEY, maintain_order=True) if not _in_order(found) else found


def _in_order(found: pl.DataFrame) -> bool:
    instrument, time = pl.col("instrument"), pl.col("time")
    rises = (instrument > instrument.shift()) | ((instrument == instrument.shift()) & (time > time.shift()))
    return bool(found.select(rises.slice(1).all()).item())


def context(
    db: Database,
    stretches: pl.DataFrame,
    timeframe: Timeframe,
    *,
    before: int,
    after: int,
    columns: list[str],
) -> pl.DataFrame:
    """The regular, settled bars around some stretches: `before` bars ahead of each, all in it, `after` bars behind.

    `stretches` has a row a series: instrument, first, last, both included. Sorted by (instrument, time).
    """
    parameters = [stretches[column].to_list() for column in _STRETCH.values()]
    return db.frame(_with_columns(query.context, columns), [*parameters, timeframe.code, before, after])


def _with_columns(statement: bytes, columns: Iterable[str]) -> bytes:
    names = sql.SQL(", ").join(sql.Identifier("bar", name) for name in columns)
    return sql.SQL(statement.decode()).format(columns=names).as_bytes()


def insert(connection: Connection, bars: pl.DataFrame) -> None:
    """Append bars to their series; columns that nothing is known of are not sent at all."""
    filled = [name for name in COLUMNS if name in bars.columns and bars[name].null_count() < bars.height]
    if bars.height:
        copy_in(connection, "bar", bars.select(pl.col(name).cast(COLUMNS[name]) for name in filled))


def replace(connection: Connection, bars: pl.DataFrame, timeframe: Timeframe) -> None:
    """Put whole bars in the place of the stored ones in their slots."""
    remove(connection, bars.select(KEY), timeframe)
    insert(connection, bars)


def remove(connection: Connection, keys: pl.DataFrame, timeframe: Timeframe) -> None:
    """Take bars out of the table."""
    parameters = {"instruments": array(keys["instrument"]), "times": array(keys["time"])}
    connection.execute(query.remove, {**parameters, "timeframe": timeframe.code})


def whole(db: Database, keys: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """The stored bars of these slots, with all their columns."""
    stretches = keys.select("instrument", first="time", last="time")
    return _known(db, stretches, timeframe, list(COLUMNS))


def stamp(connection: Connection, written: pl.DataFrame, timeframe: Timeframe) -> dict[int, datetime]:
    """Bump the revision of each written series (instrument, inserted, first, last); the instant of each."""
    parameters: dict[str, Any] = {name: written[column].to_list() for name, column in _STRETCH.items()}
    parameters |= {"inserted": written["inserted"].to_list(), "timeframe": timeframe.code}
    return dict(connection.execute(query.stamp, parameters).fetchall())


def restamp(connection: Connection, more: dict[int, int], timeframe: Timeframe, *, at: datetime) -> None:
    """Bump the revision of series at the instant `at`, each having so many bars `more` (or, below zero, less)."""
    parameters = {"instruments": list(more), "more": list(more.values()), "timeframe": timeframe.code, "at": at}
    connection.execute(query.restamp, parameters)


def rejudge(connection: Connection, judged: pl.DataFrame, timeframe: Timeframe) -> None:
    """Give stored bars (instrument, time) another `quality_score`, `validated` and `flags`."""
    if judged.is_empty():
        return
    connection.execute(
        query.rejudge,
        {
            "instruments": array(judged["instrument"]),
            "times": array(judged["time"]),
            "scores": array(judged["quality_score"]),
            "validated": array(judged["validated"]),
            "flags": judged["flags"].to_list(),
            "timeframe": timeframe.code,
        },
    )
