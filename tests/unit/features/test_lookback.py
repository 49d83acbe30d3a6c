"""Returns over an hour and over a day: by the clock and by the session."""

from __future__ import annotations

import polars as pl
import pytest

from barhouse.model import Timeframe
from tests.unit.features.samples import computed, crypto, new_york, of_crypto, slots, stretches, walk
from tests.unit.features.test_holes import without


def counting(timeframe: Timeframe, start: str, count: int) -> pl.DataFrame:
    """Bars of New York whose closes are 1, 2, 3, …"""
    return walk(slots(timeframe, start, count, new_york()), close=[float(n + 1) for n in range(count)])


def returns(now: int, then: int) -> float:
    return now / then - 1


def test_an_hour_back_stays_within_the_session() -> None:
    answer = computed(counting(Timeframe.M15, "2024-01-02", 52), Timeframe.M15)["return_1h"]

    first, second = answer.to_list()[:26], answer.to_list()[26:]
    assert first == [None] * 4 + [returns(n, n - 4) for n in range(5, 27)]
    assert second == [None] * 4 + [returns(n, n - 4) for n in range(31, 53)]


def test_hour_bars_of_new_york_look_back_one_bar() -> None:
    answer = computed(counting(Timeframe.H1, "2024-01-02", 14), Timeframe.H1)["return_1h"].to_list()

    assert answer == [None, *(returns(n, n - 1) for n in range(2, 8)), None, *(returns(n, n - 1) for n in range(9, 15))]


@pytest.mark.parametrize("timeframe", [Timeframe.H4, Timeframe.D1, Timeframe.W1])
def test_longer_bars_have_no_return_of_an_hour(timeframe: Timeframe) -> None:
    answer = computed(counting(timeframe, "2024-01-02", 20), timeframe)

    assert answer["return_1h"].null_count() == 20


@pytest.mark.parametrize("timeframe", [Timeframe.M30, Timeframe.H1, Timeframe.H4])
def test_the_day_is_measured_from_the_last_close_of_the_session_before(timeframe: Timeframe) -> None:
    a_day = new_york().per_session(timeframe)

    answer = computed(counting(timeframe, "2024-01-02", 3 * a_day), timeframe)["return_1d"].to_list()

    assert answer[:a_day] == [None] * a_day
    assert answer[a_day:] == [returns(n + 1, n // a_day * a_day) for n in range(a_day, 3 * a_day)]


def test_the_session_before_may_be_a_half_day() -> None:
    bars = counting(Timeframe.H4, "2023-11-24", 3)

    answer = computed(bars, Timeframe.H4)["return_1d"].to_list()

    assert answer == [None, returns(2, 1), returns(3, 1)]


def test_a_week_has_no_return_of_a_day() -> None:
    assert computed(counting(Timeframe.W1, "2024-01-02", 9), Timeframe.W1)["return_1d"].null_count() == 9


def test_without_the_last_bar_of_the_session_before_the_day_is_unknown() -> None:
    bars = counting(Timeframe.H1, "2024-01-02", 21)

    answer = computed(without(bars, 6), Timeframe.H1)["return_1d"].to_list()

    assert answer[6:13] == [None] * 7
    assert answer[13] == returns(15, 14)


def test_a_hole_elsewhere_leaves_the_day_known() -> None:
    bars = counting(Timeframe.H1, "2024-01-02", 14)

    answer = computed(without(bars, 3, 7, 9), Timeframe.H1)["return_1d"].to_list()

    assert answer[6:] == [returns(n, 7) for n in (9, 11, 12, 13, 14)]


def test_without_the_whole_session_before_the_day_is_unknown() -> None:
    bars = counting(Timeframe.D1, "2024-01-02", 5)

    assert computed(without(bars, 2))["return_1d"].to_list() == [None, 1.0, None, 0.25]


def test_where_nothing_traded_the_last_close_before_stands_in() -> None:
    bars = without(counting(Timeframe.M15, "2024-01-02", 52), 3, 25)

    answer = computed(bars, Timeframe.M15).select("time", "return_1h", "return_1d")

    assert answer["return_1h"][6] == returns(8, 3)
    assert answer["return_1d"][24] == returns(27, 25)


def test_where_nobody_read_nothing_stands_in() -> None:
    whole = counting(Timeframe.M15, "2024-01-02", 52)
    times = whole["time"]
    parts = [(1, times[0], times[3]), (1, times[4], times[25]), (1, times[26], times[51])]

    answer = computed(without(whole, 3, 25), Timeframe.M15, read=stretches(*parts))

    seen = [returns(5, 1), returns(6, 2), returns(7, 3), None, returns(9, 5)]
    assert answer["return_1h"].to_list()[3:8] == seen
    assert answer["return_1d"].null_count() == 50


def test_crypto_looks_back_over_midnight() -> None:
    bars = crypto(Timeframe.M30, 100, close=[float(n + 1) for n in range(100)])

    answer = of_crypto(bars, Timeframe.M30)

    assert answer["return_1h"].to_list() == [None] * 2 + [returns(n, n - 2) for n in range(3, 101)]
    assert answer["return_1d"].to_list() == [None] * 48 + [returns(n, n - 48) for n in range(49, 101)]


def test_crypto_knows_the_day_across_a_hole_if_its_bar_is_there() -> None:
    bars = crypto(Timeframe.H4, 20, close=[float(n + 1) for n in range(20)])

    answer = of_crypto(without(bars, 10), Timeframe.H4).select("time", "return_1d")

    expected = [None if n == 16 or n < 6 else returns(n + 1, n - 5) for n in range(20) if n != 10]
    assert answer["return_1d"].to_list() == expected
