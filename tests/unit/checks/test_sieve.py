"""Parting the rows of an answer: nothing is lost, and their order does not matter."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse.checks import Sifted, sift
from barhouse.model import Timeframe
from tests.unit.checks.frames import FRAME, MONDAY, always_open, frame, hours

FIVE = ("open", "high", "low", "close", "volume")


def sifted(rows: pl.DataFrame) -> Sifted:
    return sift(rows, calendar=always_open(), timeframe=Timeframe.H1)


def test_bars_that_come_newest_first_are_sound_and_leave_oldest_first() -> None:
    rows = frame({"time": time} for time in reversed(hours(5)))

    parts = sifted(rows)

    assert parts.sound["time"].to_list() == hours(5)
    assert parts.rejected.is_empty()


def test_equal_rows_count_once() -> None:
    parts = sifted(frame([{}, {}, {}]))

    assert parts.sound.height == 1
    assert parts.rejected.is_empty()


def test_of_different_rows_in_one_slot_the_last_to_arrive_stays() -> None:
    rows = frame([{"volume": 3.0}, {"volume": 1.0}, {"volume": 2.0}])

    for arranged in (rows, rows.reverse(), rows.sort("volume")):
        parts = sifted(arranged)
        assert parts.sound["volume"].to_list() == [2.0]
        assert parts.rejected["volume"].to_list() == [3.0, 1.0]
        assert parts.rejected["reason"].to_list() == ["duplicate", "duplicate"]


def test_a_row_that_comes_again_after_another_one_is_the_last() -> None:
    parts = sifted(frame([{"volume": 1.0}, {"volume": 2.0}, {"volume": 1.0}]))

    assert parts.sound["volume"].to_list() == [1.0]
    assert parts.rejected["volume"].to_list() == [2.0]


def test_a_broken_row_does_not_displace_a_sound_one_of_its_slot() -> None:
    parts = sifted(frame([{"volume": 7.0}, {"volume": -7.0}]))

    assert parts.sound["volume"].to_list() == [7.0]
    assert parts.rejected["reason"].to_list() == ["negative_volume"]


def test_one_slot_of_two_instruments_is_no_duplicate() -> None:
    parts = sifted(frame([{"instrument": 2}, {"instrument": 1}]))

    assert parts.sound["instrument"].to_list() == [1, 2]
    assert parts.rejected.is_empty()


def test_one_broken_bar_does_not_keep_the_others_out() -> None:
    rows = frame({"time": time, "high": 1.0 if number == 2 else 12.0} for number, time in enumerate(hours(5)))

    parts = sifted(rows)

    assert parts.sound["origin"].to_list() == [0, 1, 3, 4]
    assert parts.rejected["origin"].to_list() == [2]


def test_an_answer_without_rows_has_neither_sound_nor_rejected_ones() -> None:
    parts = sifted(frame([]))

    assert parts.sound.schema == pl.Schema(FRAME)
    assert parts.rejected.schema == pl.Schema({**FRAME, "reason": pl.String})
    assert parts.sound.is_empty()
    assert parts.rejected.is_empty()


values = st.sampled_from([None, math.nan, math.inf, -1.0, 0.0, 1.0, 2.0, 3.0])
messy = st.lists(
    st.fixed_dictionaries(
        {
            "instrument": st.integers(1, 2),
            "time": st.none() | st.sampled_from([*hours(3), MONDAY + timedelta(minutes=7)]),
            **dict.fromkeys(FIVE, st.just(2.0) | values),
        }
    ),
    max_size=12,
)


def possible(row: dict[str, Any]) -> bool:
    """What the contract asks of a bar of 1h, said without frames."""
    if row["time"] is None or row["time"].minute or any(row[f] is None or not math.isfinite(row[f]) for f in FIVE):
        return False
    body = (row["open"], row["close"])
    ordered: bool = row["high"] >= max(*body, row["low"]) and row["low"] <= min(body)
    return ordered and min(*body, row["high"], row["low"]) > 0 and bool(row["volume"] >= 0)


def content(row: dict[str, Any]) -> str:
    return " ".join(str(row[name]) for name in ("instrument", "time", *FIVE))


@given(messy)
@settings(deadline=None)
def test_every_row_is_sound_or_rejected_or_an_exact_repeat(rows: list[dict[str, Any]]) -> None:
    parts = sifted(frame(rows))

    last = {(row["instrument"], row["time"]): content(row) for row in rows if possible(row)}
    assert {content(row) for row in parts.sound.to_dicts()} == set(last.values())
    assert parts.sound.height + parts.rejected.height == len({content(row) for row in rows})
    known = {content(row) for row in (*parts.sound.to_dicts(), *parts.rejected.to_dicts())}
    assert known == {content(row) for row in rows}
    rejected = {content(row): row["reason"] for row in parts.rejected.to_dicts()}
    assert all(possible(row) == (rejected.get(content(row), "duplicate") == "duplicate") for row in rows)


@given(messy, st.randoms())
@settings(deadline=None)
def test_the_order_of_rows_changes_nothing(rows: list[dict[str, Any]], random: Any) -> None:
    arrived = frame(rows)
    places = list(range(arrived.height))
    random.shuffle(places)

    one, other = sifted(arrived), sifted(arrived[places])

    assert_frame_equal(one.sound, other.sound)
    assert_frame_equal(one.rejected, other.rejected)
