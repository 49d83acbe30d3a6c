"""Yahoo's rows land in their slots, or in none; what it does not keep is not asked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from barhouse.calendar import Calendar
from barhouse.model import Series, Span, Timeframe
from barhouse.sources.yahoo import Yahoo
from tests.unit.sources.charts import COIN, DAYS, FRIDAY, MINUTES, NOW, NVDA, at, chart, fetched, host, recorded
from tests.vendors import Reply


def test_padding_is_no_bar_and_a_row_with_a_hole_is_kept_for_the_checks(new_york: Calendar) -> None:
    stamps = [at(2025, 2, 21, 14, 30 + 5 * number) for number in range(3)]
    prices: dict[str, Sequence[object]] = {name: [10.0, None, 10.0] for name in ("open", "high", "low")}
    quarter = chart(stamps, "5m", cells={"close": [10.0, None, None], "volume": [5, None, 7], **prices})

    bars = fetched(host({"5m": quarter, "1d": chart([at(2025, 2, 20, 14, 30)])}), new_york, FRIDAY, MINUTES)[0].bars

    assert bars.select("close", "origin").rows() == [(10.0, 0), (None, 2)]


def test_the_live_row_off_the_grid_is_no_bar(new_york: Calendar) -> None:
    stamps = [at(2025, 2, 21, 14, 30), at(2025, 2, 21, 14, 35), at(2025, 2, 21, 14, 37, 12)]

    bars = fetched(
        host({"5m": chart(stamps, "5m"), "1d": chart([at(2025, 2, 20, 14, 30)])}),
        new_york,
        FRIDAY,
        MINUTES,
        now=at(2025, 2, 21, 14, 38),
    )[0].bars

    assert bars.select("time", "forming").rows() == [(stamps[0], True), (stamps[1], True)]


def test_the_live_row_of_a_day_that_has_no_other_is_the_forming_day(new_york: Calendar) -> None:
    stamps = [at(2025, 2, 20, 14, 30), at(2025, 2, 21, 18, 22, 5)]

    bars = fetched(
        Reply.json(chart(stamps)), new_york, Span(at(2025, 2, 20), at(2025, 2, 22)), now=at(2025, 2, 21, 18, 22, 9)
    )[0].bars

    assert bars.select("time", "forming").rows() == [(at(2025, 2, 20), False), (at(2025, 2, 21), True)]


def test_the_live_row_beside_its_own_day_is_dropped(new_york: Calendar) -> None:
    stamps = [at(2025, 2, 20, 14, 30), at(2025, 2, 21, 14, 30), at(2025, 2, 21, 21, 0, 1)]

    bars = fetched(
        Reply.json(chart(stamps, cells={"close": [1, 2, 3]})), new_york, Span(at(2025, 2, 20), at(2025, 2, 22)), now=NOW
    )[0].bars

    assert bars["close"].to_list() == [1.0, 2.0]


def every(first: datetime, minutes: int, count: int) -> list[datetime]:
    return [first + timedelta(minutes=minutes * number) for number in range(count)]


def test_half_hours_and_hours_are_built_from_quarters(new_york: Calendar) -> None:
    quarters = every(at(2025, 2, 21, 14, 30), 15, 26)
    answers = {
        "15m": chart(quarters, "15m", cells={"close": list(range(1, 27))}),
        "1d": chart([at(2025, 2, 20, 14, 30)]),
    }

    hours, asked = fetched(host(answers), new_york, FRIDAY, Series(NVDA, Timeframe.H1))
    halves, _ = fetched(host(answers), new_york, FRIDAY, Series(NVDA, Timeframe.M30))

    assert asked[0].query["interval"] == "15m"
    # New York's clock hours: that of 09:00 holds 09:30 to 10:00
    assert hours.bars["time"].to_list() == every(at(2025, 2, 21, 14), 60, 7)
    assert hours.bars["close"].to_list() == [2, 6, 10, 14, 18, 22, 26]
    assert hours.bars["volume"].to_list() == [200.0] + [400.0] * 6
    assert halves.bars["time"].to_list() == every(at(2025, 2, 21, 14, 30), 30, 13)


def test_four_hours_are_built_from_the_hours_at_the_half(new_york: Calendar) -> None:
    hours = every(at(2025, 2, 21, 14, 30), 60, 7)
    answers = {
        "1h": chart([*hours, at(2025, 2, 21, 21, 0, 1)], "1h", cells={"close": list(range(1, 9))}),
        "1d": chart([at(2025, 2, 20, 14, 30)]),
    }

    answer, _ = fetched(host(answers), new_york, FRIDAY, Series(NVDA, Timeframe.H4))

    assert answer.bars.select("time", "close", "volume").rows() == [
        (at(2025, 2, 21, 14, 30), 4.0, 400.0),
        (at(2025, 2, 21, 18, 30), 7.0, 300.0),
    ]
    assert answer.rejects.is_empty()


def test_weeks_are_built_from_days(new_york: Calendar) -> None:
    days = [at(2025, 2, 18, 14, 30), at(2025, 2, 19, 14, 30), at(2025, 2, 20, 14, 30), at(2025, 2, 21, 14, 30)]

    answer, asked = fetched(
        Reply.json(chart(days, cells={"close": [1, 2, 3, 4]})),
        new_york,
        Span(at(2025, 2, 17), at(2025, 2, 24)),
        Series(NVDA, Timeframe.W1),
    )

    assert asked[0].query["interval"] == "1d"
    assert answer.bars.select("time", "close", "volume").rows() == [(at(2025, 2, 17), 4.0, 400.0)]


def test_a_recorded_coin_stands_on_utc_days(shared_data: Path) -> None:
    answer = recorded(shared_data, "BTC-USD")

    coins, asked = fetched(
        Reply.json(answer), Calendar.always_open(), Span(at(2020, 1, 1), at(2020, 1, 3)), Series(COIN, Timeframe.D1)
    )

    assert asked[0].path == "/v8/finance/chart/BTC-USD"
    assert coins.bars["time"].to_list() == [at(2020, 1, 1), at(2020, 1, 2)]
    assert coins.bars.row(0)[1:6] == (
        7194.89208984375,
        7254.33056640625,
        7174.9443359375,
        7200.17431640625,
        18565664997.0,
    )


def test_the_live_row_of_a_coin_is_no_utc_day() -> None:
    answer = chart([at(2025, 2, 20), at(2025, 2, 21, 12, 34, 56)], zone="UTC")

    bars = fetched(
        Reply.json(answer),
        Calendar.always_open(),
        Span(at(2025, 2, 20), at(2025, 2, 22)),
        Series(COIN, Timeframe.D1),
        now=at(2025, 2, 21, 12, 35),
    )[0].bars

    assert bars["time"].to_list() == [at(2025, 2, 20)]


EVER = Span(at(2000, 1, 1), NOW)


@pytest.mark.parametrize(
    ("timeframe", "days"),
    [
        (Timeframe.M1, 30),
        (Timeframe.M5, 60),
        (Timeframe.M15, 60),
        (Timeframe.M30, 60),
        (Timeframe.H1, 60),
        (Timeframe.H4, 730),
    ],
)
def test_the_start_is_clipped_to_what_yahoo_keeps(timeframe: Timeframe, days: int) -> None:
    now = at(2025, 2, 21, 23, 59)

    reached = Yahoo("http://127.0.0.1:1").reach(Series(NVDA, timeframe), Span(EVER.start, now), now)

    assert reached is not None
    assert timedelta(days=days, hours=-25) <= now - reached.start <= timedelta(days=days, hours=-1)
    assert reached.end == now


def test_days_and_weeks_reach_back_for_ever_and_hours_of_coins_two_years() -> None:
    yahoo = Yahoo("http://127.0.0.1:1")

    assert yahoo.reach(DAYS, EVER, NOW) == EVER
    assert yahoo.reach(Series(NVDA, Timeframe.W1), EVER, NOW) == EVER
    hours = yahoo.reach(Series(COIN, Timeframe.H1), EVER, NOW)
    assert hours is not None and NOW - hours.start > timedelta(days=728)


def test_a_span_beyond_reach_cannot_be_served() -> None:
    assert Yahoo("http://127.0.0.1:1").reach(MINUTES, Span(at(2000, 1, 1), at(2001, 1, 1)), NOW) is None


def test_minutes_are_asked_in_stretches_that_yahoo_allows() -> None:
    span = Span(at(2025, 1, 24), NOW)

    pieces = Yahoo("http://127.0.0.1:1").pieces(Series(NVDA, Timeframe.M1), span)

    assert all(piece.duration <= timedelta(days=7) for piece in pieces)
    assert (pieces[0].start, pieces[-1].end) == (span.start, span.end)
    assert all(one.end == following.start for one, following in itertools.pairwise(pieces))
