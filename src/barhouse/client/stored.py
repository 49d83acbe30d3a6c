"""A warehouse read straight from its database."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import polars as pl

from barhouse.client.asked import Asked
from barhouse.features import registry
from barhouse.flow import instruments, reads, rewritten
from barhouse.model import AssetClass, Series, Timeframe
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection


class Stored:
    """Straight from the database."""

    def __init__(self, database_url: str) -> None:
        self._db = Database(database_url)

    def bars(self, asked: Asked, *, features: bool) -> pl.DataFrame:
        timeframe = Timeframe.of(asked.timeframe)
        asset_class = None if asked.asset_class is None else AssetClass.of(asked.asset_class)
        instrument = instruments.find(self._db, asked.symbol, asset_class)
        selection = Selection(
            Series(instrument, timeframe),
            asked.span,
            validated_only=asked.validated_only,
            min_quality=asked.min_quality,
            extended=asked.session == "all",
            features=tuple(registry) if features else (),
            adjust=asked.adjust,
            as_of=asked.as_of,
        )
        return reads.bars(self._db, selection, limit=sys.maxsize)

    def corrections(self, symbol: str, asked: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        return rewritten.every(self._db, symbol, **asked)

    def series(self) -> Iterable[Mapping[str, Any]]:
        return instruments.described(self._db)

    def status(self) -> Mapping[str, Any]:
        now = {"timestamp": datetime.now(UTC), "version": version("barhouse")}
        return now | instruments.totals(self._db)

    def close(self) -> None:
        self._db.close()
