"""Stays: since when a bar is there that no fetch brought, and what bars were there that have left."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from psycopg import Connection

from barhouse.model import INSTANT, Schema, Series, Timeframe
from barhouse.store.arrays import array
from barhouse.store.queries import queries

query = queries("stays")

CAUSES: Schema = {"time": INSTANT, "came_by": pl.String(), "gone_by": pl.String()}


def moment(connection: Connection) -> datetime:
    """The instant by the clock of the database, whatever the transaction began with."""
    [(now,)] = connection.execute(query.moment).fetchall()
    return now  # type: ignore[no-any-return]


def leave(connection: Connection, keys: pl.DataFrame, timeframe: Timeframe, *, at: datetime, cause: str) -> None:
    """Take the bars of these `keys` (instrument, time) out of the table; each is kept whole."""
    connection.execute(query.leave, {**_parameters(keys, timeframe), "at": at, "cause": cause})


def come(connection: Connection, keys: pl.DataFrame, timeframe: Timeframe, *, at: datetime, cause: str) -> None:
    """Write down that the bars of these `keys` are there from `at` on, whenever their fetch was."""
    connection.execute(query.come, {**_parameters(keys, timeframe), "at": at, "cause": cause})


def _parameters(keys: pl.DataFrame, timeframe: Timeframe) -> dict[str, object]:
    return {
        "instruments": array(keys["instrument"]),
        "times": array(keys["time"]),
        "timeframe": timeframe.code,
    }


def causes(connection: Connection, series: Series, since: datetime) -> pl.DataFrame:
    """Why bars of a series came or left after `since`, the last of each (`CAUSES`); both NULL for what a fetch did."""
    key = {"instrument": series.instrument.number, "timeframe": series.timeframe.code}
    rows = connection.execute(query.causes, {**key, "since": since}).fetchall()
    return pl.DataFrame(rows, schema=CAUSES, orient="row")
