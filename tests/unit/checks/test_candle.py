"""The hard checks, one broken bar at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from barhouse.checks import sift
from barhouse.model import Timeframe
from tests.unit.checks.frames import MONDAY, always_open, frame, new_york


def reason(row: dict[str, Any], timeframe: Timeframe = Timeframe.D1) -> str | None:
    """Why a daily bar of New York is rejected, None if it is sound."""
    parts = sift(frame([row]), calendar=new_york(), timeframe=timeframe)
    assert parts.sound.height + parts.rejected.height == 1
    return parts.rejected["reason"][0] if parts.rejected.height else None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0},
        {"open": 9.0, "high": 12.0, "low": 9.0, "close": 12.0},
        {"volume": 0.0},
        {"open": 1e-8, "high": 1e-8, "low": 1e-8, "close": 1e-8},
    ],
)
def test_a_bar_at_the_edge_of_what_is_possible_is_sound(row: dict[str, Any]) -> None:
    assert reason(row) is None


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_a_field_that_is_no_finite_number_is_the_only_fault_named(field: str, value: float | None) -> None:
    assert reason({field: value}) == "missing_field"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"high": 10.999999}, "high_too_low"),
        ({"low": 10.000001}, "low_too_high"),
        ({"high": 8.0}, "high_too_low"),
        ({"low": 13.0}, "high_too_low,low_too_high"),
        ({"low": 0.0}, "price_not_positive"),
        ({"open": -1.0, "low": -1.0}, "price_not_positive"),
        ({"volume": -0.5}, "negative_volume"),
    ],
)
def test_a_bar_that_cannot_be_is_rejected_for_what_is_wrong(row: dict[str, Any], expected: str) -> None:
    assert reason(row) == expected


def test_all_faults_of_a_bar_are_named_in_the_order_of_the_checks() -> None:
    assert reason({"high": 5.0, "low": -1.0, "volume": -1.0}) == "high_too_low,price_not_positive,negative_volume"
    assert reason({"close": None, "high": 8.0}) == "missing_field,high_too_low"


@pytest.mark.parametrize(
    ("time", "timeframe", "why"),
    [
        (datetime(2024, 1, 6, tzinfo=UTC), Timeframe.D1, "a Saturday"),
        (datetime(2024, 1, 15, tzinfo=UTC), Timeframe.D1, "Martin Luther King's day"),
        (datetime(2024, 1, 8, 5, tzinfo=UTC), Timeframe.D1, "midnight in New York: not canonical"),
        (datetime(2024, 1, 9, tzinfo=UTC), Timeframe.W1, "a Tuesday"),
        (datetime(2024, 1, 8, 14, 32, tzinfo=UTC), Timeframe.M5, "between two slots"),
        (datetime(2024, 1, 15, 15, tzinfo=UTC), Timeframe.M5, "in the hours of a session, on a holiday"),
    ],
)
def test_a_bar_where_none_can_start_is_off_the_grid(time: datetime, timeframe: Timeframe, why: str) -> None:
    assert reason({"time": time}, timeframe) == "off_grid", why


def test_a_time_that_nobody_could_read_is_off_the_grid() -> None:
    assert reason({"time": None}) == "off_grid"


def test_a_coin_trades_on_sundays_but_only_at_full_hours() -> None:
    sunday = MONDAY - timedelta(days=1)
    rows = frame([{"time": sunday}, {"time": sunday + timedelta(minutes=1)}])

    parts = sift(rows, calendar=always_open(), timeframe=Timeframe.H1)

    assert parts.sound["time"].to_list() == [sunday]
    assert parts.rejected["reason"].to_list() == ["off_grid"]
