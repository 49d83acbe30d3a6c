"""Features: derived from bars, replaced whenever the bars that they hang on change."""

from __future__ import annotations

import polars as pl
from psycopg import Connection

from barhouse.model import Timeframe
from barhouse.store.copying import copy_in
from barhouse.store.queries import queries

query = queries("features")


def remove(connection: Connection, stretches: pl.DataFrame, timeframe: Timeframe) -> None:
    """Take all features out that lie in these stretches (instrument, first, last), both ends included.

    `feature_freshness` follows: when they changed, how many there are, and `added` (a column) of those that come.
    """
    added = stretches["added"].to_list() if "added" in stretches.columns else [0] * stretches.height
    connection.execute(
        query.remove,
        {
            "instruments": stretches["instrument"].to_list(),
            "firsts": stretches["first"].to_list(),
            "lasts": stretches["last"].to_list(),
            "added": added,
            "timeframe": timeframe.code,
        },
    )


def replace(connection: Connection, features: pl.DataFrame, timeframe: Timeframe) -> None:
    """Put `features` (instrument, time, a column each) in the place of all that was between their first and last."""
    if features.is_empty():
        return
    times = pl.col("time")
    remove(
        connection, features.group_by("instrument").agg(first=times.min(), last=times.max(), added=pl.len()), timeframe
    )
    filled = [name for name in features.columns if features[name].null_count() < features.height]
    copy_in(
        connection,
        "bar_feature",
        features.select("instrument", pl.lit(timeframe.code, pl.Int16).alias("timeframe"), *filled[1:]),
    )
