"""The quarantine: rows that are no bars, with the reason and what the vendor really sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any

import polars as pl
from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import INSTANT, AssetClass, Instrument, Schema, Series, Timeframe
from barhouse.store.queries import queries

query = queries("quarantine")

NUL, ITS_PICTURE = "\x00", "\u2400"
"""PostgreSQL keeps no NUL in a text; what a vendor sends may hold one."""


ROWS: Schema = {
    "id": pl.Int64(),
    "time": INSTANT,
    "source": pl.Int16(),
    "name": pl.String(),
    "reason": pl.String(),
    "payload": pl.String(),
    "status": pl.String(),
    "created_at": INSTANT,
}
"""Rows of one series: `source` is the number, `name` the name of who sent them."""


class Status(StrEnum):
    """What was decided over a row."""

    QUARANTINED = "quarantined"
    RELEASED = "released"
    REJECTED = "rejected"


def keep(connection: Connection, rows: pl.DataFrame) -> int:
    """How many of `rows` (`instrument, timeframe, time, source, fetch_id, reason, payload`) were not there before.

    `timeframe` and `source` are numbers as in the database; `time`, `source`, `fetch_id` and `payload` may be NULL.
    """
    if rows.is_empty():
        return 0
    texts = rows.with_columns(pl.col("reason", "payload").str.replace_all(NUL, ITS_PICTURE, literal=True))
    columns = ("instrument", "timeframe", "time", "source", "fetch_id", "reason", "payload")
    return connection.execute(query.keep, {f"{name}s": texts[name].to_list() for name in columns}).rowcount


def listed(connection: Connection, instrument: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """The latest rows in quarantine, newest first: of one instrument (its number), or of all."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.listed, {"instrument": instrument, "limit": limit}).fetchall()


def shown(
    connection: Connection,
    instrument: int | None = None,
    timeframe: Timeframe | None = None,
    *,
    reason: str | None = None,
    status: Status | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """The latest rows, newest first, that fail the check `reason` and stand so; with a number below `before`."""
    wanted = {"instrument": instrument, "timeframe": timeframe and timeframe.code, "reason": reason}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.shown, {**wanted, "status": status, "before": before, "limit": limit}).fetchall()


def waiting(connection: Connection) -> set[tuple[int, int]]:
    """The series (instrument, timeframe) with rows over which nobody has decided yet."""
    return set(connection.execute(query.waiting).fetchall())


def series(connection: Connection, ids: Sequence[int]) -> list[Series]:
    """The series that some rows are of, in the order in which they are to be locked."""
    return [
        Series(Instrument(symbol, AssetClass(asset_class), exchange, key), Timeframe.by_code(code))
        for key, symbol, asset_class, exchange, code in connection.execute(query.series, {"ids": list(ids)})
    ]


def rows(connection: Connection, series: Series, ids: Sequence[int] | None = None) -> pl.DataFrame:
    """The rows of a series with these numbers, or those over which nobody has decided yet, oldest first (`ROWS`)."""
    key = {"instrument": series.instrument.number, "timeframe": series.timeframe.code}
    found = connection.execute(query.rows, {**key, "ids": None if ids is None else list(ids)}).fetchall()
    utc = [[cell.astimezone(UTC) if isinstance(cell, datetime) else cell for cell in row] for row in found]
    return pl.DataFrame(utc, schema=ROWS, orient="row")


@dataclass(frozen=True, slots=True)
class Splits:
    """The splits of one instrument, as each source told them: source, day, ratio, from when to when."""

    tellings: Sequence[tuple[int, date, float, datetime, datetime | None]]

    def told(self, source: int, at: datetime) -> dict[date, Fraction]:
        """The ratio of each day as a source told it at an instant."""
        return {
            day: Fraction(ratio).limit_denominator(10_000)
            for teller, day, ratio, since, until in self.tellings
            if teller == source and since <= at and (until is None or at < until)
        }


def splits(connection: Connection, instrument: int) -> Splits:
    """The splits of an instrument, by whom and when they were told."""
    return Splits(connection.execute(query.splits, {"instrument": instrument}).fetchall())


def release(
    connection: Connection, fetch_ids: Mapping[int, int | None], *, at: datetime, by: str | None, why: str
) -> None:
    """Say which rows (by number, each with the fetch it came under) became bars, from when on, by whom and why.

    Without a fetch: the row corrected a stored bar.
    """
    told = {"ids": list(fetch_ids), "fetch_ids": list(fetch_ids.values())}
    connection.execute(query.release, {**told, "at": at, "by": by, "why": why})


def reject(connection: Connection, ids: Sequence[int], *, by: str, why: str) -> list[int]:
    """Say that rows will never be bars; the numbers of those over which nobody had decided before."""
    return [row[0] for row in connection.execute(query.reject, {"ids": list(ids), "by": by, "why": why})]


def statuses(connection: Connection, ids: Sequence[int]) -> dict[int, Status]:
    """How some rows stand; nobody else changes that until the transaction ends."""
    return {number: Status(status) for number, status in connection.execute(query.statuses, {"ids": list(ids)})}
