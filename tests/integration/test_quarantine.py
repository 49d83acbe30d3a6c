"""The quarantine keeps what came, once, with its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from psycopg import Connection

from barhouse.model import INSTANT, Timeframe
from barhouse.store import quarantine
from barhouse.store.postgres import Database

MONDAY = datetime(2024, 1, 8, tzinfo=UTC)

ROWS: dict[str, Any] = {
    "instrument": pl.Int32,
    "timeframe": pl.Int16,
    "time": INSTANT,
    "source": pl.Int16,
    "fetch_id": pl.Int64,
    "reason": pl.String,
    "payload": pl.String,
}


def rows(*which: dict[str, Any], instrument: int) -> pl.DataFrame:
    usual = {
        "instrument": instrument,
        "timeframe": Timeframe.D1.code,
        "time": MONDAY,
        "source": None,
        "fetch_id": 7,
        "reason": "high_too_low",
        "payload": '{"h": 1}',
    }
    return pl.DataFrame([{**usual, **row} for row in which], schema=ROWS)


def tracked(connection: Connection, symbol: str) -> int:
    """The number of a new instrument."""
    made = connection.execute(
        "INSERT INTO instrument (symbol, asset_class, exchange) VALUES (%s, 'stock', 'XNYS') RETURNING id", [symbol]
    ).fetchone()
    assert made is not None
    number: int = made[0]
    return number


@pytest.mark.every_server
def test_a_row_is_kept_with_its_reason_and_what_really_came(db: Database) -> None:
    with db.transaction() as connection:
        number = tracked(connection, "SPY")
        kept = quarantine.keep(connection, rows({}, instrument=number))
        found = quarantine.listed(connection)

    assert kept == 1
    only = found[0]
    assert (only["symbol"], only["asset_class"], only["timeframe"], only["time"]) == ("SPY", "stock", "1d", MONDAY)
    assert (only["reason"], only["payload"], only["status"]) == ("high_too_low", '{"h": 1}', "quarantined")
    assert (only["source"], only["fetch_id"], only["released_at"]) == (None, 7, None)


def test_the_same_row_is_kept_once_however_often_it_comes(db: Database) -> None:
    with db.transaction() as connection:
        number = tracked(connection, "SPY")
        timeless = {"time": None, "payload": None}
        first = quarantine.keep(connection, rows({}, {}, timeless, instrument=number))
        again = quarantine.keep(connection, rows({"fetch_id": 8}, timeless, {"payload": "?"}, instrument=number))
        found = quarantine.listed(connection)

    assert (first, again) == (2, 1)
    assert [(row["payload"], row["fetch_id"]) for row in found] == [("?", 7), (None, 7), ('{"h": 1}', 7)]


def test_the_list_is_of_one_instrument_if_one_is_named_and_never_longer_than_asked(db: Database) -> None:
    with db.transaction() as connection:
        one, other = tracked(connection, "SPY"), tracked(connection, "IBM")
        quarantine.keep(connection, rows(*({"payload": str(row)} for row in range(5)), instrument=one))
        quarantine.keep(connection, rows({}, instrument=other))
        everything = quarantine.listed(connection)
        of_one = quarantine.listed(connection, one, limit=2)

    assert len(everything) == 6
    assert [row["payload"] for row in of_one] == ["4", "3"]


def test_a_payload_that_no_text_can_hold_keeps_nothing_else_out(db: Database) -> None:
    with db.transaction() as connection:
        number = tracked(connection, "SPY")
        quarantine.keep(connection, rows({"payload": "a\x00b"}, {"payload": "é"}, instrument=number))
        found = quarantine.listed(connection)

    assert [row["payload"] for row in found] == ["é", "a␀b"]


def test_nothing_to_keep_asks_nothing_of_the_database(db: Database) -> None:
    with db.connection() as connection:
        assert quarantine.keep(connection, rows(instrument=1)) == 0
        assert quarantine.listed(connection) == []
