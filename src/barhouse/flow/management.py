"""Which instruments are kept up to date, in which timeframes, from when on: what administrators change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import structlog

from barhouse.errors import UnknownRecord
from barhouse.flow import track
from barhouse.flow.track import Promise, earliest, promise
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources.base import Source
from barhouse.store import instruments
from barhouse.store.instruments import Chosen
from barhouse.store.postgres import Database

log = structlog.get_logger()

INSTRUMENT = ("id", "symbol", "asset_class", "exchange", "active", "created_at")
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


def page(db: Database, wanted: Chosen) -> tuple[list[dict[str, Any]], int | None, int]:
    """A page of instruments as `kept` tells them, the number behind which the next begins, if any, and how many in all.

    What is behind a number counts only from there on.
    """
    with db.connection() as connection:
        keys, found = instruments.chosen(connection, wanted)
    more = keys[-1] if found > wanted.offset + len(keys) and keys else None
    return kept(db, keys) if keys else [], more, found


def numbered(db: Database, keys: Sequence[int]) -> list[Instrument]:
    """The instruments with these numbers; UnknownRecord (404) if one of them is not there."""
    with db.connection() as connection:
        found = instruments.numbered(connection, keys)
    if unknown := sorted(set(keys) - {each.number for each in found}):
        raise UnknownRecord(f"No instrument has the number {unknown[0]}; look at the list of symbols again")
    return found


def bring_back(db: Database, wanted: Sequence[Instrument], *, by: str) -> None:
    """Fetch again what was tracked of these instruments before they were put away."""
    with db.transaction() as connection:
        instruments.set_active(connection, [each.number for each in wanted], active=True)
    log.info("symbols_brought_back", symbols=[str(each) for each in wanted], by=by)


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
    *,
    by: str,
) -> list[Series]:
    """Keep these symbols up to date from now on, instruments that were put away too; the series, symbol by symbol.

    `since` left out is as far back as usual. InvalidParameter (422) for what is no symbol, AmbiguousSymbol (409),
    UnknownCalendar (422), Conflict (409) where bars are kept by another calendar.
    """
    return add(db, track.named_all(db, symbols, asset_class, exchange), timeframes, since, now, by=by)


def add(
    db: Database,
    wanted: Sequence[Instrument],
    timeframes: Sequence[Timeframe],
    since: datetime | None,
    now: datetime,
    *,
    by: str,
) -> list[Series]:
    """Keep these timeframes of some instruments up to date from now on."""
    starts = {Series(each, frame): since or earliest(frame, now) for each in wanted for frame in timeframes}
    series = sorted(track.begin(db, starts))
    log.info("series_tracked", series=len(series), symbols=len(wanted), by=by)
    return series


def replace(
    db: Database,
    instrument: Instrument,
    timeframes: Sequence[Timeframe],
    since: datetime | None,
    now: datetime,
    *,
    by: str,
) -> list[Series]:
    """Keep these timeframes of an instrument up to date, and no other."""
    drop(db, [instrument], [each for each in Timeframe if each not in timeframes], by=by)
    return add(db, [instrument], timeframes, since, now, by=by)


def drop(db: Database, wanted: Sequence[Instrument], timeframes: Sequence[Timeframe], *, by: str) -> int:
    """How many series, of some instruments and timeframes, are not kept up to date any more; bars stay."""
    with db.transaction() as connection:
        dropped = instruments.untrack(connection, [each.number for each in wanted], timeframes)
    log.info("series_dropped", series=dropped, symbols=len(wanted), by=by)
    return dropped


def put_away(db: Database, wanted: Sequence[Instrument], *, by: str) -> None:
    """Fetch nothing of these instruments any more; bars stay, and what was tracked is remembered."""
    with db.transaction() as connection:
        instruments.set_active(connection, [each.number for each in wanted], active=False)
    log.info("symbols_put_away", symbols=[str(each) for each in wanted], by=by)


def begin(db: Database, wanted: Sequence[Instrument], since: datetime, *, by: str) -> None:
    """Let the bars of all tracked series of some instruments be wanted from `since` on."""
    with db.transaction() as connection:
        instruments.begin(connection, [each.number for each in wanted], since)
    log.info("starts_changed", symbols=[str(each) for each in wanted], since=since, by=by)


def change(
    db: Database,
    instrument: Instrument,
    *,
    exchange: str | None,
    active: bool | None,
    since: datetime | None,
    by: str,
) -> None:
    """Change what is told of an instrument; Conflict (409) where bars are kept by another calendar."""
    track.named(db, instrument.symbol, instrument.asset_class, exchange)
    with db.transaction() as connection:
        if active is not None:
            instruments.set_active(connection, [instrument.number], active=active)
        if since is not None:
            instruments.begin(connection, [instrument.number], since)
    log.info("symbol_changed", symbol=str(instrument), exchange=exchange, active=active, since=since, by=by)


def promised(db: Database, series: Sequence[Series], sources: Mapping[str, Source], now: datetime) -> list[Promise]:
    """What the sources can give of these tracked series, from their own starts to now."""
    with db.connection() as connection:
        tracked = instruments.tracked(connection, [each.instrument.number for each in series])
    starts = {each.series: each.since for each in tracked}
    return [promise(each, Span(min(starts[each], now), now), sources, now) for each in series]
