"""Bars of other tools in slots that hold one already, and what is stored then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from barhouse import features
from barhouse.store.postgres import Database

TUESDAY = datetime(2012, 1, 3, tzinfo=UTC)
BARS = b"SELECT * FROM bar ORDER BY instrument, timeframe, time"


def asked(db: Database, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(statement.encode(), parameters).fetchall()


def done(db: Database, statement: str) -> None:
    with db.connection() as connection:
        connection.execute(statement.encode())


def featured(db: Database) -> pl.DataFrame:
    """The features of all bars."""
    return db.frame(f"SELECT time, {', '.join(features.registry)} FROM bar_feature ORDER BY time".encode())


def written(db: Database, *rows: tuple[object, ...], symbol: str = "AAPL", timeframe: str = "1d") -> None:
    """Bars that another tool writes: time, close, validated, quality."""
    with db.transaction() as connection:
        for time, close, validated, quality in rows:
            connection.execute(
                """
                INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source,
                                         validated, quality_score)
                VALUES (%s, 'stock', %s, %s, 400, 500, 300, %s, 1000, 'elsewhere', %s, %s)
                """,
                [symbol, timeframe, time, close, validated, quality],
            )
