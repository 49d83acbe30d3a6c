"""Tracking: which series are kept up to date, and what of them no source can give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from barhouse.errors import AmbiguousSymbol, Conflict
from barhouse.flow import instruments, sessions
from barhouse.flow.plan import in_order
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources import symbols
from barhouse.sources.base import Source
from barhouse.store import instruments as store
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
    return named_all(db, [symbol], asset_class, exchange)[0]


def named_all(
    db: Database, texts: Sequence[str], asset_class: AssetClass | None, exchange: str | None = None
) -> list[Instrument]:
    """The instruments that somebody means by many symbols, as `named` has each, in their order and each once."""
    meant = instruments.meant(db, texts, asset_class)
    wanted = list(dict.fromkeys(_one(text, meant[text], asset_class) for text in texts))
    if exchange is None or all(each.exchange == exchange for each in wanted):
        return wanted
    return _moved(db, wanted, exchange)


def _one(text: str, meant: Sequence[Instrument], asset_class: AssetClass | None) -> Instrument:
    match meant:
        case []:
            return symbols.instrument(text, asset_class or AssetClass.STOCK)
        case [one]:
            return one
        case _:
            raise AmbiguousSymbol(text, [each.asset_class for each in meant])


def _moved(db: Database, wanted: Sequence[Instrument], exchange: str) -> list[Instrument]:
    """The instruments on another exchange, whose slots are others."""
    sessions.calendar(db, exchange)
    strays = {each.number: each for each in wanted if each.key is not None and each.exchange != exchange}
    with db.transaction() as connection:
        moved = store.move(connection, list(strays), exchange)
        if left := [each for key, each in strays.items() if key not in moved]:
            kept = f"The bars of {left[0]} are kept by the calendar of {left[0].exchange}"
            raise Conflict(f"{kept}; another one has other slots, so name it before the first bar comes")
    return [replace(each, exchange=exchange) for each in wanted]


def track(db: Database, wanted: Iterable[Instrument], timeframes: Sequence[Timeframe], since: datetime) -> list[Series]:
    """Keep these series up to date from now on."""
    return begin(db, {Series(instrument, timeframe): since for instrument in wanted for timeframe in timeframes})


def begin(db: Database, starts: Mapping[Series, datetime]) -> list[Series]:
    """Keep these series up to date from now on, each from its own start."""
    with db.transaction() as connection:
        return store.track_all(connection, starts)


def promise(series: Series, span: Span, sources: Mapping[str, Source], now: datetime) -> Promise:
    """What of `span` the sources can give, each by its own reach."""
    asked = in_order(sources, series.instrument.asset_class)
    reaches = {source.name: source.reach(series, span, now) for source in asked}
    unreachable = span.without([reach for reach in reaches.values() if reach])
    return Promise(series, span, tuple(unreachable), tuple(name for name, reach in reaches.items() if reach))
