"""AAPL about its 4:1 of 2020, and what the tests of splits ask and tell of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from barhouse.flow import actions, sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import ACTIONS, Series
from barhouse.store import actions as stored_actions
from barhouse.store.postgres import Database
from tests.answers import answer

SPLIT = date(2020, 8, 31)
TRADED = [
    ("2020-08-03", 432.80, 446.55, 431.57, 435.75, 77037847.0),
    ("2020-08-04", 436.53, 443.16, 433.55, 438.66, 43267887.0),
    ("2020-08-05", 437.51, 441.57, 435.59, 440.25, 30498044.0),
    ("2020-08-06", 441.62, 457.65, 439.19, 455.61, 50607225.0),
    ("2020-08-07", 452.82, 454.70, 441.17, 444.45, 49511403.0),
    ("2020-08-10", 450.40, 455.10, 440.00, 450.91, 53100856.0),
    ("2020-08-11", 447.88, 449.93, 436.43, 437.50, 46975594.0),
    ("2020-08-12", 441.99, 453.10, 441.19, 452.04, 41486205.0),
    ("2020-08-13", 457.72, 464.17, 455.71, 460.04, 52520516.0),
    ("2020-08-14", 459.32, 460.00, 452.18, 459.63, 41391302.0),
    ("2020-08-17", 464.25, 464.35, 455.85, 458.43, 29890684.0),
    ("2020-08-18", 457.41, 464.00, 456.03, 462.25, 26408385.0),
    ("2020-08-19", 463.93, 468.65, 462.44, 462.83, 36384502.0),
    ("2020-08-20", 463.00, 473.57, 462.93, 473.10, 31726797.0),
    ("2020-08-21", 477.05, 499.47, 477.00, 497.48, 84513660.0),
    ("2020-08-24", 514.79, 515.14, 495.75, 503.43, 86484442.0),
    ("2020-08-25", 498.79, 500.72, 492.21, 499.30, 52873947.0),
    ("2020-08-26", 504.72, 507.97, 500.33, 506.09, 40755567.0),
    ("2020-08-27", 508.57, 509.94, 495.33, 500.04, 38888096.0),
    ("2020-08-28", 504.05, 505.77, 498.31, 499.23, 46907479.0),
    ("2020-08-31", 127.58, 131.00, 126.00, 129.04, 225702688.0),
    ("2020-09-01", 132.76, 134.80, 130.53, 134.18, 152470142.0),
    ("2020-09-02", 137.59, 137.98, 127.00, 131.40, 200118991.0),
    ("2020-09-03", 126.91, 128.84, 120.50, 120.88, 257599640.0),
    ("2020-09-04", 120.07, 123.70, 110.89, 120.96, 332607163.0),
]
"""AAPL as it was traded across its 4:1 of 31 August 2020."""
NAMES = ["time", "open", "high", "low", "close", "volume"]
ROWS = pl.DataFrame(TRADED, schema=NAMES, orient="row").with_columns(
    pl.col("time").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC")
)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def asked(db: Database, statement: str) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(statement.encode()).fetchall()


def told(*splits: tuple[float, date], dividends: tuple[tuple[float, date], ...] = ()) -> pl.DataFrame:
    rows: list[tuple[Any, ...]] = [("split", when, ratio, None, None) for ratio, when in splits]
    rows += [("dividend", when, None, amount, "USD") for amount, when in dividends]
    return pl.DataFrame(rows, schema=ACTIONS, orient="row")


def keep_days(db: Database, series: Series, rows: pl.DataFrame, source: str = "polygon") -> None:
    keep(db, Batch([answer(series, rows, source=source)], sessions.calendar(db, "XNYS")))


def applied(db: Database, series: Series, as_of: datetime | None = None) -> list[tuple[date, float]]:
    with db.connection() as connection:
        splits = stored_actions.splits(connection, [series.instrument.number], as_of)
    return splits.select("effective", "ratio").rows()


def standings(db: Database) -> list[tuple[Any, ...]]:
    _, rows = actions.corporate_actions(db, "AAPL")
    return [(row["source"], row["ratio"] or row["amount"], row["standing"], row["evidence"]["by"]) for row in rows]


def moment(db: Database) -> datetime:
    """Now, by the clock of the database."""
    [(now,)] = asked(db, "SELECT clock_timestamp()")
    return now  # type: ignore[no-any-return]
