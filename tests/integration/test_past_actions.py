"""What was told of splits and dividends once stays known for that time, and so do prices and features."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse.flow import actions, reads
from barhouse.flow.actions import learn
from barhouse.model import Adjust, Series, Span
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import kept
from tests.integration.aapl_2020 import (
    ROWS,
    SPLIT,
    applied,
    asked,
    day,
    keep_days,
    moment,
    standings,
    told,
)


@pytest.fixture
def aapl(db: Database) -> Series:
    return kept(db, "AAPL")


def test_what_a_source_told_once_stays_known_for_that_time(db: Database, aapl: Series) -> None:
    start = moment(db)
    learn(db, aapl.instrument, told((2.0, SPLIT), dividends=((0.8, date(2020, 8, 7)),)), "polygon")
    first = moment(db)
    learn(db, aapl.instrument, told((4.0, SPLIT), dividends=((0.82, date(2020, 8, 7)),)), "polygon")
    second = moment(db)
    ever, older = Span(day("1970-01-01"), day("2026-11-01")), (2.0, date(2005, 2, 28))
    learn(db, aapl.instrument, told(dividends=((0.82, date(2020, 8, 7)),)), "polygon", ever)
    assert applied(db, aapl) == [(SPLIT, 4.0)], "no split at all is no list of splits"
    learn(db, aapl.instrument, told(older), "polygon", ever)

    assert [applied(db, aapl, then) for then in (start, first, second)] == [[], [(SPLIT, 2.0)], [(SPLIT, 4.0)]]
    assert applied(db, aapl) == [older[::-1]]
    amounts = [actions.corporate_actions(db, "AAPL", as_of=then)[1] for then in (start, first, second)]
    assert [[row["amount"] for row in rows if row["kind"] == "dividend"] for rows in amounts] == [[], [0.8], [0.82]]
    assert asked(db, "SELECT count(*) FROM corporate_action") == [(5,)]


def test_the_same_told_again_changes_nothing(db: Database, aapl: Series) -> None:
    keep_days(db, aapl, ROWS)
    every = told((4.0, SPLIT), dividends=((0.82, date(2020, 8, 7)),))
    learn(db, aapl.instrument, every, "yahoo")
    versions = "SELECT ctid::text, xmin::text FROM {} ORDER BY 1"
    tables = ("corporate_action", "action_standing", "series", "bar", "bar_feature", "data_anomalies")
    before = [asked(db, versions.format(table)) for table in tables]

    learn(db, aapl.instrument, every.with_columns(pl.col("amount") * 1.0001), "yahoo")
    keep_days(db, aapl, ROWS)

    assert [asked(db, versions.format(table)) for table in tables] == before


def test_an_extra_dividend_of_a_day_adds_to_the_usual_one(db: Database, aapl: Series) -> None:
    paid = date(2020, 8, 7)

    learn(db, aapl.instrument, told(dividends=((0.5, paid), (0.32, paid), (0.5, paid))), "polygon")

    [(amount,)] = asked(db, "SELECT amount FROM corporate_action")
    assert amount == pytest.approx(0.82)


def test_actions_of_an_older_warehouse_keep_their_standing(db: Database, aapl: Series) -> None:
    """Until 017 the source with the smallest number had its way."""
    file = Path(__file__).parents[2] / "database" / "migrations" / "017_actions_by_evidence.sql"
    old = "INSERT INTO corporate_action (instrument, kind, effective, ratio, source) VALUES (%s, 'split', %s, %s, %s)"
    with db.transaction() as connection:
        connection.execute("DROP TABLE action_standing, action_reading")
        for ratio, source in ((4.0, 1), (3.0, 2), (1.0, 3)):
            connection.execute(old, [aapl.instrument.number, SPLIT, ratio, source])

    for _ in range(2):
        with db.transaction() as connection:
            connection.execute(file.read_bytes())

    assert applied(db, aapl) == [(SPLIT, 4.0)]
    assert [row[1:3] for row in standings(db)] == [(4.0, "accepted"), (3.0, "rejected")]


def test_past_prices_are_adjusted_by_what_was_known_then(db: Database, aapl: Series) -> None:
    keep_days(db, aapl, ROWS)
    ignorant = moment(db)
    learn(db, aapl.instrument, told((4.0, SPLIT), dividends=((0.82, date(2020, 8, 7)),)), "polygon")
    knowing = moment(db)
    learn(db, aapl.instrument, told(dividends=((0.41, date(2020, 9, 1)),)), "polygon")

    def first_close(adjust: Adjust, as_of: datetime | None) -> float:
        return float(reads.bars(db, Selection(aapl, adjust=adjust, as_of=as_of), 1)["close"].item())

    paid = 1 - 0.82 / 455.61
    assert first_close(Adjust.ALL, ignorant) == 435.75
    assert first_close(Adjust.ALL, knowing) == pytest.approx(435.75 / 4 * paid, rel=1e-12)
    assert first_close(Adjust.ALL, None) == pytest.approx(435.75 / 4 * paid * (1 - 0.41 / 129.04), rel=1e-12)
    assert first_close(Adjust.SPLITS, None) == 435.75 / 4


def test_a_split_still_to_come_adjusts_nothing(db: Database, aapl: Series) -> None:
    keep_days(db, aapl, ROWS)
    learn(db, aapl.instrument, told((2.0, (datetime.now(UTC) + timedelta(days=9)).date())), "polygon")

    assert reads.bars(db, Selection(aapl, adjust=Adjust.ALL))["close"].to_list() == ROWS["close"].to_list()


def test_past_features_are_those_that_were_stored_then(db: Database, aapl: Series) -> None:
    names = ("return_1d", "atr", "trend_direction", "rolling_mean_10", "volume_ratio")
    keep_days(db, aapl, ROWS[:23])
    then, known = moment(db), reads.bars(db, Selection(aapl, features=names))
    restated = ROWS.with_columns(close=pl.when(pl.int_range(pl.len()) == 9).then("low").otherwise("close"))
    keep_days(db, aapl, restated)
    learn(db, aapl.instrument, told((4.0, SPLIT)), "polygon")

    found = reads.bars(db, Selection(aapl, features=names, as_of=then))
    paged = pl.concat(reads.pages(db, Selection(aapl, features=names, as_of=then), 5))

    judged = ("flags", "quality_score", "validated")  # verdicts are today's
    assert found.drop(judged).equals(known.drop(judged), null_equal=True)
    assert paged.equals(found, null_equal=True)
    assert not reads.bars(db, Selection(aapl, features=names))[:23].equals(found)
    newest = reads.newest(db, Selection(aapl, features=names, as_of=then), 3)
    assert newest.equals(found.tail(3), null_equal=True)


learnings = st.tuples(
    st.just("learn"),
    st.sampled_from(["polygon", "yahoo", "file"]),
    st.sampled_from([2.0, 4.0, 0.205, 0.82]),
    st.sampled_from([SPLIT, date(2020, 8, 28), date(2020, 8, 19)]),
)
keepings = st.tuples(
    st.just("keep"),
    st.sampled_from(["polygon", "yahoo"]),
    st.sampled_from([1.0, 1.01]),
    st.tuples(st.integers(0, 24), st.integers(1, 25)),
)
counted = count()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(learnings | keepings, min_size=2, max_size=7))
def test_any_past_instant_reads_as_it_did_then_adjusted_and_with_features(
    db: Database, story: list[tuple[str, str, float, Any]]
) -> None:
    series = kept(db, f"S{next(counted)}")
    read = Selection(series, adjust=Adjust.ALL, features=("return_1d", "atr", "rolling_mean_10"))
    seen = []

    for what, source, number, when in story:
        if what == "keep":
            rows = ROWS[when[0] : when[0] + when[1]]
            keep_days(db, series, rows.with_columns(pl.col("close", "high") * number), source)
        else:
            one = told((number, when)) if number > 1 else told(dividends=((number, when),))
            learn(db, series.instrument, one, source)
        seen.append((moment(db), reads.bars(db, read)))

    for then, known in seen:
        found = reads.bars(db, replace(read, as_of=then))
        assert_frame_equal(found.drop(VERDICT), known.drop(VERDICT), rel_tol=1e-12, abs_tol=1e-15)


VERDICT = ["validated", "quality_score", "flags"]
