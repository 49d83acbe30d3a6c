"""Splits and dividends: who told them, and when we learnt them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl
from psycopg import Connection

from barhouse.store.queries import queries

query = queries("actions")

SPLITS = pl.Schema({"instrument": pl.Int32, "effective": pl.Date, "ratio": pl.Float64})


def learn(
    connection: Connection, instrument: int, actions: pl.DataFrame, source: int, fetch_id: int | None = None
) -> list[date]:
    """Write down what a source told (`model.ACTIONS`); the effective dates of splits that are new or differ now."""
    if actions.is_empty():
        return []
    once = actions.unique(["kind", "effective"], keep="last", maintain_order=True)
    rows = connection.execute(
        query.learn,
        {
            "instrument": instrument,
            "source": source,
            "fetch_id": fetch_id,
            "kinds": once["kind"].to_list(),
            "effectives": once["effective"].to_list(),
            "ratios": once["ratio"].to_list(),
            "amounts": once["amount"].to_list(),
            "currencies": once["currency"].to_list(),
        },
    )
    return [effective for kind, effective in rows if kind == "split"]


def splits(connection: Connection, instruments: Iterable[int]) -> pl.DataFrame:
    """The splits of some instruments (`SPLITS`), by instrument and effective date."""
    rows = connection.execute(query.splits, {"instruments": list(instruments)}).fetchall()
    return pl.DataFrame(rows, schema=SPLITS, orient="row")
