"""Which bars ought to exist: exchange-calendars, the clock of zoneinfo and pencil know it too."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barhouse.calendar import Calendar, refreshed
from barhouse.calendar.zone import local
from barhouse.errors import UnknownCalendar
from barhouse.model import Span, Timeframe
from tests.unit.calendar.moments import known, ny, span, times, utc

EXCHANGES = ("XNYS", "XLON", "XTKS", "XASX", "CMES", "24/7")
FIRST, LAST = datetime(1999, 1, 4, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)

Slot = tuple[datetime, datetime, datetime, date]


@cache
def witness(exchange: str) -> Any:
    return exchange_calendars.get_calendar(exchange, start=FIRST.date() - timedelta(days=14))


def sessions_near(exchange: str, within: Span) -> list[tuple[date, datetime, datetime]]:
    schedule = witness(exchange).schedule
    days = schedule.loc[f"{within.start - timedelta(days=9):%F}" : f"{within.end + timedelta(days=9):%F}"]
    return [(row.Index.date(), row.open.to_pydatetime(), row.close.to_pydatetime()) for row in days.itertuples()]


def begins(opens: datetime, timeframe: Timeframe, zone: ZoneInfo) -> datetime:
    """The first slot of a session, by the clock on its wall."""
    if timeframe is Timeframe.H4:
        return opens
    clock = opens.astimezone(zone)
    minutes = clock.hour * 60 + clock.minute
    return opens - timedelta(minutes=minutes % timeframe.minutes)


def by_hand(exchange: str, timeframe: Timeframe, within: Span) -> Iterator[Slot]:
    """The slots in `within`, one by one."""
    sessions = sessions_near(exchange, within)
    zone = ZoneInfo(str(witness(exchange).tz))
    if timeframe is Timeframe.W1:
        for _, week in groupby(sessions, key=lambda session: session[0].isocalendar()[:2]):
            days = list(week)
            monday = days[0][0] - timedelta(days=days[0][0].weekday())
            yield datetime.combine(monday, time(), UTC), days[0][1], days[-1][2], days[0][0]
        return
    for day, opens, closes in sessions:
        if timeframe is Timeframe.D1:
            yield datetime.combine(day, time(), UTC), opens, closes, day
            continue
        slot = begins(opens, timeframe, zone)
        for number in range(math.ceil((closes - slot) / timeframe.duration)):
            start = slot + number * timeframe.duration
            yield start, max(start, opens), min(start + timeframe.duration, closes), day


@st.composite
def spans(draw: st.DrawFn, longest: timedelta) -> Span:
    start = draw(st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None) - longest, timezones=st.just(UTC)))
    length = draw(st.timedeltas(timedelta(0), longest))
    return Span(start, start + length)


@pytest.mark.parametrize("exchange", EXCHANGES)
@settings(max_examples=25, deadline=None)
@given(timeframe=st.sampled_from(list(Timeframe)), within=spans(timedelta(days=12)))
def test_expected_slots_are_those_counted_by_hand(exchange: str, timeframe: Timeframe, within: Span) -> None:
    slots = known(exchange).expected(timeframe, within)

    assert slots.rows() == [slot for slot in by_hand(exchange, timeframe, within) if slot[0] in within]


@settings(max_examples=30, deadline=None)
@given(
    timeframe=st.sampled_from([t for t in Timeframe if t.intraday and t is not Timeframe.H1]),
    start=st.dates(date(1999, 1, 4), date(2026, 1, 1)),
    days=st.integers(0, 60),
)
def test_slots_of_new_york_are_the_trading_index(timeframe: Timeframe, start: date, days: int) -> None:
    end = start + timedelta(days=days)
    index = witness("XNYS").trading_index(
        f"{start}", f"{end}", timedelta(minutes=timeframe.minutes), force_close=True, parse=True
    )

    slots = known("XNYS").expected(timeframe, span(f"{start}", f"{end + timedelta(days=1)}"))

    assert slots["time"].to_list() == [interval.left.to_pydatetime() for interval in index]
    assert slots["closes"].to_list() == [interval.right.to_pydatetime() for interval in index]


@settings(max_examples=30, deadline=None)
@given(
    timeframe=st.sampled_from([Timeframe.M30, Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1]),
    within=spans(timedelta(days=300)),
    share=st.floats(0, 1),
)
def test_a_span_expects_what_its_two_halves_expect(timeframe: Timeframe, within: Span, share: float) -> None:
    middle = within.start + within.duration * share
    halves = [Span(within.start, middle), Span(middle, within.end)]

    slots = known("XNYS").expected(timeframe, within)

    assert slots.equals(pl.concat(known("XNYS").expected(timeframe, half) for half in halves))


def test_sessions_of_new_york_are_those_on_record(new_york: Calendar, shared_data: Path) -> None:
    record = pl.read_csv(shared_data / "calendars" / "xnys_sessions_1990_2023.csv.gz")
    instants = [pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC") for name in ("open", "close")]
    expected = record.select(pl.nth(0).str.head(10).str.to_date().alias("date"), *instants)

    same_years = new_york.sessions.filter(pl.col("date").is_between(expected["date"][0], expected["date"][-1]))

    assert same_years.equals(expected)


def test_no_bar_is_expected_on_a_day_that_new_york_was_closed(new_york: Calendar, shared_data: Path) -> None:
    text = (shared_data / "calendars" / "nyse_full_day_closures_since_1928.csv").read_text().split()
    closed = {datetime.strptime(day, "%m/%d/%Y").replace(tzinfo=UTC).date() for day in text}
    known_days = span("1970-01-01", "2021-01-01")

    sessions = set(new_york.expected(Timeframe.D1, known_days)["session"])

    days = pl.date_range(known_days.start.date(), known_days.end.date(), "1d", closed="left", eager=True)
    assert sessions == {day for day in days if day.weekday() < 5 and day not in closed}


def test_a_half_day_ends_at_one_o_clock(new_york: Calendar) -> None:
    black_friday = span("2024-11-29", "2024-11-30")

    ends = {
        str(timeframe): (len(slots), slots["time"][-1], slots["closes"][-1])
        for timeframe in Timeframe
        if timeframe is not Timeframe.W1 and (slots := new_york.expected(timeframe, black_friday)) is not None
    }

    close = ny("2024-11-29 13:00")
    assert ends == {
        "1m": (210, ny("2024-11-29 12:59"), close),
        "5m": (42, ny("2024-11-29 12:55"), close),
        "15m": (14, ny("2024-11-29 12:45"), close),
        "30m": (7, ny("2024-11-29 12:30"), close),
        "1h": (4, ny("2024-11-29 12:00"), close),
        "4h": (1, ny("2024-11-29 09:30"), close),
        "1d": (1, utc("2024-11-29"), close),
    }


def test_a_full_day_has_a_half_hour_first_and_a_short_afternoon_last(new_york: Calendar) -> None:
    day = span("2024-12-02", "2024-12-03")

    hours = new_york.expected(Timeframe.H1, day).rows()
    quarters = new_york.expected(Timeframe.H4, day).rows()

    monday = date(2024, 12, 2)
    assert hours[0] == (ny("2024-12-02 09:00"), ny("2024-12-02 09:30"), ny("2024-12-02 10:00"), monday)
    assert hours[-1] == (ny("2024-12-02 15:00"), ny("2024-12-02 15:00"), ny("2024-12-02 16:00"), monday)
    assert quarters == [
        (ny("2024-12-02 09:30"), ny("2024-12-02 09:30"), ny("2024-12-02 13:30"), monday),
        (ny("2024-12-02 13:30"), ny("2024-12-02 13:30"), ny("2024-12-02 16:00"), monday),
    ]


@pytest.mark.parametrize(
    ("friday", "monday", "hour_before", "hour_after"),
    [("2024-03-08", "2024-03-11", 14, 13), ("2024-11-01", "2024-11-04", 13, 14)],
)
def test_new_york_opens_at_half_past_nine_on_both_sides_of_a_change_of_the_clock(
    new_york: Calendar, friday: str, monday: str, hour_before: int, hour_after: int
) -> None:
    across = span(friday, f"{monday} 23:00")

    opens = new_york.expected(Timeframe.D1, across)["opens"].to_list()
    hours = new_york.expected(Timeframe.H1, across)["time"].to_list()

    assert opens == [utc(f"{friday} {hour_before}:30"), utc(f"{monday} {hour_after}:30")]
    assert [hours[0], hours[7]] == [utc(f"{friday} {hour_before}:00"), utc(f"{monday} {hour_after}:00")]


def test_a_week_closes_with_its_last_session(new_york: Calendar) -> None:
    thanksgiving = new_york.expected(Timeframe.W1, span("2024-11-25", "2024-12-02"))
    good_friday = new_york.expected(Timeframe.W1, span("2024-03-25", "2024-04-01"))
    new_year = new_york.expected(Timeframe.W1, span("2024-12-30", "2025-01-06"))

    assert thanksgiving.row(0) == (
        utc("2024-11-25"), ny("2024-11-25 09:30"), ny("2024-11-29 13:00"), date(2024, 11, 25)
    )  # fmt: skip
    assert good_friday["closes"].to_list() == [ny("2024-03-28 16:00")]
    assert new_year.height == 1


def test_a_week_that_begins_with_a_holiday_is_still_its_monday(new_york: Calendar) -> None:
    labour_day = new_york.expected(Timeframe.W1, span("2024-09-02", "2024-09-09"))

    assert labour_day.row(0) == (
        utc("2024-09-02"), ny("2024-09-03 09:30"), ny("2024-09-06 16:00"), date(2024, 9, 3)
    )  # fmt: skip


def test_a_week_without_any_session_is_not_expected() -> None:
    days = known("XNYS").sessions.filter(~pl.col("date").is_between(date(2024, 7, 1), date(2024, 7, 7)))
    shut = Calendar("XNYS", "America/New_York", days)

    weeks = shut.expected(Timeframe.W1, span("2024-06-24", "2024-07-15"))

    assert weeks["time"].to_list() == [utc("2024-06-24"), utc("2024-07-08")]


def test_the_days_after_the_eleventh_of_september_are_not_expected(new_york: Calendar) -> None:
    days = new_york.expected(Timeframe.D1, span("2001-09-10", "2001-09-18"))

    assert days["session"].to_list() == [date(2001, 9, 10), date(2001, 9, 17)]


def test_a_market_that_never_closes_expects_every_slot_of_the_utc_clock(clock: Calendar) -> None:
    week = span("2024-03-04", "2024-03-11")

    counts = {str(timeframe): clock.expected(timeframe, week).height for timeframe in Timeframe}

    assert counts == {"1m": 10080, "5m": 2016, "15m": 672, "30m": 336, "1h": 168, "4h": 42, "1d": 7, "1w": 1}
    assert clock.expected(Timeframe.W1, week).row(0) == (
        utc("2024-03-04"), utc("2024-03-04"), utc("2024-03-11"), date(2024, 3, 4)
    )  # fmt: skip


def test_a_lunch_break_counts_as_part_of_the_session() -> None:
    noon = Span(utc("2024-07-01 02:00"), utc("2024-07-01 04:00"))

    slots = known("XTKS").expected(Timeframe.M30, noon)

    assert slots.height == 4


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Australia/Sydney", "Asia/Kolkata", "UTC"])
@settings(max_examples=30, deadline=None)
@given(
    moments=st.lists(
        st.datetimes(datetime(1901, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)), min_size=1, max_size=50
    )
)
def test_a_local_clock_shows_what_zoneinfo_says(zone: str, moments: list[datetime]) -> None:
    shown = local(times(moments), zone).to_list()

    assert shown == [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in moments]


def test_a_local_clock_changes_at_the_very_instant() -> None:
    spring, autumn = utc("2024-03-10 07:00"), utc("2024-11-03 06:00")

    shown = local(
        times([spring - timedelta(seconds=1), spring, autumn - timedelta(seconds=1), autumn]), "America/New_York"
    )

    assert [f"{clock:%H:%M:%S}" for clock in shown] == ["01:59:59", "03:00:00", "01:59:59", "01:00:00"]


def test_a_year_has_as_many_bars_as_the_contract_counts(new_york: Calendar, clock: Calendar) -> None:
    sessions = [new_york.per_session(timeframe) for timeframe in Timeframe]
    stocks = [new_york.bars_per_year(timeframe) for timeframe in Timeframe]
    crypto = [clock.bars_per_year(timeframe) for timeframe in Timeframe]

    assert sessions == [390, 78, 26, 13, 7, 2, 1, 1]
    assert stocks == [252 * count for count in (390, 78, 26, 13, 7, 2, 1)] + [52]
    assert crypto == [365 * 1440 / timeframe.minutes for timeframe in Timeframe]


def test_sessions_are_counted_backwards_from_the_one_that_last_opened(new_york: Calendar) -> None:
    in_session, at_night, on_sunday = ny("2024-07-05 10:00"), ny("2024-07-05 03:00"), ny("2024-07-07 12:00")

    assert new_york.sessions_back(in_session, 0) == ny("2024-07-05 09:30")
    assert new_york.sessions_back(in_session, 1) == ny("2024-07-03 09:30")
    assert new_york.sessions_back(at_night, 0) == ny("2024-07-03 09:30")
    assert new_york.sessions_back(on_sunday, 5) == ny("2024-06-27 09:30")
    assert new_york.sessions_back(utc("1970-01-05"), 9) == ny("1970-01-02 09:30")


def test_to_have_each_slot_whole_one_reads_to_the_close_of_the_last(new_york: Calendar, clock: Calendar) -> None:
    asked = span("2024-07-03 14:45", "2024-07-03 16:15")

    assert new_york.whole(asked, Timeframe.H1) == span("2024-07-03 14:45", "2024-07-03 17:00")
    assert new_york.whole(asked, Timeframe.M15) == asked
    assert new_york.whole(span("2024-07-01", "2024-07-02"), Timeframe.W1).end == ny("2024-07-05 16:00")
    assert clock.whole(asked, Timeframe.H4) == span("2024-07-03 14:45", "2024-07-03 20:00")
    assert new_york.whole(span("2024-07-06", "2024-07-07"), Timeframe.H1) == span("2024-07-06", "2024-07-07")


def test_an_exchange_without_a_calendar_is_refused() -> None:
    with pytest.raises(UnknownCalendar, match="'XNOPE'"):
        refreshed("XNOPE")
