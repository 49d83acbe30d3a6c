"""How fresh the features of each series are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from psycopg import Connection

from barhouse.errors import InvalidParameter
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.store import instruments
from barhouse.store.postgres import Database
from barhouse.store.queries import queries
from barhouse.store.runs import zoned

query = queries("freshness")


class Freshness(StrEnum):
    """How old features are, the best first."""

    FRESH = "fresh"
    AGING = "aging"
    STALE = "stale"
    MISSING = "missing"

    @classmethod
    def of(cls, staleness: float, count: int) -> Freshness:
        """By seconds of staleness, and by how many bars have features at all."""
        if not count:
            return cls.MISSING
        if staleness <= timedelta(hours=1).total_seconds():
            return cls.FRESH
        return cls.AGING if staleness <= timedelta(hours=24).total_seconds() else cls.STALE


@dataclass(frozen=True, slots=True)
class Watched:
    """The features of a series as they were written down, and the newest bar that is in them."""

    series: Series
    last_computed_at: datetime | None
    count: int
    staleness: float | None
    """Seconds, as somebody told `at` an instant; None where the bars have to tell."""
    at: datetime | None
    newest: datetime | None
    delay: timedelta
    """How long after its close the source of that bar has one."""


def update_feature_freshness(
    db: Database,
    symbol: str,
    timeframe: str,
    last_computed_at: datetime | None,
    data_point_count: int,
    staleness_seconds: float,
    asset_class: str | None = None,
) -> bool:
    """Write down how fresh the features of a series are: from now on they age while a due bar is not in them.

    InvalidTimeframe and InvalidAssetClass (400), AmbiguousSymbol (409), InvalidParameter (422).
    """
    if not (staleness_seconds >= 0 and data_point_count >= 0):
        raise InvalidParameter("staleness_seconds and data_point_count: neither can be below zero")
    frame, kind = Timeframe.of(timeframe), None if asset_class is None else AssetClass.of(asset_class)
    with db.transaction() as connection:
        instrument = instruments.meant(connection, symbol, kind)
        told = {
            "symbol": instrument.symbol,
            "asset_class": instrument.asset_class,
            "timeframe": frame,
            "computed": zoned(last_computed_at),
            "count": data_point_count,
            "staleness": staleness_seconds,
            "status": Freshness.of(staleness_seconds, data_point_count),
        }
        return connection.execute(query.update, told).rowcount == 1


def watched(connection: Connection, instruments: Sequence[int] | None = None) -> list[Watched]:
    """The series that are tracked or have features, all or those of some instruments, by exchange and timeframe."""
    told = {"instruments": None if instruments is None else list(instruments)}
    return [
        Watched(Series(Instrument(symbol, AssetClass(kind), exchange, key), Timeframe.of(frame)), *rest)
        for key, symbol, kind, exchange, frame, *rest in connection.execute(query.monitored, told)
    ]


def settle(connection: Connection, found: Sequence[tuple[Watched, float]]) -> None:
    """Write down how fresh features are by the bars, in seconds of staleness."""
    told = {
        "symbols": [each.series.instrument.symbol for each, _ in found],
        "classes": [each.series.instrument.asset_class for each, _ in found],
        "timeframes": [each.series.timeframe for each, _ in found],
        "computed": [each.last_computed_at for each, _ in found],
        "stalenesses": [staleness for _, staleness in found],
        "statuses": [Freshness.of(staleness, each.count) for each, staleness in found],
    }
    connection.execute(query.settle, told)
