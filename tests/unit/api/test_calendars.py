"""Days stand in a calendar where a calendar on the wall has them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from barhouse.api.dashboard.calendars import LEFT, PITCH, TOP, runs, years
from barhouse.flow.presence import DAYS, Presence


def days(*rows: tuple[date, Presence, int, int]) -> pl.DataFrame:
    """Days of (date, state, present, expected)."""
    told = [
        (day, state, expected, present, expected - present, datetime(2024, 1, 1, tzinfo=UTC), None)
        for day, state, present, expected in rows
    ]
    return pl.DataFrame(told, schema=DAYS, orient="row")


def at(week: int, weekday: int) -> str:
    """The cell of a weekday (Monday is 0) in a column."""
    return f"M{LEFT + PITCH * week} {TOP + PITCH * weekday}h11v11h-11z"


def test_a_day_stands_in_the_column_of_its_week_and_the_row_of_its_weekday() -> None:
    # 2023 began on a Sunday; 4 July 2023 was a Tuesday, in the 28th column of weeks from Monday on
    told = days((date(2023, 1, 1), Presence.MISSING, 0, 1), (date(2023, 7, 4), Presence.PRESENT, 1, 1))

    [year] = years(told, date(2023, 1, 1), date(2023, 12, 31), weekly=False)

    paths = dict(year.paths)
    assert (year.number, paths["missing"], paths["present"]) == (2023, at(0, 6), at(27, 1))
    assert paths["closed"].count("M") == 363
    assert year.months[:2] == [(LEFT, "Jan"), (LEFT + 5 * PITCH, "Feb")]


def test_the_latest_year_comes_first_and_a_day_with_some_bars_is_told_apart() -> None:
    told = days((date(2023, 12, 29), Presence.MISSING, 3, 7), (date(2024, 1, 2), Presence.NO_TRADE, 5, 7))

    drawn = years(told, date(2023, 12, 29), date(2024, 1, 2), weekly=False)

    assert [(year.number, [look for look, _ in year.paths]) for year in drawn] == [
        (2024, ["closed", "no_trade"]),
        (2023, ["missing some", "closed"]),
    ]


def test_weeks_stand_in_one_row() -> None:
    told = days((date(2024, 1, 1), Presence.PRESENT, 1, 1), (date(2024, 12, 30), Presence.MISSING, 0, 1))

    [year] = years(told, date(2024, 1, 1), date(2024, 12, 31), weekly=True)

    assert dict(year.paths)["missing"] == at(52, 0)
    assert year.height == TOP + PITCH


def test_neighbouring_days_that_are_alike_are_told_as_one() -> None:
    friday, monday = date(2024, 3, 1), date(2024, 3, 4)
    told = days(
        (date(2024, 2, 29), Presence.PRESENT, 7, 7), (friday, Presence.PRESENT, 7, 7), (monday, Presence.PRESENT, 7, 7)
    )

    assert runs(told) == [
        ["2024-02-29", "2024-03-01", "present", 7, 7],
        ["2024-03-04", "2024-03-04", "present", 7, 7],
    ]
