"""Tracking: which series are kept up to date, and what of them no source can give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from barhouse.errors import Conflict, UnknownSymbol
from barhouse.flow import sessions
from barhouse.flow.instruments import find
from barhouse.flow.plan import in_order
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources import symbols
from barhouse.sources.base import Source
from barhouse.store import instruments
from barhouse.store.postgres import Database

HISTORY = {
    Timeframe.M1: timedelta(days=28),
    Timeframe.M5: timedelta(days=58),
    Timeframe.M15: timedelta(days=58),
    Timeframe.M30: timedelta(days=58),
    Timeframe.H1: timedelta(days=728),
    Timeframe.H4: timedelta(days=728),
    Timeframe.D1: timedelta(days=365 * 30),
    Timeframe.W1: timedelta(days=365 * 30),
}
"""How far back bars are wanted if nobody says: about what there is without a key."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What can be had of a series."""

    series: Series
    span: Span
    unreachable: tuple[Span, ...]
    """What no configured source has, by its nature."""
    reaching: tuple[str, ...]
    """The sources that have at least a part of it, first choice first."""


def earliest(timeframe: Timeframe, until: datetime) -> datetime:
    """From when on such bars are usually wanted, if nobody says."""
    return datetime.combine((until - HISTORY[timeframe]).date(), time(), UTC)


def named(db: Database, symbol: str, asset_class: AssetClass | None, exchange: str | None = None) -> Instrument:
    """The instrument that somebody means by `symbol`: by its class if given, else the one there is, else a stock.

    Its bars stand in the calendar of `exchange`, where one is named: UnknownCalendar (422) if nobody knows it,
    Conflict (409) if bars of the instrument are kept by another one.
    """
    try:
        known = find(db, symbol, asset_class)
    except UnknownSymbol:
        known = symbols.instrument(symbol, asset_class or AssetClass.STOCK)
    return known if exchange in (None, known.exchange) else _moved(db, known, exchange)


def _moved(db: Database, instrument: Instrument, exchange: str) -> Instrument:
    """The instrument on another exchange, whose slots are others."""
    sessions.calendar(db, exchange)
    if instrument.key is not None:
        with db.transaction() as connection:
            if not instruments.move(connection, instrument, exchange):
                kept = f"The bars of {instrument} are kept by the calendar of {instrument.exchange}"
                raise Conflict(f"{kept}; another one has other slots, so name it before the first bar comes")
    return replace(instrument, exchange=exchange)


def track(db: Database, wanted: Iterable[Instrument], timeframes: Sequence[Timeframe], since: datetime) -> list[Series]:
    """Keep these series up to date from now on."""
    with db.transaction() as connection:
        return [
            instruments.track(connection, Series(instrument, timeframe), since)
            for instrument in wanted
            for timeframe in timeframes
        ]


def promise(series: Series, span: Span, sources: Mapping[str, Source], now: datetime) -> Promise:
    """What of `span` the sources can give, each by its own reach."""
    asked = in_order(sources, series.instrument.asset_class)
    reaches = {source.name: source.reach(series, span, now) for source in asked}
    unreachable = span.without([reach for reach in reaches.values() if reach])
    return Promise(series, span, tuple(unreachable), tuple(name for name, reach in reaches.items() if reach))
