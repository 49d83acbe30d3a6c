"""Corrections: what a stored bar said before, who changed it, when and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import polars as pl
from psycopg import Connection

from barhouse.model import Timeframe
from barhouse.store.difference import OVERRULED
from barhouse.store.queries import queries

query = queries("corrections")


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
