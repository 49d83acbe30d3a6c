"""Corrections by hand: with proof, with all that follows, and held against the vendor's habit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from barhouse.errors import InvalidParameter, UnknownBar
from barhouse.flow import sessions
from barhouse.flow.batch import Batch
from barhouse.flow.correct import Corrected, correct
from barhouse.flow.ingest import keep
from barhouse.model import Series
from barhouse.store import history
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection
from tests.answers import answer, kept, real
from tests.integration.test_rewrite import asked, assert_alike, stored

ROWS = real("AAPL")[:400]
DAY = ROWS["time"][250]
CLOSE, LOW = ROWS["close"][250], ROWS["low"][250]


@pytest.fixture
def aapl(db: Database) -> Series:
    return stored(db, "AAPL", ROWS)


def by_hand(db: Database, **values: float | None) -> Corrected:
    return correct(db, "AAPL", DAY, values, reason="the tape says so", author="Ada")


def again(db: Database, series: Series, rows: pl.DataFrame, source: str = "polygon") -> Fetch:
    [told] = keep(db, Batch([answer(series, rows, source=source)], sessions.calendar(db, "XNYS")))
    return told


def with_close(value: float) -> pl.DataFrame:
    """What the vendor answers if it tells another close of that day."""
    return ROWS.with_columns(close=pl.when(pl.col("time") == DAY).then(value).otherwise("close"))


def test_each_changed_field_is_written_down_with_its_reason_and_its_author(db: Database, aapl: Series) -> None:
    told = by_hand(db, close=LOW, volume=7.0, open=ROWS["open"][250])

    assert told.changed == ["close", "volume"]
    assert (told.before["close"], told.after["close"]) == (CLOSE, LOW)
    rows = asked(
        db,
        """
        SELECT field_corrected, old_value, new_value, reason, corrected_by, note, correction_timestamp
        FROM data_corrections ORDER BY 1
        """,
    )
    [(stamp,)] = asked(db, "SELECT revised_at FROM series")
    hand = ("manual_correction", "Ada", "the tape says so", stamp)
    assert rows == [("close", CLOSE, LOW, *hand), ("volume", ROWS["volume"][250], 7.0, *hand)]
    assert told.at == stamp


def test_verdicts_and_features_are_as_if_the_bar_had_come_so(db: Database, aapl: Series) -> None:
    tenfold = {name: ROWS[name][250] * 10 for name in ("open", "high", "low", "close", "volume")}
    is_it = pl.col("time") == DAY
    other = stored(
        db,
        "OTHER",
        ROWS.with_columns(pl.when(is_it).then(value).otherwise(name).alias(name) for name, value in tenfold.items()),
    )

    by_hand(db, **tenfold)

    assert_alike(db, aapl, other)
    flagged = asked(db, "SELECT time, flags FROM bar WHERE instrument = 1 AND flags LIKE '%open_jump%' ORDER BY time")
    assert {DAY, ROWS["time"][251]} <= {time for time, _ in flagged}


@pytest.mark.every_server
def test_a_read_of_before_shows_what_was_there(db: Database, aapl: Series) -> None:
    [(before,)] = asked(db, "SELECT clock_timestamp()")

    by_hand(db, close=LOW)

    closes = [
        history.bars(db, Selection(aapl, as_of=instant)).filter(pl.col("time") == DAY)["close"].item()
        for instant in (before, before + timedelta(hours=1))
    ]
    assert closes == [CLOSE, LOW]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"high": 1.0}, "The high is below"),
        ({"close": -1.0}, "A price is zero or below"),
        ({"volume": None}, "volume: None is no value"),
        ({"close": float("nan")}, "close: nan is no value"),
        ({"klose": 1.0}, "No field klose; there are open"),
        ({}, "at least one field"),
    ],
)
def test_what_would_make_no_bar_is_refused_and_nothing_has_changed(
    db: Database, aapl: Series, values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidParameter, match=complaint):
        by_hand(db, **values)

    assert asked(db, "SELECT revision FROM series") == [(1,)]
    assert asked(db, "SELECT count(*) FROM data_corrections") == [(0,)]


@pytest.mark.parametrize("who", [{"reason": " ", "author": "Ada"}, {"reason": "a typo", "author": ""}])
def test_nobody_corrects_without_a_reason_and_a_name(db: Database, aapl: Series, who: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="a reason and an author"):
        correct(db, "AAPL", DAY, {"close": LOW}, **who)


def test_a_bar_that_is_not_there_cannot_be_corrected(db: Database, aapl: Series) -> None:
    with pytest.raises(UnknownBar, match=r"No bar of AAPL 1d starts at 2001-01-06T00:00:00Z"):
        correct(db, "AAPL", "2001-01-06", {"close": 1.0}, reason="a typo", author="Ada")


def test_the_value_that_is_there_already_changes_nothing(db: Database, aapl: Series) -> None:
    told = by_hand(db, close=CLOSE)

    assert (told.changed, told.at) == ([], None)
    assert asked(db, "SELECT revision FROM series") == [(1,)]


def test_a_dry_run_says_what_would_come_of_it_and_writes_nothing(db: Database, aapl: Series) -> None:
    told = correct(db, "AAPL", DAY, {"volume": 1.0}, reason="try", author="Ada", dry_run=True)

    assert (told.changed, told.after["flags"], told.at) == (["volume"], "unusual_volume", None)
    assert asked(db, "SELECT revision FROM series") == [(1,)]
    assert asked(db, "SELECT count(*) FROM bar WHERE volume = 1") == [(0,)]


def test_a_vendor_that_repeats_its_error_does_not_undo_the_correction(db: Database, aapl: Series) -> None:
    by_hand(db, close=LOW)
    by_hand(db, close=LOW + 0.01)

    told = again(db, aapl, ROWS)

    assert (told.updated, told.unchanged) == (0, 400)
    assert asked(db, f"SELECT close FROM bar WHERE time = '{DAY}'") == [(LOW + 0.01,)]


def test_a_vendor_that_tells_something_new_restates_the_correction_and_from_then_on_any_value(
    db: Database, aapl: Series
) -> None:
    by_hand(db, close=LOW)

    for close in (LOW + 0.02, CLOSE):
        assert again(db, aapl, with_close(close)).updated == 1
        assert asked(db, f"SELECT close FROM bar WHERE time = '{DAY}'") == [(close,)]
    reasons = asked(db, "SELECT reason FROM data_corrections ORDER BY id")
    assert [reason for (reason,) in reasons] == ["manual_correction", "source_updated", "source_updated"]


def test_a_vendor_may_restate_the_fields_beside_a_correction(db: Database, aapl: Series) -> None:
    by_hand(db, close=LOW)

    told = again(db, aapl, ROWS.with_columns(pl.col("volume") + 1))

    assert told.updated == 400
    assert asked(db, f"SELECT close, volume FROM bar WHERE time = '{DAY}'") == [(LOW, ROWS["volume"][250] + 1)]


def test_a_forming_bar_is_left_to_its_source(db: Database) -> None:
    series = kept(db, "AAPL")
    noon = DAY + timedelta(hours=17)
    keep(db, Batch([answer(series, ROWS[:251])], sessions.calendar(db, "XNYS")), noon)

    with pytest.raises(InvalidParameter, match="still forming"):
        by_hand(db, close=LOW)


def test_a_mended_error_of_ours_says_so_and_is_held_like_any_correction(db: Database, aapl: Series) -> None:
    correct(db, "AAPL", DAY, {"close": LOW}, reason="read the wrong column", author="Ada", bug_fix=True)

    told = again(db, aapl, ROWS)

    assert told.unchanged == 400
    assert asked(db, "SELECT reason, note FROM data_corrections") == [("bug_fix", "read the wrong column")]


def test_a_source_that_outranks_takes_the_bar_over_but_not_the_corrected_field(db: Database) -> None:
    series = kept(db, "AAPL")
    again(db, series, ROWS, source="yahoo")
    by_hand(db, close=LOW)

    for _ in range(2):
        again(db, series, with_close(CLOSE - 0.01).with_columns(pl.col("volume") + 1), source="polygon")

    held = f"SELECT b.close, s.name FROM bar b JOIN source s ON s.code = b.source WHERE b.time = '{DAY}'"
    assert asked(db, held) == [(LOW, "polygon")]


def test_a_correction_resolves_what_was_wrong_with_the_bar(db: Database, aapl: Series) -> None:
    anomalies = f"SELECT resolution_status, anomaly_type FROM data_anomalies WHERE data_point_time = '{DAY}'"
    by_hand(db, low=4.09)
    before = asked(db, anomalies)
    by_hand(db, low=ROWS["low"][250])

    assert before == [("open", "outlier")]
    assert asked(db, anomalies) == [("resolved", "outlier")]
