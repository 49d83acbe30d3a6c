"""What the warehouse keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

from fastapi import APIRouter, Query

from barhouse.api import shapes
from barhouse.api.deps import Stored
from barhouse.flow import instruments
from barhouse.model import AssetClass
from barhouse.store.postgres import Database

router = APIRouter(prefix="/api/v1/symbols", tags=["symbols"])

Class = Annotated[str | None, Query(alias="asset_class", description="Only stock, etf or crypto.")]
SERIES = ("timeframe", "tracked", "since", "bars", "first_bar", "last_bar", "quality_score", "revision", "revised_at")


@router.get("", summary="Symbols")
def names(db: Stored, asset_class: Class = None) -> shapes.Symbols:
    """The symbols that are kept, each once."""
    found = instruments.names(db, _meant(asset_class))
    return shapes.Symbols(timestamp=datetime.now(UTC), count=len(found), symbols=found)


@router.get("/detailed", summary="Symbols with what is stored of them")
def detailed(db: Stored, asset_class: Class = None) -> shapes.DetailedSymbols:
    """The instruments that are kept, and of each its series: how many bars from when to when, how good, how new.

    `quality_score` is the mean of the newest 250 bars.
    """
    rows = groupby(_described(db, asset_class), key=itemgetter("symbol", "asset_class", "exchange", "active"))
    found = [_instrument(key, list(series)) for key, series in rows]
    return shapes.DetailedSymbols(timestamp=datetime.now(UTC), count=len(found), symbols=found)


def _described(db: Database, asset_class: str | None) -> list[dict[str, Any]]:
    wanted = _meant(asset_class)
    return [row for row in instruments.described(db) if wanted in (None, row["asset_class"])]


def _meant(asset_class: str | None) -> AssetClass | None:
    return None if asset_class is None else AssetClass.of(asset_class)


def _instrument(key: tuple[str, str, str, bool], series: list[dict[str, Any]]) -> shapes.DetailedSymbol:
    symbol, asset_class, exchange, active = key
    return shapes.DetailedSymbol(
        symbol=symbol,
        asset_class=asset_class,
        exchange=exchange,
        active=active,
        bars=sum(row["bars"] for row in series),
        series=[shapes.KeptSeries(**{name: row[name] for name in SERIES}) for row in series],
    )
