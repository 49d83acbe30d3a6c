"""The bars that somebody means on the command line."""

from __future__ import annotations

from datetime import datetime

from barhouse import features
from barhouse.cli.options import asset_class
from barhouse.errors import RequestError
from barhouse.flow import resample
from barhouse.flow.instruments import find
from barhouse.model import Adjust, AssetClass, Series, Span, Timeframe, moment
from barhouse.store import instruments
from barhouse.store.postgres import Database
from barhouse.store.reading import ALL_TIME, Selection


def selected(
    db: Database,
    symbol: str,
    timeframe: str,
    asset: str | None,
    bounds: tuple[str | None, str | None] = (None, None),
    *,
    with_features: bool = False,
    extended: bool = False,
    adjust: Adjust = Adjust.NONE,
    as_of: str | None = None,
    resample_from: str | None = None,
) -> Selection:
    """The bars of a symbol, built from shorter ones where that is told or none are stored.

    UnknownSymbol (404), or RequestError where there are none of which such bars could be built.
    """
    wanted = Timeframe.of(timeframe)
    series = Series(find(db, symbol, asset_class(asset)), wanted)
    finer = resample.finer(db, series, Timeframe.of(resample_from) if resample_from else None)
    _see_that_some_are_kept(db, symbol, series if finer is None else Series(series.instrument, finer))
    names = _features(series.instrument.asset_class) if with_features else ()
    then = moment(as_of) if as_of else None
    span = _span(*bounds)
    return Selection(series, span, extended=extended, features=names, adjust=adjust, as_of=then, finer=finer)


def stored(db: Database, symbol: str, timeframe: str, asset: str | None) -> Series:
    """A series of which bars are stored; UnknownSymbol (404), or RequestError where there are only others."""
    wanted = Timeframe.of(timeframe)
    series = Series(find(db, symbol, asset_class(asset)), wanted)
    _see_that_some_are_kept(db, symbol, series)
    return series


def _see_that_some_are_kept(db: Database, symbol: str, series: Series) -> None:
    instrument, timeframe = series.instrument, series.timeframe
    with db.connection() as connection:
        rows = instruments.described(connection)
    known = (instrument.symbol, instrument.asset_class)
    kept = {row["timeframe"] for row in rows if (row["symbol"], row["asset_class"]) == known and row["bars"]}
    if timeframe not in kept:
        there = f"; there are {', '.join(sorted(kept))}" if kept else f"; `barhouse backfill {symbol}` brings them"
        raise RequestError(f"No bars of {instrument} in {timeframe} are stored{there}")


def _features(asset: AssetClass) -> tuple[str, ...]:
    """The features that this class can have."""
    crypto = asset is AssetClass.CRYPTO
    return tuple(name for name, feature in features.registry.items() if crypto or not feature.crypto_only)


def _span(start: str | None, end: str | None) -> Span:
    return Span(_or(start, ALL_TIME.start), _or(end, ALL_TIME.end))


def _or(text: str | None, otherwise: datetime) -> datetime:
    return moment(text) if text else otherwise
