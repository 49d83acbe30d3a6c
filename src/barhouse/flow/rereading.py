"""Rows in quarantine as the bars that they would be today, and what is in the way of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from psycopg import Connection

from barhouse import checks
from barhouse.flow import sessions
from barhouse.flow.enrich import KEY, Kind
from barhouse.flow.rewrite import PLACED, rewrite
from barhouse.model import BARS, Series, Span
from barhouse.sources.reread import reread
from barhouse.store import bars, fetches, quarantine
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database

CAUSE = "released"
"""Why a bar came, as its stay tells it."""

IMPOSSIBLE = "no bar can be made of it"
REPEATED = "another row says the same"
FORMING = "it is still forming"
TAKEN = "a bar is stored in its slot"


@dataclass(frozen=True, slots=True)
class Reread:
    """Rows of one series in quarantine, read again."""

    series: Series
    kind: Kind
    rows: pl.DataFrame
    """`quarantine.ROWS`, and the `verdict` over each: what is in the way of it now, NULL for nothing."""
    bars: pl.DataFrame
    """The bars that could be made: `instrument`, `model.BARS`, the row's `id, source, name, verdict`, and `taken`."""


def read_again(db: Database, connection: Connection, series: Series, rows: pl.DataFrame, now: datetime) -> Reread:
    """Rows (`quarantine.ROWS`) of a series whose lock is held, read and judged as if they came today."""
    calendar = sessions.calendar(db, series.instrument.exchange)
    kind = Kind(series.instrument.asset_class, series.timeframe, calendar)
    read = _read(connection, series, rows, kind, now)
    sifted = checks.sift(read, calendar=calendar, timeframe=series.timeframe)
    sound = sifted.sound.with_columns(verdict=pl.lit(None, pl.String))
    made = pl.concat([sound, sifted.rejected.select(*sifted.sound.columns, verdict="reason")])
    stored = bars.whole(db, made.select(KEY).unique(), series.timeframe).select(*KEY, taken=pl.lit(value=True))
    made = made.join(stored, on=KEY, how="left").with_columns(pl.col("taken").fill_null(value=False))
    made = made.with_columns(verdict=_verdict())
    numbered = rows.with_row_index("origin")
    own = numbered.select("origin", "id", "source", "name")
    return Reread(series, kind, _judged(numbered, made, read["origin"]), made.join(own, on="origin"))


def _judged(rows: pl.DataFrame, made: pl.DataFrame, read: pl.Series) -> pl.DataFrame:
    """The rows with the verdict over each; of equal ones, which were `read` too, one is `made` a bar."""
    known = rows.join(made.select("origin", "verdict", made=True), on="origin", how="left", maintain_order="left")
    absent = pl.when(pl.col("origin").is_in(read.implode())).then(pl.lit(REPEATED)).otherwise(pl.lit(IMPOSSIBLE))
    return known.with_columns(verdict=pl.when("made").then("verdict").otherwise(absent)).drop("origin", "made")


def _verdict() -> pl.Expr:
    """The checks that a bar fails, else what keeps a sound one out."""
    forming = pl.when("forming").then(pl.lit(FORMING))
    return pl.coalesce("verdict", forming, pl.when("taken").then(pl.lit(TAKEN)))


def _read(connection: Connection, series: Series, rows: pl.DataFrame, kind: Kind, now: datetime) -> pl.DataFrame:
    """All bars that can be made of the rows: `instrument`, `model.BARS` and `origin`, the place of the row.

    The rows of one answer are read together: they have the same splits in their prices.
    """
    key = pl.lit(series.instrument.number, pl.Int32).alias("instrument")
    found = [pl.DataFrame(schema={**BARS, "origin": pl.UInt32()})]
    splits = quarantine.splits(connection, series.instrument.number)
    for part in rows.with_row_index("origin").partition_by("source", "name", "created_at"):
        read = reread(
            part["name"][0],
            part["payload"].to_list(),
            part["time"],
            series,
            kind.calendar,
            ratios=splits.told(part["source"][0], part["created_at"][0]),
            now=now,
        )
        found.append(read.with_columns(origin=part["origin"][read["origin"]]))
    return pl.concat(found).select(key, *BARS, "origin")


def place(
    db: Database, connection: Connection, seen: Reread, made: pl.DataFrame, *, by: str | None, why: str
) -> datetime | None:
    """Keep bars that were `made` of rows, whose slots are empty, as a fetch of today; the instant of it.

    Coverage stays as it is: nothing was read of anybody.
    """
    if made.is_empty():
        return None
    parts = made.partition_by("name", as_dict=True)
    ids = {name: number for (name,), number in zip(parts, fetches.reserve(connection, len(parts)), strict=True)}
    placed = made.with_columns(fetch_id=pl.col("name").replace_strict(ids, return_dtype=pl.Int64)).sort(KEY)
    gone = placed.select(KEY).clear()
    at = rewrite(db, connection, seen.kind, gone=gone, placed=placed.select(*PLACED), cause=CAUSE)
    fetches.log(
        connection, [_logged(seen.series, name, ids[name], part["time"], at) for (name,), part in parts.items()]
    )
    quarantine.release(connection, dict(placed.select("id", "fetch_id").iter_rows()), at=at, by=by, why=why)
    return at


def _logged(series: Series, source: str, number: int, times: pl.Series, at: datetime) -> Fetch:
    """What the log of fetches says of bars that came out of the quarantine."""
    span = Span(times.min(), times.max() + series.timeframe.duration)  # type: ignore[arg-type, operator]
    return Fetch(number, series, source, span, calls=0, fetched=len(times), inserted=len(times), stamped_at=at)
