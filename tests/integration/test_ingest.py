"""What is kept of an answer: true counts, all or nothing, every change with its proof."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from threading import Thread
from typing import Any

import polars as pl
import psycopg
import pytest

from barhouse import features
from barhouse.errors import BarhouseError, CannotServe, SourceUnavailable
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep, note
from barhouse.model import ACTIONS, Series, Span, Timeframe
from barhouse.sources.base import Fetched
from barhouse.sources.fallback import Attempt
from barhouse.store import coverage
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real

FEATURES = ", ".join(features.registry)
VERSIONS = "SELECT xmin::text, ctid::text FROM bar UNION ALL SELECT xmin::text, ctid::text FROM bar_feature"


def keep_one(db: Database, fetched: Fetched, now: datetime | None = None) -> Fetch:
    [told] = keep(db, Batch([fetched], sessions.calendar(db, "XNYS")), now)
    return told


def asked(db: Database, statement: str) -> list[tuple[Any, ...]]:
    with db.connection() as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.fixture
def aapl(db: Database) -> Series:
    return kept(db, "AAPL")


@pytest.mark.every_server
def test_new_bars_are_stored_as_they_came_with_features_and_quality(db: Database, aapl: Series) -> None:
    rows = real("AAPL")

    told = keep_one(db, answer(aapl, rows, source="yahoo"))

    assert (told.fetched, told.inserted, told.updated, told.unchanged, told.quarantined) == (3270, 3270, 0, 0, 0)
    stored = db.frame(b"SELECT time, open, high, low, close, volume FROM bar ORDER BY time")
    assert stored.equals(rows.select(stored.columns).cast(stored.schema))
    assert asked(db, "SELECT count(*), count(atr), count(volatility_50) FROM bar_feature") == [(3270, 3256, 3220)]
    assert asked(db, "SELECT bool_and(validated), min(quality_score) >= 0.85 FROM bar") == [(True, True)]


@pytest.mark.every_server
def test_the_same_answer_again_writes_no_bar(db: Database, aapl: Series) -> None:
    keep_one(db, answer(aapl, real("AAPL")))
    before = asked(db, VERSIONS)
    revision = asked(db, "SELECT revision, revised_at FROM series")

    told = keep_one(db, answer(aapl, real("AAPL")))

    assert (told.inserted, told.updated, told.unchanged) == (0, 0, 3270)
    after = asked(db, VERSIONS)
    assert sorted(after) == sorted(before)
    assert asked(db, "SELECT revision, revised_at FROM series") == revision


@pytest.mark.every_server
def test_a_restated_field_is_one_correction_and_the_features_follow(db: Database, aapl: Series) -> None:
    rows = real("AAPL")
    keep_one(db, answer(aapl, rows))
    day = rows["time"][1500]
    restated = rows.with_columns(close=pl.when(pl.col("time") == day).then(pl.col("low")).otherwise("close"))

    told = keep_one(db, answer(aapl, restated))

    assert (told.inserted, told.updated, told.unchanged) == (0, 1, 3269)
    [(field, old, new, when, stamp)] = asked(
        db,
        'SELECT field_corrected, old_value, new_value, "timestamp", correction_timestamp FROM data_corrections',
    )
    assert (field, old, new, when) == ("close", rows["close"][1500], rows["low"][1500], day)
    assert asked(db, "SELECT revised_at, bars FROM series") == [(stamp, 3270)]
    assert_features_equal_those_of_one_go(db, restated)


@pytest.mark.every_server
def test_features_of_a_series_kept_piece_by_piece_are_those_of_one_go(db: Database, aapl: Series) -> None:
    rows = real("AAPL")
    splits = pl.DataFrame(
        {"kind": ["split"] * 2, "effective": [date(2000, 6, 21), date(2005, 2, 28)], "ratio": [2.0, 2.0]}
    ).with_columns(amount=pl.lit(None, pl.Float64), currency=pl.lit(None, pl.String))

    for start, end in [(2000, 3270), (0, 700), (700, 2000)]:
        keep_one(db, answer(aapl, rows[start:end], actions=splits.select(list(ACTIONS))))

    assert asked(db, "SELECT bars, first_bar, last_bar FROM series") == [(3270, rows["time"][0], rows["time"][-1])]
    assert_features_equal_those_of_one_go(db, rows, splits)


@pytest.mark.every_server
def test_a_split_learnt_late_recomputes_the_bars_it_touches(db: Database, aapl: Series) -> None:
    rows = real("AAPL")
    keep_one(db, answer(aapl, rows))
    split = pl.DataFrame({"kind": ["split"], "effective": [date(2005, 2, 28)], "ratio": [2.0]}).with_columns(
        amount=pl.lit(None, pl.Float64), currency=pl.lit(None, pl.String)
    )

    told = keep_one(db, answer(aapl, rows, actions=split.select(list(ACTIONS))))

    assert told.unchanged == 3270
    assert_features_equal_those_of_one_go(db, rows, split)


def test_a_split_of_another_time_moves_neither_the_first_bar_nor_the_last(db: Database, aapl: Series) -> None:
    rows = real("AAPL")[1500:1600]
    days = [date(1990, 1, 2), date(2024, 1, 2)]
    split = pl.DataFrame({"kind": ["split"] * 2, "effective": days, "ratio": [2.0] * 2}).with_columns(
        amount=pl.lit(None, pl.Float64), currency=pl.lit(None, pl.String)
    )

    keep_one(db, answer(aapl, rows))
    keep_one(db, answer(aapl, rows, actions=split.select(list(ACTIONS))))

    assert asked(db, "SELECT first_bar, last_bar, bars FROM series") == [(rows["time"][0], rows["time"][-1], 100)]


def assert_features_equal_those_of_one_go(db: Database, rows: pl.DataFrame, splits: pl.DataFrame | None = None) -> None:
    """What is stored equals what the whole series gives at once, in another database-free computation."""
    whole = kept(db, "WHOLE")
    keep_one(db, answer(whole, rows, actions=None if splits is None else splits.select(list(ACTIONS))))
    stored = [
        db.frame(
            f"SELECT f.time, {FEATURES} FROM bar_feature f JOIN instrument i ON i.id = f.instrument "
            f"WHERE i.symbol = '{symbol}' ORDER BY f.time".encode()
        )
        for symbol in ("AAPL", "WHOLE")
    ]
    assert stored[0].height == stored[1].height
    for name in features.registry:
        mine, whole_go = stored[0][name], stored[1][name]
        if mine.dtype == pl.String:
            assert mine.equals(whole_go, null_equal=True), name
        else:
            apart = ((mine - whole_go).abs() / whole_go.abs()).fill_nan(0).max()
            assert mine.is_null().equals(whole_go.is_null()), name
            assert apart is None or apart < 1e-12, name  # type: ignore[operator]


@pytest.mark.every_server
def test_a_row_that_is_no_bar_is_quarantined_as_it_came_and_its_neighbours_stay(db: Database, aapl: Series) -> None:
    rows = real("AAPL")[:50]
    broken = rows.with_columns(high=pl.when(pl.int_range(50) == 7).then(pl.lit(1.0)).otherwise("high"))

    told = keep_one(db, answer(aapl, broken))
    again = keep_one(db, answer(aapl, broken))

    assert (told.inserted, told.quarantined) == (49, 1)
    assert (again.unchanged, again.quarantined) == (49, 1)
    [(when, reason, payload, status)] = asked(db, "SELECT time, reason, payload, status FROM quarantine")
    assert (when, status) == (rows["time"][7], "quarantined")
    assert "high" in reason
    assert json.loads(payload)["high"] == 1.0
    assert json.loads(payload)["low"] == rows["low"][7]


@pytest.mark.every_server
def test_nothing_is_kept_of_a_batch_whose_transaction_fails(db: Database, aapl: Series) -> None:
    with db.connection() as connection:
        connection.execute("ALTER TABLE enrichment_fetch_log ADD CONSTRAINT none CHECK (records_fetched < 10)")

    with pytest.raises((psycopg.errors.CheckViolation, BarhouseError)):
        keep_one(db, answer(aapl, real("AAPL")))

    for table in ("bar", "bar_feature", "coverage", "quarantine", "data_corrections"):
        assert asked(db, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert asked(db, "SELECT revision, bars FROM series") == [(0, 0)]


@pytest.mark.every_server
def test_two_writers_of_one_series_at_once_store_each_bar_once(db: Database, aapl: Series) -> None:
    rows = real("AAPL")
    told: list[Fetch] = []

    writers = [Thread(target=lambda: told.append(keep_one(db, answer(aapl, rows)))) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert sorted(each.inserted for each in told) == [0, 0, 0, 3270]
    assert asked(db, "SELECT count(*) FROM bar") == [(3270,)]
    assert asked(db, "SELECT bars FROM series") == [(3270,)]


def test_a_later_source_restates_nothing_and_fills_what_is_missing(db: Database, aapl: Series) -> None:
    rows = real("AAPL")[:100]
    keep_one(db, answer(aapl, rows[:60], source="polygon"))

    told = keep_one(db, answer(aapl, rows.with_columns(pl.col("close") - 0.01, pl.col("low") - 1), source="yahoo"))

    assert (told.inserted, told.updated, told.unchanged) == (40, 0, 60)
    assert asked(db, "SELECT count(*) FROM data_corrections") == [(0,)]


def test_a_bar_restated_by_an_earlier_source_says_whose_it_was(db: Database, aapl: Series) -> None:
    rows = real("AAPL")[:30]
    keep_one(db, answer(aapl, rows, source="yahoo"))

    told = keep_one(db, answer(aapl, rows.with_columns(pl.col("volume") + 1), source="polygon"))

    assert told.updated == 30
    names = dict(asked(db, "SELECT code, name FROM source"))
    changed = asked(db, "SELECT DISTINCT old_value, new_value FROM data_corrections WHERE field_corrected = 'source'")
    assert [(names[old], names[new]) for old, new in changed] == [("yahoo", "polygon")]
    fields = "SELECT field_corrected, count(*), min(source) FROM data_corrections GROUP BY 1 ORDER BY 1"
    assert [(field, count, names[whose]) for field, count, whose in asked(db, fields)] == [
        ("source", 30, "yahoo"),
        ("volume", 30, "yahoo"),
    ]


def test_a_forming_bar_settles_without_a_correction(db: Database, aapl: Series) -> None:
    rows = real("AAPL")[:30]
    close = datetime(2000, 4, 11, 20, tzinfo=UTC)
    assert rows["time"][-1].date() == close.date()
    half = rows.with_columns(close=pl.when(pl.int_range(30) == 29).then(pl.col("open")).otherwise("close"))

    keep_one(db, answer(aapl, half), now=close - timedelta(hours=2))
    forming = asked(db, "SELECT time, quality_score FROM bar WHERE forming")
    told = keep_one(db, answer(aapl, rows), now=close + timedelta(hours=2))

    assert [row[0] for row in forming] == [rows["time"][-1]]
    assert (told.updated, told.unchanged) == (1, 29)
    assert asked(db, "SELECT count(*) FROM bar WHERE forming") == [(0,)]
    assert asked(db, "SELECT count(*) FROM data_corrections") == [(0,)]
    assert asked(db, "SELECT count(*) FROM bar_feature") == [(30,)]


def test_an_empty_answer_covers_its_span_as_empty(db: Database, aapl: Series) -> None:
    span = Span(datetime(2000, 1, 3, tzinfo=UTC), datetime(2000, 2, 1, tzinfo=UTC))

    keep_one(db, answer(aapl, real("AAPL")[:0], span=span))

    with db.connection() as connection:
        [stretch] = coverage.of_series(connection, aapl)["polygon"]
    assert (stretch.span, stretch.state) == (span, coverage.State.EMPTY)


def test_every_bar_has_a_fetch_that_is_in_the_log(db: Database, aapl: Series) -> None:
    told = keep_one(db, answer(aapl, real("AAPL")))

    assert asked(db, "SELECT DISTINCT fetch_id FROM bar") == [(told.id,)]
    [(inserted, success, stamped)] = asked(
        db, f"SELECT records_inserted, success, stamped_at FROM enrichment_fetch_log WHERE id = {told.id}"
    )
    assert (inserted, success) == (3270, True)
    assert asked(db, "SELECT revised_at FROM series") == [(stamped,)]


def test_a_restated_bar_keeps_the_fetch_that_first_stored_it(db: Database, aapl: Series) -> None:
    rows = real("AAPL")[:30]
    first = keep_one(db, answer(aapl, rows))

    keep_one(db, answer(aapl, rows.with_columns(pl.col("volume") + 1)))

    assert asked(db, "SELECT DISTINCT fetch_id FROM bar") == [(first.id,)]


def test_a_price_written_differently_stays_as_it_was_beside_one_that_is_restated(db: Database, aapl: Series) -> None:
    rows = real("AAPL")[:1]
    keep_one(db, answer(aapl, rows))

    keep_one(db, answer(aapl, rows.with_columns(pl.col("volume") + 1, pl.col("high") * (1 + 1e-9))))

    assert asked(db, "SELECT high, volume FROM bar") == [(rows["high"][0], rows["volume"][0] + 1)]
    assert asked(db, "SELECT field_corrected FROM data_corrections") == [("volume",)]


def test_a_bar_left_forming_by_a_source_that_fell_silent_is_settled_by_the_next_one(db: Database, aapl: Series) -> None:
    rows = real("AAPL")[:30]
    close = datetime(2000, 4, 11, 20, tzinfo=UTC)
    keep_one(db, answer(aapl, rows, source="polygon"), now=close - timedelta(hours=2))

    told = keep_one(db, answer(aapl, rows, source="yahoo"), now=close + timedelta(hours=2))

    assert (told.updated, told.unchanged) == (1, 29)
    assert asked(db, "SELECT count(*) FROM bar WHERE forming") == [(0,)]


def test_what_is_written_at_once_bears_one_instant_in_every_series(db: Database, aapl: Series) -> None:
    both = [aapl, kept(db, "IBM")]
    rows = real("AAPL")[:30]

    for change in (0, 1):
        changed = rows.with_columns(pl.col("volume") + change)
        keep(db, Batch([answer(series, changed) for series in both], sessions.calendar(db, "XNYS")))

    assert asked(db, "SELECT DISTINCT revised_at FROM series") == asked(
        db, "SELECT DISTINCT correction_timestamp FROM data_corrections"
    )


def test_a_split_learnt_late_recomputes_the_week_that_it_falls_in(db: Database, aapl: Series) -> None:
    calendar = sessions.calendar(db, "XNYS")
    weeks = calendar.build(real("AAPL")[:400], Timeframe.D1, Timeframe.W1)
    split = pl.DataFrame([("split", date(2000, 6, 21), 2.0, None, None)], schema=ACTIONS, orient="row")  # a Wednesday
    late, whole = kept(db, "LATE", Timeframe.W1), kept(db, "WHOLE", Timeframe.W1)

    keep_one(db, answer(late, weeks))
    keep_one(db, answer(late, weeks, actions=split))
    keep_one(db, answer(whole, weeks, actions=split))

    computed = [
        asked(db, f"SELECT time, {FEATURES} FROM bar_feature WHERE instrument = {series.instrument.number} ORDER BY 1")
        for series in (late, whole)
    ]
    assert computed[0] == computed[1]


def test_what_a_source_does_not_reach_is_no_fetch_that_failed(db: Database, aapl: Series) -> None:
    span = Span(datetime(2000, 1, 3, tzinfo=UTC), datetime(2000, 2, 1, tzinfo=UTC))
    calendar = sessions.calendar(db, "XNYS")

    for error in (CannotServe("yahoo", "beyond its reach"), SourceUnavailable("polygon", "it did not answer")):
        note(db, aapl, calendar, Attempt(error.source, span, error=error), span.end)

    assert asked(db, "SELECT source, success FROM enrichment_fetch_log") == [("polygon", False)]
    with db.connection() as connection:
        told = coverage.of_series(connection, aapl)
    assert {source: stretch.state for source, [stretch] in told.items()} == {
        "yahoo": coverage.State.UNREACHABLE,
        "polygon": coverage.State.FAILED,
    }


def test_notes_and_answers_of_one_series_at_once_lay_no_stretch_over_another(db: Database, aapl: Series) -> None:
    rows, calendar = real("AAPL"), sessions.calendar(db, "XNYS")
    keep_one(db, answer(aapl, rows))
    gone = SourceUnavailable("polygon", "it did not answer")
    years = [Span(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)) for year in range(2001, 2009)]

    def read_again(span: Span) -> None:
        if span.start.year % 2:
            note(db, aapl, calendar, Attempt("polygon", span, error=gone), span.end)
        else:
            within = pl.col("time").is_between(span.start, span.end, closed="left")
            keep_one(db, answer(aapl, rows.filter(within), span=span))

    with ThreadPoolExecutor(len(years)) as readers:
        list(readers.map(read_again, years))

    stretches = asked(db, "SELECT span_start, span_end FROM coverage ORDER BY 1")
    assert all(before[1] == after[0] for before, after in pairwise(stretches))
