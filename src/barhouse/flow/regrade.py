"""Flags and scores of stored bars that look different now, since a split was learnt or is not believed any more."""

from __future__ import annotations

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.flow.enrich import CONTEXT, Kind, surroundings
from barhouse.store import bars
from barhouse.store.postgres import Database


def regrade(db: Database, connection: Connection, kind: Kind, moved: pl.DataFrame, splits: pl.DataFrame) -> None:
    """Flag anew the regular bars from the `moved` instants (instrument, time) on, as far as flags look back.

    These are judgements, not what a vendor said: no correction is written.
    """
    stretches = moved.group_by("instrument").agg(first=pl.col("time").min(), last=pl.col("time").max())
    reach = (checks.LOOK_BACK + 1) * kind.calendar.per_session(kind.timeframe)
    columns = [*CONTEXT, "flags", "quality_score"]
    around = surroundings(db, stretches, kind, before=reach, after=reach, columns=columns)
    from_then = pl.col("time") >= pl.col("first")
    both = around.join(stretches, on="instrument", maintain_order="left")
    judged, before = both.filter(from_then), both.filter(~from_then)
    if judged.is_empty():
        return
    flagged = checks.flag(
        judged.select(*CONTEXT, "quality_score", before="flags"),
        before=before.select(CONTEXT),
        asset_class=kind.asset_class,
        timeframe=kind.timeframe,
        calendar=kind.calendar,
        splits=splits,
    )
    bars.rejudge(connection, checks.regraded(flagged), kind.timeframe)
