"""What the schema promises by itself, whoever writes: statuses, one row a fact, the view for people with SQL."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import errors, sql

NEW_EXECUTION = """
    INSERT INTO backfill_state_persistent (symbol, asset_class, timeframe, status)
    VALUES ('A', 'stock', '1d', %s)
"""

KEEPERS_OF_UPDATED_AT = {
    "backfill_state_persistent",
    "data_anomalies",
    "duplicate_records_log",
    "symbol_failure_tracking",
}


def test_every_table_but_those_of_the_hot_path_says_when_a_row_was_made(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        without = connection.execute(
            """
            SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'created_at'
            )
            """
        )
        assert {name for (name,) in without} == {"bar", "bar_feature"}


def test_whatever_has_updated_at_keeps_it_by_a_trigger(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            """
            SELECT relname, EXISTS (
                SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname = relname || '_updated_at'
            )
            FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attname = 'updated_at'
            """
        )
        kept: dict[str, bool] = dict(rows.fetchall())

    assert all(kept.values())
    assert kept.keys() >= KEEPERS_OF_UPDATED_AT


def test_updated_at_moves_with_an_update(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO symbol_failure_tracking (symbol, asset_class) VALUES ('SPY', 'etf')")
        connection.execute("UPDATE symbol_failure_tracking SET consecutive_failures = 1")

        row = connection.execute("SELECT updated_at > created_at FROM symbol_failure_tracking").fetchone()

    assert row == (True,)


@pytest.mark.parametrize("wrong", ["stat", "COMPLETED", ""])
def test_a_status_that_is_none_is_refused(database_url: str, wrong: str) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(errors.CheckViolation):
        connection.execute(NEW_EXECUTION, [wrong])


def test_a_series_has_one_active_execution_and_any_number_of_finished_ones(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for status in ("completed", "failed", "completed", "pending"):
            connection.execute(NEW_EXECUTION, [status])

        with pytest.raises(errors.UniqueViolation):
            connection.execute(NEW_EXECUTION, ["in_progress"])


def test_an_open_anomaly_is_one_row_and_may_come_back_once_resolved(database_url: str) -> None:
    insert = """
        INSERT INTO data_anomalies (symbol, asset_class, timeframe, anomaly_type, severity, resolution_status)
        VALUES ('A', 'stock', '1d', 'stale', 'high', %s)
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        for status in ("resolved", "resolved", "acknowledged"):
            connection.execute(insert, [status])

        with pytest.raises(errors.UniqueViolation):
            connection.execute(insert, ["open"])


def test_the_same_unreadable_row_is_quarantined_once(database_url: str) -> None:
    insert = "INSERT INTO quarantine (instrument, timeframe, reason, payload) VALUES (1, 7, 'unreadable', '{')"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(insert)

        with pytest.raises(errors.UniqueViolation):
            connection.execute(insert)


NOON = datetime(2020, 1, 2, 12, tzinfo=UTC)


@pytest.mark.every_server
def test_a_row_written_by_sql_is_seen_as_it_is(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            """
            INSERT INTO market_data (symbol, timeframe, time, open, high, low, close, volume, source)
            VALUES ('NEW', '1d', %s, 1, 2, 0.5, 'NaN', NULL, 'my tool')
            RETURNING symbol, asset_class, timeframe, time, open, close, volume, source, validated
            """,
            [NOON],
        ).fetchone()

    assert row is not None
    assert row[:5] == ("NEW", "stock", "1d", NOON, 1.0)
    assert math.isnan(row[5])
    assert row[6:] == (None, "my tool", False)


def test_two_rows_of_one_slot_can_come_to_be_stored(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for stamp in ("2020-01-02 00:00Z", "2020-01-02 05:00Z"):
            connection.execute("INSERT INTO market_data (symbol, timeframe, time) VALUES ('AAPL', '1d', %s)", [stamp])
        connection.commit()

        row = connection.execute("SELECT bars, revision, tracked, last_bar - first_bar FROM series").fetchone()

    assert row is not None
    assert row[:3] == (2, 1, False)
    assert row[3].total_seconds() == 5 * 3600


def test_the_asset_class_left_out_is_that_of_the_known_instrument(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO instrument (symbol, asset_class, exchange) VALUES ('BTC', 'crypto', '24/7')")

        row = connection.execute(
            "INSERT INTO market_data (symbol, timeframe, time) VALUES ('BTC', '1d', now()) RETURNING asset_class"
        ).fetchone()

    assert row == ("crypto",)


def test_a_symbol_of_two_classes_wants_its_class_named(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """
            INSERT INTO instrument (symbol, asset_class, exchange)
            VALUES ('BTC', 'crypto', '24/7'), ('BTC', 'etf', 'XNYS')
            """
        )

        with pytest.raises(errors.RaiseException, match="name its asset_class"):
            connection.execute("INSERT INTO market_data (symbol, timeframe, time) VALUES ('BTC', '1d', now())")


@pytest.mark.parametrize("missing", ["symbol", "timeframe", "time"])
def test_a_row_without_its_key_is_refused(database_url: str, missing: str) -> None:
    whole = {"symbol": "AAPL", "timeframe": "1d", "time": "2020-01-02"}
    columns = {name: value for name, value in whole.items() if name != missing}
    insert = sql.SQL("INSERT INTO market_data ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.SQL(", ").join([sql.Placeholder()] * len(columns))
    )

    with psycopg.connect(database_url) as connection, pytest.raises(errors.RaiseException):
        connection.execute(insert, list(columns.values()))


@pytest.mark.parametrize(
    ("instrument", "timeframe", "time"),
    [(1, 7, "2020-01-02 00:00Z"), (16_777_215, 8, "2500-01-01 00:00Z"), (1, 1, "1850-06-01 00:00Z")],
)
def test_the_packed_key_can_be_taken_apart(database_url: str, instrument: int, timeframe: int, time: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT bar_id(%s, %s::smallint, %s), extract(epoch FROM %s::timestamptz)::bigint",
            [instrument, timeframe, time, time],
        ).fetchone()

    assert row is not None
    packed, second = row
    assert (packed >> 39, packed >> 35 & 0xF, (packed & (1 << 35) - 1) - (1 << 34)) == (instrument, timeframe, second)


@pytest.mark.parametrize("time", ["to_timestamp(1577923200000)", "'infinity'", "'0202-01-02Z'"])
def test_a_bar_of_another_age_is_refused_since_it_would_break_every_reader(database_url: str, time: str) -> None:
    statement = f"INSERT INTO market_data (symbol, timeframe, time, close) VALUES ('AAPL', '1d', {time}, 1)"

    with psycopg.connect(database_url) as connection, pytest.raises(errors.DatetimeFieldOverflow, match="milliseconds"):
        connection.execute(statement.encode())


def test_rows_of_other_tools_bear_a_fetch_of_their_own_one_a_transaction_series_and_source(database_url: str) -> None:
    insert = (
        "INSERT INTO market_data (symbol, timeframe, time, close, source, fetch_id) VALUES (%s, '1d', %s, 1, %s, 1)"
    )
    with psycopg.connect(database_url) as connection:
        for symbol, day, source in [("A", 2, "me"), ("A", 3, "me"), ("A", 6, None), ("B", 2, "me")]:
            connection.execute(insert, [symbol, datetime(2020, 1, day, tzinfo=UTC), source])
        connection.commit()
        connection.execute(insert, ["A", datetime(2020, 1, 7, tzinfo=UTC), "me"])
        connection.commit()

        logged = connection.execute(
            """
            SELECT f.symbol, f.source, f.records_fetched, f.records_inserted, f.success,
                   f.stamped_at = s.revised_at, count(b), bool_and(b.time >= f.span_start AND b.time < f.span_end)
            FROM enrichment_fetch_log f
            JOIN instrument i ON i.symbol = f.symbol
            JOIN series s ON s.instrument = i.id
            LEFT JOIN bar b ON b.fetch_id = f.id AND b.instrument = i.id
            GROUP BY f.id, s.revised_at
            ORDER BY f.id
            """
        ).fetchall()

    assert logged == [
        ("A", "me", 2, 2, True, False, 2, True),
        ("A", "sql", 1, 1, True, False, 1, True),
        ("B", "me", 1, 1, True, True, 1, True),
        ("A", "me", 1, 1, True, True, 1, True),
    ]


def test_many_rows_of_another_tool_are_counted_once_at_the_commit(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO market_data (symbol, timeframe, time, close) SELECT 'A', '1m', "
            "timestamptz '2020-01-01' + n * interval '1 minute', 1 FROM generate_series(0, 499) AS n"
        )
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        connection.execute("INSERT INTO market_data (symbol, timeframe, time) VALUES ('A', '1m', '2020-01-02')")
        connection.commit()

        counted = connection.execute(
            "SELECT bars, revision, records_inserted, span_end - span_start = interval '1 day 1 minute', "
            "(SELECT count(*) FROM market_data_write) FROM series, enrichment_fetch_log"
        ).fetchall()

    assert counted == [(501, 2, 501, True, 0)]


def test_a_row_that_is_rolled_back_takes_its_fetch_with_it(database_url: str) -> None:
    insert = "INSERT INTO market_data (symbol, timeframe, time, close) VALUES ('A', '1d', %s, 1)"
    with psycopg.connect(database_url) as connection:
        connection.execute(insert, [NOON])
        connection.commit()
        with pytest.raises(errors.UniqueViolation), connection.transaction():
            connection.execute(insert, [NOON])
        connection.execute(insert, [NOON.replace(year=2021)])
        connection.commit()

        rows = connection.execute("SELECT f.records_inserted FROM bar JOIN enrichment_fetch_log f ON f.id = fetch_id")
        assert rows.fetchall() == [(1,), (1,)]
