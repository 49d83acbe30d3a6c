"""Bars that share a slot: finding them without reading all others, and the log of those that were taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store.arrays import array
from barhouse.store.bars import COLUMNS
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("duplicates")

STAMPS = timedelta(days=2)
"""Beyond its width, how far from 00:00Z a daily or weekly bar may be stamped: by the midnights of any zone."""


def near_strays(db: Database, instruments: Sequence[int], timeframe: Timeframe) -> pl.DataFrame:
    """Where bars may share a slot: stretches [instrument, first, last], both ends included, that do not overlap.

    A slot holds one whole multiple of its width by the clock of UTC, so of two bars in it one is stamped with none.
    """
    width = timeframe.duration
    strays = db.frame(query.strays, [list(instruments), timeframe.code])
    reach = width if timeframe.intraday else width + STAMPS
    return _merged(strays.select("instrument", first=pl.col("time") - reach, last=pl.col("time") + reach))


def _merged(stretches: pl.DataFrame) -> pl.DataFrame:
    """The same time of each instrument in as few stretches as possible."""
    ordered = stretches.sort("instrument", "first")
    reached = pl.col("last").shift(1).over("instrument")
    apart = (pl.col("first") > reached).fill_null(value=True).cum_sum()
    return ordered.group_by("instrument", apart.alias("stretch")).agg(pl.min("first"), pl.max("last")).drop("stretch")


def within(db: Database, stretches: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """The stored bars in some stretches, in the columns that tell which one of a slot stays."""
    parameters = [stretches[name].to_list() for name in ("instrument", "first", "last")]
    columns = {name: COLUMNS[name] for name in ("instrument", "time", "validated", "quality_score", "fetch_id")}
    if stretches.is_empty():
        return pl.DataFrame(schema=columns)
    return db.frame(query.around, [*parameters, timeframe.code]).cast(columns)  # type: ignore[arg-type]


def keep(
    connection: Connection, doubled: pl.DataFrame, timeframe: Timeframe, run: UUID, by: str | None, at: datetime
) -> None:
    """Write down what is taken out of slots (`instrument, slot, time, keeps`) by whom, and when, while it is there."""
    told = {name: array(doubled[column]) for name, column in _DOUBLED.items()}
    connection.execute(query.keep, {**told, "timeframe": timeframe.code, "run": run, "by": by, "at": at})


_DOUBLED = {"instruments": "instrument", "slots": "slot", "times": "time", "keeps": "keeps"}


def listed(
    connection: Connection,
    instrument: Instrument | None = None,
    timeframe: Timeframe | None = None,
    *,
    limit: int = 100,
    before: int | None = None,
) -> list[dict[str, Any]]:
    """What was cleaned, latest first: of one instrument, of one timeframe, with a number below `before`."""
    wanted = {
        "symbol": instrument and instrument.symbol,
        "asset_class": instrument and instrument.asset_class,
        "timeframe": timeframe,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.listed, {**wanted, "limit": limit, "before": before}).fetchall()


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One slot that was cleaned; `stood` is where its survivor stood before."""

    series: Series
    slot: datetime
    stood: datetime
    restored_at: datetime | None

    @property
    def moved(self) -> bool:
        """Whether the survivor was moved to the slot's time."""
        return self.stood != self.slot


def cleaned(connection: Connection, number: int) -> Cleaned | None:
    """The cleanup under `number`, None if there is none."""
    row = connection.execute(query.cleaned, {"id": number}).fetchone()
    if row is None:
        return None
    key, symbol, asset_class, exchange, code, *moments = row
    slot, stood, restored_at = (moment and moment.astimezone(UTC) for moment in moments)
    instrument = Instrument(symbol, AssetClass(asset_class), exchange, key)
    return Cleaned(Series(instrument, Timeframe.by_code(code)), slot, stood, restored_at)


def rows(db: Database, number: int) -> pl.DataFrame:
    """The bars that a cleanup took out and the one that stayed, whole, as they were before (`bars.COLUMNS`)."""
    return db.frame(query.rows, [number]).cast(COLUMNS)  # type: ignore[arg-type]


def undone(connection: Connection, number: int, at: datetime, by: str | None) -> None:
    """Say that a cleanup was undone, and by whom."""
    connection.execute(query.undone, {"id": number, "at": at, "by": by})
