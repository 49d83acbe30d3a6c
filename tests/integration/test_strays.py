"""Which bars share a slot is told from few of them, and from all of them the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse import checks
from barhouse.flow.cleanup import doubled
from barhouse.flow.enrich import Kind
from barhouse.model import INSTANT, AssetClass, Series, Span, Timeframe
from barhouse.store import bars, duplicates
from barhouse.store.postgres import Database
from tests.answers import kept
from tests.unit.calendar.moments import known

EXCHANGES = ("XNYS", "XLON", "XBOM", "XTKS", "24/7")
"""Among them a clock half an hour off, and one with a break at noon; all but two turn their clocks."""
MIGRATION = Path(__file__).parents[2] / "database" / "migrations" / "034_strays.sql"
AGREE = """
SELECT count(*) > 0 AND bool_and(bar_is_stray(code, time) = pg_temp.bar_is_stray(code, time))
FROM timeframe, unnest(array['1900-01-01 00:00Z', '1969-12-29 00:00Z', '2024-03-10 00:00Z']::timestamptz[]) AS start,
    generate_series(0, 2000) AS step, unnest(array['0', '1 us', '-1 us', '1 s']::interval[]) AS off,
    LATERAL (SELECT start + step * interval '15 minutes' + off AS time) AS moment
"""
SPRING = Span(datetime(2024, 3, 7, tzinfo=UTC), datetime(2024, 4, 4, tzinfo=UTC))
"""The clocks of New York and London are turned in it, and each exchange has a holiday."""
OFF = st.one_of(
    st.sampled_from([timedelta(), timedelta(microseconds=1), timedelta(minutes=30), timedelta(days=1)]),
    st.integers(-26 * 60, 26 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    st.timedeltas(-timedelta(hours=1), timedelta(hours=1)),
)


def stored(db: Database, series: Series, times: set[datetime]) -> pl.DataFrame:
    """Bars at these times and no others, each a bit better than the one before it; and what `doubles` wants of them."""
    rows = pl.DataFrame({"time": pl.Series(sorted(times), dtype=INSTANT)}).with_columns(
        instrument=pl.lit(series.instrument.number, pl.Int32),
        timeframe=pl.lit(series.timeframe.code, pl.Int16),
        quality_score=pl.int_range(pl.len()) / 1000,
        fetch_id=pl.lit(None, pl.Int64),
        **{name: pl.lit(value=False) for name in ("extended", "forming", "validated")},
    )
    with db.transaction() as connection:
        connection.execute("DELETE FROM bar")
        bars.insert(connection, rows.select(name for name in bars.COLUMNS if name in rows.columns))
    return rows.select("instrument", "time", "validated", "quality_score", "fetch_id")


@pytest.mark.parametrize("exchange", EXCHANGES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_bars_beside_strays_tell_as_much_as_all_bars(db: Database, exchange: str, data: st.DataObject) -> None:
    calendar, timeframe = known(exchange), data.draw(st.sampled_from(Timeframe))
    series = kept(db, "ACME", timeframe)
    slots = calendar.expected(timeframe, SPRING)["time"].to_list()
    chosen = data.draw(st.lists(st.tuples(st.sampled_from(slots), OFF), min_size=2, max_size=12))
    rows = stored(db, series, {slot + off for slot, off in chosen} | {slot for slot, _ in chosen[::2]})
    kind = Kind(AssetClass.STOCK, timeframe, calendar)

    near = duplicates.near_strays(db, [series.instrument.number], timeframe)

    assert_frame_equal(doubled(db, kind, near), checks.doubles(rows, calendar=calendar, timeframe=timeframe))


def test_what_other_tools_write_is_known_and_found_without_reading_the_rest(db: Database) -> None:
    series, off = kept(db, "ACME", Timeframe.M1), datetime(2024, 3, 7, 15, 0, 7, tzinfo=UTC)
    stored(db, series, {off.replace(second=0) + timedelta(minutes=minute) for minute in range(300)})
    keys = [series.instrument.number]
    assert duplicates.near_strays(db, keys, Timeframe.M1).is_empty()

    with db.connection() as connection:
        connection.execute(
            "INSERT INTO bar (instrument, timeframe, time, extended, forming, validated)"
            " VALUES (%s, 1, %s, %s, %s, %s)",
            [*keys, off, *[False] * 3],
        )
        connection.execute(
            "INSERT INTO market_data (symbol, timeframe, time) VALUES ('ACME', '1m', %s)", [off + timedelta(hours=2)]
        )
        connection.execute("ANALYZE bar")
        plan = connection.execute(
            "EXPLAIN " + duplicates.query.strays.decode().replace("$1", "%s").replace("$2", "%s"),
            [keys, 1],
        ).fetchall()

    assert duplicates.near_strays(db, keys, Timeframe.M1).height == 2
    assert "bar_strays" in str(plan)


def test_a_server_without_date_bin_tells_the_same(db: Database) -> None:
    _, _, old = MIGRATION.read_text().split("CREATE OR REPLACE FUNCTION ")

    with db.connection() as connection:
        connection.execute("CREATE FUNCTION pg_temp." + old.partition("END IF;")[0])
        row = connection.execute(AGREE).fetchone()

    assert row == (True,)
