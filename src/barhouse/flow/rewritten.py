"""What was rewritten: the corrections one by one, and what they come to since an instant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from barhouse.errors import InvalidParameter
from barhouse.flow import instruments
from barhouse.model import INSTANT, MEASURES, AssetClass, Instrument, Schema, Series, Span, Timeframe
from barhouse.store import history, reading, stays
from barhouse.store.corrections import Wanted, latest, listed
from barhouse.store.postgres import Database
from barhouse.store.reading import ALL_TIME, Selection

FIELDS = (*MEASURES, "source")
"""What can be corrected of a bar."""
CHANGES: Schema = {
    "time": INSTANT,
    "field": pl.String(),
    "old": pl.String(),
    "new": pl.String(),
    "by": pl.String(),
    "note": pl.String(),
}


def corrections(
    db: Database,
    symbol: str,
    *,
    asset_class: str | None = None,
    timeframe: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    field: str | None = None,
    behind: int | None = None,
    limit: int = 100,
) -> tuple[Instrument, list[dict[str, Any]]]:
    """The corrections of a symbol made from `since` to before `until`, the latest first, and whose they are.

    `behind` is the `id` of the last one of the page before. UnknownSymbol (404), InvalidTimeframe (400),
    InvalidParameter (422) for a field that no bar has.
    """
    if field is not None and field not in FIELDS:
        raise InvalidParameter(f"field: no bar has {field!r}; there are {', '.join(FIELDS)}")
    instrument = instruments.find(db, symbol, None if asset_class is None else AssetClass.of(asset_class))
    only = None if timeframe is None else Timeframe.of(timeframe)
    span = Span(since or ALL_TIME.start, until or ALL_TIME.end)
    with db.connection() as connection:
        wanted = Wanted(instrument.number, span, only, field, behind)
        return instrument, listed(connection, wanted, limit)


def latest_corrections(
    db: Database,
    symbol: str | None = None,
    *,
    asset_class: str | None = None,
    timeframe: str | None = None,
    reason: str | None = None,
    behind: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """The corrections of one symbol or of all, the latest first, of one `reason` if it is told.

    `behind` is the `id` of the last one of the page before. UnknownSymbol (404), InvalidTimeframe (400).
    """
    kind = None if asset_class is None else AssetClass.of(asset_class)
    number = None if symbol is None else instruments.find(db, symbol, kind).number
    only = None if timeframe is None else Timeframe.of(timeframe)
    with db.connection() as connection:
        return listed(connection, Wanted(number, ALL_TIME, only, None, behind, reason), limit)


def every(db: Database, symbol: str, **asked: Any) -> Iterator[dict[str, Any]]:
    """All corrections that `corrections` gives by the page."""
    behind: int | None = None
    while rows := corrections(db, symbol, **asked, behind=behind, limit=PAGE)[1]:
        yield from rows
        behind = rows[-1]["id"]


PAGE = 1000


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a series says otherwise now than it did at an instant."""

    changes: pl.DataFrame
    """A row a field that has another value now: `CHANGES`."""
    stored: pl.DataFrame
    """Bars that a fetch brought since, or another tool."""
    restored: pl.DataFrame
    """Bars that came otherwise, `came_by` says how: back from a cleanup, out of quarantine."""
    removed: pl.DataFrame
    """Bars that are gone, `gone_by` says why."""


def diff(db: Database, series: Series, since: datetime) -> Rewritten:
    """What was rewritten in a series after `since`: what a reader of then would read otherwise now.

    InvalidParameter (422) for an instant that is still to come.
    """
    if since > datetime.now(UTC):
        raise InvalidParameter("since: that instant is still to come")
    selection = Selection(series, extended=True)
    then = pl.concat(history.pages(db, replace(selection, as_of=since)))
    now = pl.concat(reading.pages(db, selection))
    with db.connection() as connection:
        who = latest(connection, series, since)
        why = stays.causes(connection, series, since)
    came = now.join(then, on="time", how="anti").join(why, on="time", how="left", maintain_order="left")
    gone = then.join(now, on="time", how="anti").join(why, on="time", how="left", maintain_order="left")
    by_hand = pl.col("came_by").is_not_null()
    return Rewritten(_changes(then, now, who, why), came.filter(~by_hand), came.filter(by_hand), gone)


def _changes(then: pl.DataFrame, now: pl.DataFrame, who: pl.DataFrame, why: pl.DataFrame) -> pl.DataFrame:
    """The fields that differ in bars that are there both times, with whoever changed them last."""
    fields = [name for name in FIELDS if name in now.columns]
    both = then.select("time", *fields).join(now.select("time", *fields), on="time", suffix="_now")
    rows = [
        both.filter(pl.col(name).ne_missing(pl.col(f"{name}_now"))).select(
            "time",
            field=pl.lit(name),
            old=pl.col(name).cast(pl.String),
            new=pl.col(f"{name}_now").cast(pl.String),
        )
        for name in fields
    ]
    told = pl.concat(rows).join(who, on=["time", "field"], how="left").join(why, on="time", how="left")
    told = told.with_columns(pl.coalesce("by", "came_by").alias("by"))
    return told.sort("time", maintain_order=True).select(*CHANGES)
