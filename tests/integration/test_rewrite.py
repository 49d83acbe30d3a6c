"""Whole bars out and in again: what hangs on them follows, and what left is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from barhouse import features
from barhouse.errors import UnknownBar
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.enrich import Kind
from barhouse.flow.ingest import keep
from barhouse.flow.rewrite import PLACED, rewrite
from barhouse.model import INSTANT, Series
from barhouse.store import bars
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real

VERDICTS = "SELECT time, quality_score, validated, flags FROM bar WHERE instrument = {} ORDER BY time"
FEATURES = f"SELECT time, {', '.join(features.registry)} FROM bar_feature WHERE instrument = {{}} ORDER BY time"
NOTHING = pl.DataFrame(schema=PLACED)


def asked(db: Database, statement: str) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(statement.encode()).fetchall()


def stored(db: Database, symbol: str, rows: pl.DataFrame) -> Series:
    """A daily series with these bars in it."""
    series = kept(db, symbol)
    keep(db, Batch([answer(series, rows)], sessions.calendar(db, "XNYS")))
    return series


def keys(series: Series, times: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {"instrument": [series.instrument.number] * len(times), "time": times},
        schema={"instrument": pl.Int32, "time": INSTANT},
    )


def rewritten(db: Database, series: Series, gone: list[Any], placed: pl.DataFrame = NOTHING) -> pl.DataFrame:
    """Rewrites a series; the whole bars that left."""
    kind = Kind(series.instrument.asset_class, series.timeframe, sessions.calendar(db, "XNYS"))
    leaving = bars.whole(db, keys(series, gone), series.timeframe)
    with db.transaction() as connection:
        rewrite(db, connection, kind, gone=keys(series, gone), placed=placed, cause="a test")
    return leaving


def assert_alike(db: Database, series: Series, other: Series) -> None:
    """Two series have the same verdicts and features, but for the last digit of what is averaged for ever."""
    for form in (VERDICTS, FEATURES):
        one, two = (db.frame(form.format(each.instrument.number).encode()) for each in (series, other))
        assert_frame_equal(one, two, rel_tol=1e-12, abs_tol=1e-14)


@pytest.mark.parametrize("which", [[0], [700], [1199], [300, 301, 900]])
def test_what_is_left_is_as_if_the_bar_had_never_been(db: Database, which: list[int]) -> None:
    rows = real("AAPL")[:1200]
    series = stored(db, "AAPL", rows)
    bare = stored(db, "BARE", rows.with_row_index().filter(~pl.col("index").is_in(which)).drop("index"))

    rewritten(db, series, rows["time"].gather(which).to_list())

    assert_alike(db, series, bare)
    told = asked(db, "SELECT bars, first_bar, last_bar FROM series ORDER BY instrument")
    assert told[0] == told[1]


@pytest.mark.parametrize("which", [[0], [700], [1199], [300, 301, 900]])
def test_a_bar_that_comes_back_leaves_no_trace_but_the_record(db: Database, which: list[int]) -> None:
    rows = real("AAPL")[:1200]
    series, whole = stored(db, "AAPL", rows), stored(db, "WHOLE", rows)

    left = rewritten(db, series, rows["time"].gather(which).to_list())
    rewritten(db, series, [], left)

    assert_alike(db, series, whole)
    assert asked(db, "SELECT bars, revision, revised_at > created_at FROM series WHERE instrument = 1") == [
        (1200, 3, True)
    ]
    gone = asked(db, "SELECT time, (record ->> 'close')::float8, gone_by FROM bar_stay WHERE gone_at IS NOT NULL")
    assert gone == [(rows["time"][at], rows["close"][at], "a test") for at in which]
    assert asked(db, "SELECT count(*) FROM bar_stay WHERE gone_at IS NULL AND came_at > now() - interval '1 min'") == [
        (len(which),)
    ]


@pytest.mark.every_server
def test_a_bar_put_into_a_taken_slot_sends_the_other_away(db: Database) -> None:
    rows = real("AAPL")[:60]
    series, other = stored(db, "AAPL", rows), stored(db, "OTHER", rows.with_columns(pl.col("volume") * 2))
    better = bars.whole(db, keys(other, rows["time"].to_list()), series.timeframe)

    rewritten(db, series, [], better.with_columns(instrument=pl.lit(series.instrument.number, pl.Int32)))

    assert_alike(db, series, other)
    assert asked(db, "SELECT count(*) FROM bar WHERE instrument = 1") == [(60,)]
    assert asked(db, "SELECT count(*), bool_and(came_at > '-infinity') FROM bar_stay WHERE gone_at IS NOT NULL") == [
        (60, True)
    ]


def test_a_bar_off_its_slot_leaves_without_a_word_to_the_others(db: Database) -> None:
    rows = real("AAPL")[:60]
    series = stored(db, "AAPL", rows)
    late = rows["time"][20] + timedelta(hours=5)
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO market_data (symbol, timeframe, time, close) VALUES ('AAPL', '1d', %s, 1)", [late]
        )
    before = asked(db, "SELECT xmin::text, ctid::text FROM bar_feature ORDER BY time")

    rewritten(db, series, [late])

    assert asked(db, "SELECT xmin::text, ctid::text FROM bar_feature ORDER BY time") == before
    assert asked(db, "SELECT bars FROM series") == [(60,)]


def test_a_bar_that_is_not_there_cannot_leave_and_nothing_has_changed(db: Database) -> None:
    rows = real("AAPL")[:60]
    series = stored(db, "AAPL", rows)

    with pytest.raises(UnknownBar, match="2001-01-01"):
        rewritten(db, series, [rows["time"][3], rows["time"][0].replace(year=2001, month=1, day=1)])

    assert asked(db, "SELECT bars, revision FROM series") == [(60, 1)]
