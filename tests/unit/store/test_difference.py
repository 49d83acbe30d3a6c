"""What an answer changes in a stored series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from barhouse.model import INSTANT, MEASURES, Schema
from barhouse.store.difference import OVERRULED, Difference, difference, heeding

OURS, LATER, OTHERS = 1, 3, 9
"""The source itself, one after it in the order, and somebody else's rows."""


def moment(day: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)


def incoming(rows: list[dict[str, object]]) -> pl.DataFrame:
    schema: Schema = {"instrument": pl.Int32(), "time": INSTANT, **MEASURES, "forming": pl.Boolean()}
    base = {"instrument": 7, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 100.0, "forming": False}
    return pl.DataFrame([base | {"time": moment(day)} | row for day, row in enumerate(rows)], schema=schema)


def stored(rows: list[dict[str, object]]) -> pl.DataFrame:
    frame = incoming([{k: v for k, v in row.items() if k != "source"} for row in rows])
    sources = pl.Series("source", [row.get("source", OURS) for row in rows], dtype=pl.Int16)
    return frame.with_columns(sources)


def compared(new: list[dict[str, object]], old: list[dict[str, object]]) -> Difference:
    return difference(incoming(new), stored(old), outranks={OURS, LATER})


def test_equal_bars_change_nothing() -> None:
    found = compared([{}, {}], [{}, {}])

    assert found.new.is_empty()
    assert found.changed.is_empty()
    assert found.corrections.is_empty()


def test_a_bar_in_an_empty_slot_is_new() -> None:
    found = compared([{}, {}, {"close": 10.7}], [{}, {}])

    assert found.new["time"].to_list() == [moment(2)]
    assert found.fresh.height == 1


def test_each_restated_field_is_one_correction_with_both_values() -> None:
    found = compared([{}, {"close": 10.6, "volume": 120.0}], [{}, {}])

    assert found.changed["time"].to_list() == [moment(1)]
    assert found.corrections.select("field", "old", "new").rows() == [
        ("close", 10.5, 10.6),
        ("volume", 100.0, 120.0),
    ]


def test_a_price_written_differently_is_no_restatement_and_a_millionth_more_is() -> None:
    within = compared([{"close": 10.5 * (1 + 9e-7)}], [{}])
    beyond = compared([{"close": 10.5 * (1 + 1.1e-6)}], [{}])

    assert within.changed.is_empty()
    assert beyond.corrections["field"].to_list() == ["close"]


def test_volume_has_no_tolerance() -> None:
    assert compared([{"volume": 100.00001}], [{}]).corrections["field"].to_list() == ["volume"]


def test_what_an_answer_does_not_say_overwrites_nothing() -> None:
    found = compared([{"vwap": None}, {"vwap": 10.2}], [{"vwap": 10.1}, {"vwap": 10.2}])

    assert found.changed.is_empty()


def test_a_value_told_late_is_a_correction_of_null() -> None:
    found = compared([{"vwap": 10.1}], [{"vwap": None}])

    assert found.corrections.select("field", "old", "new").rows() == [("vwap", None, 10.1)]


def test_a_source_earlier_in_the_order_restates_and_others_rows_stay() -> None:
    found = compared([{"close": 10.6}, {"close": 10.6}], [{"source": LATER}, {"source": OTHERS}])

    assert found.changed["time"].to_list() == [moment(0)]


def test_a_forming_bar_gives_way_without_a_correction() -> None:
    found = compared([{"close": 10.6}, {}], [{"forming": True}, {"forming": True}])

    assert found.changed["time"].to_list() == [moment(0), moment(1)]
    assert found.changed["settled"].to_list() == [False, False]
    assert found.corrections.is_empty()


def test_a_settled_bar_is_never_turned_into_a_forming_one() -> None:
    assert compared([{"close": 10.6, "forming": True}], [{}]).changed.is_empty()


def test_every_bar_is_new_changed_or_left() -> None:
    found = compared([{}, {"close": 10.6}, {}], [{}, {}])

    assert (found.new.height, found.changed.height) == (1, 1)
    assert found.fresh.columns == found.new.columns


def by_hand(field: str, told: float, source: int = OURS, day: int = 0) -> pl.DataFrame:
    return pl.DataFrame([(7, moment(day), field, told, source)], schema=OVERRULED, orient="row")


def heard(new: dict[str, object], old: dict[str, object], overruled: pl.DataFrame, source: int = OURS) -> Difference:
    """What is made of a bar whose stored one was corrected by hand."""
    known = stored([old])
    heeded = heeding(incoming([new]), known, overruled, source=source)
    return difference(heeded, known, outranks={OURS, LATER})


def test_a_source_that_repeats_what_was_corrected_by_hand_is_not_heard() -> None:
    found = heard({"close": 10.9 * (1 + 1e-8), "volume": 120.0}, {"close": 10.5}, by_hand("close", 10.9))

    assert found.corrections["field"].to_list() == ["volume"]


def test_a_source_that_tells_something_new_of_a_corrected_field_is_heard() -> None:
    found = heard({"close": 10.8}, {"close": 10.5}, by_hand("close", 10.9))

    assert found.corrections.select("field", "old", "new").rows() == [("close", 10.5, 10.8)]


def test_another_source_than_the_one_that_was_corrected_is_not_heard_on_that_field() -> None:
    found = heard({"close": 10.8, "open": 10.1}, {"source": LATER}, by_hand("close", 10.9, LATER), source=OURS)

    assert found.corrections["field"].to_list() == ["open"]


def test_a_restated_bar_that_does_not_hold_together_with_the_correction_is_heard_whole() -> None:
    found = heard({"close": 10.0, "high": 10.2}, {"close": 10.5}, by_hand("close", 10.0))

    assert found.changed.select("high", "close").rows() == [(10.2, 10.0)]


def test_a_correction_of_a_bar_that_has_left_since_binds_nobody() -> None:
    heeded = heeding(incoming([{"close": 10.9}]), stored([]), by_hand("close", 10.9), source=OURS)

    assert heeded["close"].to_list() == [10.9]
