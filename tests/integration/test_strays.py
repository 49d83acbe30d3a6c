"""Which bars share a slot is told from few of them, and from all of them the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
