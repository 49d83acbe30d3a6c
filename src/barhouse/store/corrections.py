"""Corrections: what a stored bar said before, who changed it, when and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import INSTANT, Schema, Series, Span, Timeframe
from barhouse.store.difference import OVERRULED
from barhouse.store.queries import queries

query = queries("corrections")

LATEST: Schema = {"time": INSTANT, "field": pl.String(), "by": pl.String(), "note": pl.String()}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which corrections of an instrument (its number), or of all, are wanted: made in `span`, behind that number."""

    instrument: int | None
    span: Span
    timeframe: Timeframe | None = None
    field: str | None = None
    behind: int | None = None
    reason: str | None = None
    """source_updated, bug_fix or manual_correction."""


def write(
    connection: Connection,
    corrections: pl.DataFrame,
    timeframe: Timeframe,
    *,
    at: datetime,
    by: str,
    reason: str = "source_updated",
    note: str | None = None,
) -> None:
    """Write down which fields were restated: `difference.CORRECTIONS` and the `fetch_id` that told it."""
    if corrections.is_empty():
        return
    connection.execute(
        query.write,
        {
            "instruments": corrections["instrument"].to_list(),
            "times": corrections["time"].to_list(),
            "fields": corrections["field"].to_list(),
            "olds": corrections["old"].to_list(),
            "news": corrections["new"].to_list(),
            "sources": corrections["source"].to_list(),
            "fetches": corrections["fetch_id"].to_list(),
            "timeframe": timeframe.code,
            "at": at,
            "reason": reason,
            "by": by,
            "note": note,
        },
    )


def overruled(connection: Connection, instruments: Iterable[int], timeframe: Timeframe) -> pl.DataFrame:
    """What sources had said of the fields that a human corrected last (`difference.OVERRULED`)."""
    parameters = {"instruments": list(instruments), "timeframe": timeframe.code}
    rows = connection.execute(query.overruled, parameters).fetchall()
    return pl.DataFrame(rows, schema=OVERRULED, orient="row")


def listed(connection: Connection, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
    """The corrections that are wanted, the latest first; of the field `source` the values are names."""
    parameters = {
        "instrument": wanted.instrument,
        "timeframe": None if wanted.timeframe is None else wanted.timeframe.code,
        "since": wanted.span.start,
        "until": wanted.span.end,
        "field": wanted.field,
        "behind": wanted.behind,
        "reason": wanted.reason,
        "limit": limit,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.listed, parameters).fetchall()


def one(connection: Connection, number: int) -> dict[str, Any] | None:
    """A correction with whether a later one stands before it (`superseded`); None if there is none of that number."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.one, {"id": number}).fetchone()


def latest(connection: Connection, series: Series, since: datetime) -> pl.DataFrame:
    """Who corrected a field of a series last, of those that were corrected after `since` (`LATEST`)."""
    key = {"instrument": series.instrument.number, "timeframe": series.timeframe.code}
    rows = connection.execute(query.latest, {**key, "since": since}).fetchall()
    return pl.DataFrame(rows, schema=LATEST, orient="row")
