"""A schedule fires when cron would, by croniter's reading of the same text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from barhouse.config import schedule

NOW = datetime(2026, 11, 23, 12, 34, tzinfo=UTC)

number = st.integers(0, 23).map(str)
field = st.one_of(st.just("*"), number, st.just("*/6"), st.tuples(number, number).map(",".join))
weekday = st.sampled_from(["*", "0", "7", "1-5", "mon-fri", "0,6", "5-7", "sun", "*/2", "1-6/2"])


@given(field, field, weekday)
def test_a_schedule_fires_when_cron_does(minute: str, hour: str, day: str) -> None:
    text = f"{minute} {hour} * * {day}"

    fires = schedule(text).get_next_fire_time(None, NOW.replace(second=1))

    assert fires == croniter(text, NOW).get_next(datetime)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0 31 2 *", "never fires"),
        ("0 2 1 * 1", "names a day of the month and one of the week"),
        ("0 2 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("61 * * * *", "61"),
        ("0 0 * * 8", "8"),
        ("0 0 * * 5-1", "5-1"),
        ("@daily", "1 fields"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        schedule(text)
