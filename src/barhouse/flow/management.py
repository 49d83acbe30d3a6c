"""Which instruments are kept up to date, in which timeframes, from when on: what administrators change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from barhouse.flow import track
from barhouse.flow.track import Promise, earliest, promise
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources.base import Source
from barhouse.store import instruments
from barhouse.store.postgres import Database

INSTRUMENT = ("symbol", "asset_class", "exchange", "active", "created_at")
SERIES = ("timeframe", "tracked", "since", "bars", "first_bar", "last_bar")


def kept(db: Database, keys: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """The instruments with these numbers, or all, by symbol: `INSTRUMENT` and `timeframes`, a row (`SERIES`) each."""
    with db.connection() as connection:
        rows = instruments.managed(connection, keys)
    return [
        dict(zip(INSTRUMENT, head, strict=True))
        | {"timeframes": [{name: row[name] for name in SERIES} for row in series if row["timeframe"]]}
        for head, series in groupby(rows, key=itemgetter(*INSTRUMENT))
    ]


def of(db: Database, instrument: Instrument) -> dict[str, Any]:
    """How one instrument is kept."""
    return kept(db, [instrument.number])[0]


def create(
    db: Database,
    symbols: Sequence[str],
    asset_class: AssetClass | None,
    exchange: str | None,
    timeframes: Sequence[Timeframe],
    since: datetime | None,
    now: datetime,
) -> list[Series]:
    """Keep these symbols up to date from now on, instruments that were put away too; the series, symbol by symbol.

    `since` left out is as far back as usual. InvalidParameter (422) for what is no symbol, AmbiguousSymbol (409),
    UnknownCalendar (422), Conflict (409) where bars are kept by another calendar.
    """
    wanted = list(dict.fromkeys(track.named(db, symbol, asset_class, exchange) for symbol in symbols))
    return add(db, wanted, timeframes, since, now)


def add(
    db: Database, wanted: Sequence[Instrument], timeframes: Sequence[Timeframe], since: datetime | None, now: datetime
) -> list[Series]:
    """Keep these timeframes of some instruments up to date from now on."""
    starts = {timeframe: since or earliest(timeframe, now) for timeframe in timeframes}
    return sorted(series for each, start in starts.items() for series in track.track(db, wanted, [each], start))


def replace(
    db: Database, instrument: Instrument, timeframes: Sequence[Timeframe], since: datetime | None, now: datetime
) -> list[Series]:
    """Keep these timeframes of an instrument up to date, and no other."""
    drop(db, [instrument], [each for each in Timeframe if each not in timeframes])
    return add(db, [instrument], timeframes, since, now)


def drop(db: Database, wanted: Sequence[Instrument], timeframes: Sequence[Timeframe]) -> int:
    """How many series, of some instruments and timeframes, are not kept up to date any more; bars stay."""
    with db.transaction() as connection:
        return instruments.untrack(connection, [each.number for each in wanted], timeframes)


def put_away(db: Database, wanted: Sequence[Instrument]) -> None:
    """Fetch nothing of these instruments any more; bars stay, and what was tracked is remembered."""
    with db.transaction() as connection:
        instruments.set_active(connection, [each.number for each in wanted], active=False)


def change(
    db: Database, instrument: Instrument, *, exchange: str | None, active: bool | None, since: datetime | None
) -> None:
    """Change what is told of an instrument; Conflict (409) where bars are kept by another calendar."""
    track.named(db, instrument.symbol, instrument.asset_class, exchange)
    with db.transaction() as connection:
        if active is not None:
            instruments.set_active(connection, [instrument.number], active=active)
        if since is not None:
            instruments.begin(connection, instrument, since)


def promised(db: Database, series: Sequence[Series], sources: Mapping[str, Source], now: datetime) -> list[Promise]:
    """What the sources can give of these tracked series, from their own starts to now."""
    with db.connection() as connection:
        tracked = instruments.tracked(connection, [each.instrument.number for each in series])
    starts = {each.series: each.since for each in tracked}
    return [promise(each, Span(min(starts[each], now), now), sources, now) for each in series]
