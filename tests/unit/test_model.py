"""The nouns: spans, timeframes, instruments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barhouse.errors import InvalidAssetClass, InvalidParameter, InvalidTimeframe
from barhouse.model import AssetClass, Instrument, Span, Timeframe, instant, merged

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def span(start: int, end: int) -> Span:
    return Span(DAY + timedelta(hours=start), DAY + timedelta(hours=end))


spans = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda ends: span(min(ends), max(ends)))


def hours(held: list[Span]) -> set[int]:
    return {hour for hour in range(60) for each in held if DAY + timedelta(hours=hour) in each}


@given(spans, st.lists(spans))
def test_a_span_without_others_holds_exactly_what_they_do_not(whole: Span, others: list[Span]) -> None:
    left = whole.without(others)

    assert hours(left) == hours([whole]) - hours(others)
    assert left == merged(left)


@given(st.lists(spans))
def test_merged_spans_hold_the_same_and_never_touch(many: list[Span]) -> None:
    one = merged(many)

    assert hours(one) == hours(many)
    assert all(left.end < right.start for left, right in pairwise(one))


@given(spans, spans)
def test_what_is_common_is_in_both(one: Span, other: Span) -> None:
    both = one.common(other)

    assert hours([both] if both else []) == hours([one]) & hours([other])


def test_a_span_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="ends before it starts"):
        span(2, 1)


def test_a_span_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="time zone"):
        Span(datetime(2024, 1, 1), datetime(2024, 1, 2))


def test_unknown_timeframes_are_named_together() -> None:
    with pytest.raises(InvalidTimeframe, match=r"Invalid timeframes: \['2h', '3d'\]"):
        Timeframe.several(["1d", "2h", "3d"])


def test_an_unknown_asset_class_is_refused() -> None:
    with pytest.raises(InvalidAssetClass, match="'bond'"):
        AssetClass.of("bond")


def test_every_timeframe_is_found_by_its_number() -> None:
    assert [Timeframe.by_code(each.code) for each in Timeframe] == list(Timeframe)


def test_a_coin_trades_always_and_a_stock_in_new_york() -> None:
    assert Instrument("BTC", AssetClass.CRYPTO).exchange == "24/7"
    assert Instrument("BTC", AssetClass.ETF).exchange == "XNYS"


def test_an_instrument_from_elsewhere_has_no_number() -> None:
    with pytest.raises(LookupError, match="no number"):
        _ = Instrument("SPY").number


def test_an_instant_is_written_in_utc_with_a_z() -> None:
    assert instant(datetime.fromisoformat("2024-07-01T09:30:00-04:00")) == "2024-07-01T13:30:00Z"
