"""Holes in short bars: a slot that nobody read is one, a slot that was read and had no bar is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from barhouse.errors import SourceUnavailable
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep, note
from barhouse.model import INSTANT, Series, Span, Timeframe
from barhouse.sources.fallback import Attempt
from barhouse.store.postgres import Database
from tests.answers import answer, kept

DAY = Span(datetime(2024, 1, 3, 14, 30, tzinfo=UTC), datetime(2024, 1, 3, 21, tzinfo=UTC))
MORNING = Span(DAY.start, datetime(2024, 1, 3, 17, tzinfo=UTC))
NOON = Span(MORNING.end, datetime(2024, 1, 3, 17, 30, tzinfo=UTC))
AFTERNOON = Span(NOON.end, DAY.end)
UNKNOWN_AFTER_A_HOLE = 9
"""Bars behind a hole whose mean of ten closes is unknown."""


@pytest.fixture
def minutes(db: Database) -> Series:
    return kept(db, "THIN", Timeframe.M1)


def bars(span: Span) -> pl.DataFrame:
    """A bar a minute, each a cent dearer than the one before."""
    count = span.duration // timedelta(minutes=1)
    nth = pl.int_range(count, eager=True) + (span.start - DAY.start) // timedelta(minutes=1)
    close = 100 + nth * 0.01
    time = pl.datetime_range(span.start, span.end, "1m", closed="left", eager=True).cast(INSTANT)
    return pl.DataFrame(
        {"time": time, "open": close, "high": close, "low": close, "close": close, "volume": [100.0] * count}
    )


def take(db: Database, series: Series, rows: pl.DataFrame, span: Span) -> None:
    keep(db, Batch([answer(series, rows, span=span)], sessions.calendar(db, "XNYS")))


def unknown(db: Database, span: Span) -> int:
    """How many bars of a span have no mean of ten closes, those of its very first bars too."""
    statement = b"SELECT count(*) FROM bar_feature WHERE rolling_mean_10 IS NULL AND time >= %s AND time < %s"
    with db.connection() as connection:
        row = connection.execute(statement, [span.start, span.end]).fetchone()
    assert row is not None
    return int(row[0])


def revision(db: Database) -> int:
    with db.connection() as connection:
        row = connection.execute("SELECT revision FROM series").fetchone()
    assert row is not None
    return int(row[0])


def test_minutes_that_were_read_and_had_no_trade_break_no_window(db: Database, minutes: Series) -> None:
    take(db, minutes, pl.concat([bars(MORNING), bars(AFTERNOON)]), DAY)

    assert unknown(db, AFTERNOON) == 0


def test_minutes_that_nobody_read_break_every_window(db: Database, minutes: Series) -> None:
    take(db, minutes, bars(MORNING), MORNING)
    take(db, minutes, bars(AFTERNOON), AFTERNOON)

    assert unknown(db, AFTERNOON) == UNKNOWN_AFTER_A_HOLE


def test_minutes_that_could_not_be_read_are_a_hole_too(db: Database, minutes: Series) -> None:
    take(db, minutes, bars(MORNING), MORNING)
    gone = Attempt("polygon", NOON, error=SourceUnavailable("polygon", "it did not answer"))
    note(db, minutes, sessions.calendar(db, "XNYS"), gone, DAY.end)
    take(db, minutes, bars(AFTERNOON), AFTERNOON)

    assert unknown(db, AFTERNOON) == UNKNOWN_AFTER_A_HOLE


def test_a_hole_that_turns_out_to_be_quiet_gives_the_bars_behind_it_their_features(
    db: Database, minutes: Series
) -> None:
    take(db, minutes, bars(MORNING), MORNING)
    take(db, minutes, bars(AFTERNOON), AFTERNOON)
    before = revision(db)

    take(db, minutes, bars(NOON)[:0], NOON)

    assert unknown(db, AFTERNOON) == 0
    assert revision(db) == before + 1
    with db.connection() as connection:
        [held] = connection.execute("SELECT bars, first_bar, last_bar FROM series").fetchall()
    assert held == (360, DAY.start, DAY.end - timedelta(minutes=1))


def test_an_empty_answer_behind_the_last_bar_changes_nothing(db: Database, minutes: Series) -> None:
    take(db, minutes, bars(MORNING), MORNING)

    take(db, minutes, bars(NOON)[:0], NOON)

    assert revision(db) == 1


def test_pieces_that_come_newest_first_have_the_features_of_one_go(db: Database, minutes: Series) -> None:
    for span in (AFTERNOON, NOON, MORNING):
        take(db, minutes, bars(span), span)

    assert unknown(db, DAY) == UNKNOWN_AFTER_A_HOLE
    assert unknown(db, Span(NOON.start, DAY.end)) == 0


def test_an_hour_without_a_bar_is_a_hole_though_it_was_read(db: Database) -> None:
    series = kept(db, "THIN", Timeframe.H1)
    calendar = sessions.calendar(db, "XNYS")
    hours = calendar.build(bars(DAY), Timeframe.M1, Timeframe.H1)

    take(db, series, hours.filter(pl.int_range(pl.len()) != 3), DAY)

    with db.connection() as connection:
        rows = connection.execute("SELECT return_1h FROM bar_feature ORDER BY time").fetchall()
    assert [value is None for (value,) in rows] == [True, False, False, True, False, False]
