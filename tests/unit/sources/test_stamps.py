"""Times in files are read however people write them, or refused where they can mean two things."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barhouse.errors import UnreadableFile
from barhouse.sources import stamps

NOON = datetime(2021, 7, 20, 12, 0, tzinfo=UTC)
EPOCH = 1626782400
"""Noon of 2021-07-20 UTC, as `date -d @1626782400` says."""


@pytest.mark.parametrize(
    "cell",
    [
        str(EPOCH),
        f"{EPOCH}.0",
        str(EPOCH * 10**3),
        str(EPOCH * 10**6),
        str(EPOCH * 10**9),
        "2021-07-20 12:00:00",
        "2021-07-20T12:00:00Z",
        "2021-07-20T14:00:00.000+02:00",
        "2021-07-20 07:30:00-0430",
        "2021-07-20 12:00 UTC",
        "2021-07-20 12-PM",
        "2021-07-20 12:00 PM",
        "2021/07/20 12:00",
        "2021.07.20 12:00",
        "20210720 12:00:00",
        "20/07/2021 12:00",
        "07/20/2021 12:00:00",
    ],
)
def test_a_moment_is_the_same_however_it_is_written(cell: str) -> None:
    assert stamps.read(pl.Series([cell]), "UTC").time.to_list() == [NOON]


@pytest.mark.parametrize("cell", ["2021-07-20", "20210720", "20.07.2021", "Jul 20, 2021", "20-Jul-2021", "7/20/2021"])
def test_a_date_is_its_midnight(cell: str) -> None:
    assert stamps.read(pl.Series([cell]), "UTC").wall.to_list() == [datetime(2021, 7, 20)]


def test_a_dump_may_change_its_unit_half_way() -> None:
    column = pl.Series(["1735603200000", "1735689600000000"])  # Binance's dumps, from 2025 on in microseconds

    assert stamps.read(column, "UTC").time.to_list() == [
        datetime(2024, 12, 31, tzinfo=UTC),
        datetime(2025, 1, 1, tzinfo=UTC),
    ]


def test_seconds_before_1973_are_not_taken_for_another_unit() -> None:
    column = pl.Series(["31536000", "-31536000", "315532800"])

    years = stamps.read(column, "UTC").time.dt.year().to_list()

    assert years == [1971, 1969, 1980]


def test_a_column_may_mix_two_ways_of_writing() -> None:
    column = pl.Series(["2018-01-01 01-PM", "2020-01-01 01:00:00"])

    assert stamps.read(column, "UTC").time.dt.hour().to_list() == [13, 1]


def test_dates_that_can_be_read_two_ways_are_refused() -> None:
    with pytest.raises(UnreadableFile, match="YYYY-MM-DD"):
        stamps.read(pl.Series(["01/02/2021", "03/04/2021"]), "UTC")


def test_one_day_beyond_the_twelfth_tells_the_order_of_all() -> None:
    column = pl.Series(["01/02/2021", "31/01/2021"])

    assert stamps.read(column, "UTC").time.dt.month().to_list() == [2, 1]


def test_a_zone_that_is_not_written_can_be_told() -> None:
    column = pl.Series(["2021-07-20 08:00:00"])

    read = stamps.read(column, "America/New_York")

    assert read.time.to_list() == [NOON]
    assert "America/New_York" in read.format


def test_an_hour_that_the_clock_skips_is_unreadable() -> None:
    column = pl.Series(["2021-03-14 02:30:00", "2021-03-14 03:30:00"])

    assert stamps.read(column, "America/New_York").time.is_null().to_list() == [True, False]


def test_an_unreadable_cell_is_null_beside_readable_ones() -> None:
    column = pl.Series(["2021-07-20", "2021-13-45", "soon", None])

    assert stamps.read(column, "UTC").time.is_null().to_list() == [False, True, True, True]


@given(
    st.datetimes(datetime(1974, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
    st.integers(-14 * 4, 14 * 4).map(lambda quarters: timedelta(minutes=15 * quarters)),
)
def test_any_moment_in_any_zone_is_read_back(moment: datetime, offset: timedelta) -> None:
    sign, minutes = ("-" if offset < timedelta() else "+"), abs(offset) // timedelta(minutes=1)
    written = f"{moment:%Y-%m-%dT%H:%M:%S}{sign}{minutes // 60:02}:{minutes % 60:02}"

    read = stamps.read(pl.Series([written]), "UTC").time[0]

    assert read == moment.replace(tzinfo=UTC) - offset
