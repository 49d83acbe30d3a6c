"""Features: derived from bars, replaced whenever the bars that they hang on change."""

from __future__ import annotations

import polars as pl
from psycopg import Connection

from barhouse.model import Timeframe
from barhouse.store.copying import copy_in
from barhouse.store.queries import queries

query = queries("features")


def _remove(connection: Connection, stretches: pl.DataFrame, timeframe: Timeframe) -> None:
    """Take all features out that lie in these stretches (instrument, first, last), both ends included.

    `feature_freshness` follows: when they changed, and how many there are with those that are `added` in their place.
    """
    connection.execute(
        query.remove,
        {
            "instruments": stretches["instrument"].to_list(),
            "firsts": stretches["first"].to_list(),
            "lasts": stretches["last"].to_list(),
            "added": stretches["added"].to_list(),
            "timeframe": timeframe.code,
        },
    )


def replace(
    connection: Connection, features: pl.DataFrame, timeframe: Timeframe, *, moved: pl.DataFrame | None = None
) -> None:
    """Put `features` (instrument, time, a column each) in the place of all that was between their first and last.

    `moved` (instrument, time) are instants that lie in between too, though a bar that left has no features any more.
    """
    added = features.select("instrument", "time", there=1)
    touched = added if moved is None else pl.concat([added, moved.select("instrument", "time", there=0)])
    if touched.is_empty():
        return
    times = pl.col("time")
    stretches = touched.group_by("instrument").agg(first=times.min(), last=times.max(), added=pl.col("there").sum())
    _remove(connection, stretches, timeframe)
    if features.is_empty():
        return
    filled = [name for name in features.columns if features[name].null_count() < features.height]
    copy_in(
        connection,
        "bar_feature",
        features.select("instrument", pl.lit(timeframe.code, pl.Int16).alias("timeframe"), *filled[1:]),
    )
