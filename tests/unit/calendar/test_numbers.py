"""Slots by their numbers: as many, and the same ones, as if they were laid out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barhouse.model import Span, Timeframe
from tests.unit.calendar.moments import known, ny, times, utc
from tests.unit.calendar.test_expected import EXCHANGES

FORTNIGHT = timedelta(days=14)
FIRST, LAST = datetime(2000, 1, 4), datetime(2026, 6, 1)
MOMENTS = st.one_of(
    st.datetimes(FIRST, LAST, timezones=st.just(UTC)),
    st.integers(0, 40_000).map(lambda quarters: utc("2002-08-01") + quarters * timedelta(minutes=5)),
)


@pytest.mark.parametrize("exchange", EXCHANGES)
@settings(max_examples=40, deadline=None)
@given(timeframe=st.sampled_from(list(Timeframe)), start=MOMENTS, length=st.timedeltas(timedelta(), timedelta(days=40)))
def test_slots_are_counted_as_if_they_were_laid_out(
    exchange: str, timeframe: Timeframe, start: datetime, length: timedelta
) -> None:
    end, numbers = start + length, known(exchange).numbers(timeframe)
    laid = known(exchange).expected(timeframe, Span(start - FORTNIGHT, end + FORTNIGHT))
    time, closes = laid["time"], laid["closes"]
    begun = numbers.begun(times([start, end]))

    assert begun[1] - begun[0] == sum((start < time) & (time <= end))
    assert numbers.over(end) - numbers.over(start) == sum((start < closes) & (closes <= end))
    assert numbers.closes(begun[1:]).to_list() == closes.filter(time > end)[:1].to_list()


def test_what_is_before_the_first_session_is_before_the_first_slot() -> None:
    numbers = known("XNYS").numbers(Timeframe.M1)

    assert numbers.begun(times([utc("1800-01-01"), utc("1950-01-03 15:00")]))[0] == 0
    assert numbers.over(utc("1800-01-01")) == 0
    assert numbers.over(utc("2300-01-01")) == numbers.begun(times([utc("2300-01-01")]))[0]


def test_minutes_before_a_late_opening_do_not_count() -> None:
    numbers = known("XNYS").numbers(Timeframe.M1)

    assert numbers.over(ny("2002-09-11 16:00")) - numbers.over(ny("2002-09-11 09:30")) == 5 * 60
    assert numbers.closes(numbers.begun(times([ny("2002-09-10 15:59")]))).to_list() == [ny("2002-09-11 11:01")]
