"""Where vendors' stamps land, and where bars stand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barhouse.calendar import Calendar
from barhouse.model import INSTANT, Span, Timeframe
from tests.unit.calendar.moments import NEW_YORK, bars, known, ny, real, span, times, utc

TICK = timedelta(microseconds=1)


def canonical(calendar: Calendar, timeframe: Timeframe, *stamps: datetime) -> list[datetime]:
    return calendar.canonical(times(stamps), timeframe).to_list()


@pytest.mark.parametrize("day", ["2024-01-16", "2024-07-03", "2024-11-29", "2024-03-11", "2024-11-04"])
@pytest.mark.parametrize("clock", ["00:00", "09:30", "13:00", "16:00", "16:00:01", "11:47:13"])
def test_a_daily_stamp_lands_in_its_session(new_york: Calendar, day: str, clock: str) -> None:
    landed = canonical(new_york, Timeframe.D1, ny(f"{day} {clock}"), utc(day))

    assert landed == [utc(day), utc(day)]


def test_a_midnight_an_hour_off_is_still_midnight(new_york: Calendar) -> None:
    # Yahoo's daily rows after a change of the clock, where it kept the old offset
    assert canonical(new_york, Timeframe.D1, ny("2024-03-11 23:00")) == [utc("2024-03-12")]


def test_a_daily_stamp_on_a_day_without_session_keeps_its_day_and_is_off_the_grid(new_york: Calendar) -> None:
    stamps = [ny("2024-07-04 00:00"), ny("2024-07-06 09:30"), utc("2024-12-25")]

    landed = canonical(new_york, Timeframe.D1, *stamps)

    assert landed == [utc("2024-07-04"), utc("2024-07-06"), utc("2024-12-25")]
    assert not new_york.located(bars(landed), Timeframe.D1)["on_grid"].any()


@pytest.mark.parametrize(
    "stamp",
    [
        ny("2024-06-30 00:00"),  # Polygon: the Sunday before
        utc("2024-06-30"),
        ny("2024-07-01 00:00"),
        utc("2024-07-01"),
        ny("2024-07-01 09:30"),
        ny("2024-07-03 11:12:13"),
        ny("2024-07-05 16:00"),
        utc("2024-07-05"),
    ],
)
def test_a_weekly_stamp_lands_on_its_monday(new_york: Calendar, stamp: datetime) -> None:
    assert canonical(new_york, Timeframe.W1, stamp) == [utc("2024-07-01")]


@pytest.mark.parametrize("timeframe", [t for t in Timeframe if t.intraday])
def test_an_intraday_stamp_is_never_moved(new_york: Calendar, timeframe: Timeframe) -> None:
    stamps = [ny("2024-07-03 10:17:11"), ny("2024-07-03 09:30")]

    assert canonical(new_york, timeframe, *stamps) == stamps


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_a_market_that_never_closes_keeps_all_stamps(clock: Calendar, timeframe: Timeframe) -> None:
    new_york_midnight = ny("2024-07-03 00:00")

    assert canonical(clock, timeframe, new_york_midnight) == [new_york_midnight]


@pytest.mark.parametrize("exchange", ["XTKS", "XLON", "XASX"])
@pytest.mark.parametrize("which", ["open", "close", "midnight", "utc"])
def test_stamps_of_other_zones_land_too(exchange: str, which: str) -> None:
    calendar = known(exchange)
    days = calendar.sessions.filter(pl.col("date").is_between(date(2022, 1, 1), date(2024, 12, 31)))
    midnight = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone(calendar.zone)
    stamps = days.select(
        open="open", close="close", midnight=midnight.dt.convert_time_zone("UTC"), utc=pl.col("date").cast(INSTANT)
    )[which]

    landed = calendar.canonical(stamps, Timeframe.D1)

    assert landed.to_list() == days["date"].cast(INSTANT).to_list()


def test_a_session_that_opens_the_evening_before_has_its_own_date() -> None:
    futures = known("CMES")

    landed = canonical(futures, Timeframe.D1, ny("2024-07-08 18:00"), ny("2024-07-09 01:00"), utc("2024-07-09"))

    assert landed == [utc("2024-07-09")] * 3


@settings(max_examples=50, deadline=None)
@given(
    timeframe=st.sampled_from([Timeframe.D1, Timeframe.W1]),
    stamps=st.lists(
        st.datetimes(datetime(1998, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)), min_size=1, max_size=30
    ),
)
def test_what_is_canonical_stays_so(timeframe: Timeframe, stamps: list[datetime]) -> None:
    once = known("XNYS").canonical(times(stamps), timeframe)

    assert known("XNYS").canonical(once, timeframe).equals(once)


@settings(max_examples=40, deadline=None)
@given(
    timeframe=st.sampled_from(list(Timeframe)),
    start=st.datetimes(datetime(1998, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),
    always=st.booleans(),
)
def test_each_expected_slot_stands_where_it_is_expected(timeframe: Timeframe, start: datetime, always: bool) -> None:
    calendar = Calendar.always_open() if always else known("XNYS")
    expected = calendar.expected(timeframe, Span(start, start + timedelta(days=20)))

    located = calendar.located(expected.select("time"), timeframe)

    assert located.select(expected.columns).equals(expected)
    assert located["on_grid"].all()
    assert not located["extended"].any()


@settings(max_examples=80, deadline=None)
@given(
    timeframe=st.sampled_from([t for t in Timeframe if t.intraday]),
    day=st.dates(date(1998, 1, 2), date(2026, 1, 1)),
    minute=st.integers(0, 1439),
)
def test_a_bar_is_extended_if_none_of_it_is_in_a_session(timeframe: Timeframe, day: date, minute: int) -> None:
    calendar = known("XNYS")
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)
    end = start + timeframe.duration

    (row,) = calendar.located(bars([start]), timeframe).rows(named=True)

    around = calendar.sessions.filter(pl.col("date").is_between(day - timedelta(days=2), day + timedelta(days=2)))
    overlaps = any(opens < end and start < closes for _, opens, closes in around.rows())
    clock = start.astimezone(NEW_YORK)
    assert row["extended"] is not overlaps
    assert overlaps or row["session"] == clock.date()
    whole = (clock.hour * 60 + clock.minute) % timeframe.minutes == 0
    assert overlaps or row["on_grid"] is (whole and clock.date() in around["date"].to_list())


def located(calendar: Calendar, timeframe: Timeframe, moment: datetime) -> dict[str, object]:
    (row,) = calendar.located(bars([moment]), timeframe).rows(named=True)
    return {name: row[name] for name in ("extended", "on_grid")}


@pytest.mark.parametrize(
    ("timeframe", "stamp", "extended", "on_grid"),
    [
        (Timeframe.M1, "2024-07-05 09:30", False, True),
        (Timeframe.M1, "2024-07-05 15:59", False, True),
        (Timeframe.M1, "2024-07-05 16:00", True, True),
        (Timeframe.M1, "2024-07-05 09:29", True, True),
        (Timeframe.M1, "2024-07-05 15:59:30", False, False),
        (Timeframe.M1, "2024-07-03 13:00", True, True),
        (Timeframe.M1, "2024-07-04 12:00", True, False),
        (Timeframe.M30, "2024-07-05 09:00", True, True),
        (Timeframe.H1, "2024-07-05 09:00", False, True),
        (Timeframe.H1, "2024-07-05 09:30", False, False),
        (Timeframe.H1, "2024-07-05 08:00", True, True),
        (Timeframe.H1, "2024-07-05 08:30", True, False),
        (Timeframe.H1, "2024-07-03 13:00", True, True),
        (Timeframe.H4, "2024-07-05 09:30", False, True),
        (Timeframe.H4, "2024-07-05 13:30", False, True),
        (Timeframe.H4, "2024-07-03 13:30", True, False),
        (Timeframe.H4, "2024-07-05 12:00", False, False),
        (Timeframe.H4, "2024-07-05 08:00", False, False),
        (Timeframe.H4, "2024-07-05 16:00", True, True),
        (Timeframe.H4, "2024-03-11 04:00", True, True),
    ],
)
def test_an_intraday_bar_stands_by_the_clock_of_new_york(
    new_york: Calendar, timeframe: Timeframe, stamp: str, extended: bool, on_grid: bool
) -> None:
    assert located(new_york, timeframe, ny(stamp)) == {"extended": extended, "on_grid": on_grid}


@pytest.mark.parametrize(
    ("timeframe", "stamp", "on_grid"),
    [
        (Timeframe.M1, "2024-07-06 12:34", True),
        (Timeframe.M1, "2024-07-06 12:34:56", False),
        (Timeframe.H4, "2024-07-06 12:00", True),
        (Timeframe.H4, "2024-07-06 13:00", False),
        (Timeframe.D1, "2024-07-06 00:00", True),
        (Timeframe.D1, "2024-07-06 04:00", False),
        (Timeframe.W1, "2024-07-01 00:00", True),
        (Timeframe.W1, "2024-07-07 00:00", False),
    ],
)
def test_a_crypto_bar_stands_by_the_utc_clock(clock: Calendar, timeframe: Timeframe, stamp: str, on_grid: bool) -> None:
    assert located(clock, timeframe, utc(stamp)) == {"extended": False, "on_grid": on_grid}


def test_a_bar_without_a_time_is_off_the_grid(new_york: Calendar) -> None:
    nowhere = pl.DataFrame({"time": [None, ny("2024-07-05 09:30")]}, schema={"time": INSTANT})

    for timeframe in (Timeframe.M1, Timeframe.H4):
        assert new_york.located(nowhere, timeframe)["on_grid"].to_list() == [False, True]
    assert new_york.located(nowhere, Timeframe.D1)["on_grid"].to_list() == [False, False]


def test_no_bars_stand_nowhere(new_york: Calendar, clock: Calendar) -> None:
    for calendar in (new_york, clock):
        for timeframe in Timeframe:
            assert calendar.located(bars([]), timeframe).height == 0
            assert calendar.canonical(times([]), timeframe).len() == 0
            assert calendar.expected(timeframe, span("2024-07-06", "2024-07-06")).height == 0


def test_bars_before_the_first_known_session_are_off_the_grid(new_york: Calendar) -> None:
    for timeframe in (Timeframe.M1, Timeframe.D1, Timeframe.W1):
        assert located(new_york, timeframe, utc("1950-01-02")) == {
            "extended": timeframe.intraday,
            "on_grid": False,
        }


def test_where_bars_stand_does_not_depend_on_their_order(new_york: Calendar) -> None:
    frame = new_york.expected(Timeframe.M5, span("2024-07-01", "2024-07-09")).select("time")
    shuffled = frame.sample(fraction=1, shuffle=True, seed=7)

    assert new_york.located(shuffled, Timeframe.M5).sort("time").equals(new_york.located(frame, Timeframe.M5))


def test_other_columns_stay_and_a_vendor_s_own_view_of_extended_gives_way(new_york: Calendar) -> None:
    frame = bars([ny("2024-07-05 16:30")], instrument=[7], close=[1.5], extended=[False])

    (row,) = new_york.located(frame, Timeframe.M30).rows(named=True)

    assert (row["instrument"], row["close"], row["extended"]) == (7, 1.5, True)


HALTS = {
    "lean_equity/IBM.1m.20131004-20131011": ["2013-10-04 16:39", "2013-10-11 16:46"],
}


@pytest.mark.parametrize(
    ("name", "timeframe"),
    [
        ("lean_equity/SPY.1d", Timeframe.D1),
        ("lean_equity/IBM.1d", Timeframe.D1),
        ("lean_equity/SPY.1h", Timeframe.H1),
        ("lean_equity/SPY.1m.20131004-20131011", Timeframe.M1),
        ("lean_equity/IBM.1m.20131004-20131011", Timeframe.M1),
        ("lean_equity/BAC.1m.20131004-20131011", Timeframe.M1),
        ("market_prices/MSFT_T1", Timeframe.M1),
        ("market_prices/MSFTEXTRA_T5", Timeframe.M5),
        ("market_prices/MSFT_5T_231218_240214", Timeframe.M5),
        ("market_prices/MSFT_D1", Timeframe.D1),
        ("mplfinance/INTC.1d.1995-2004", Timeframe.D1),
        ("stocknet/AAPL.1d", Timeframe.D1),
        ("lean_crypto/binance_BTCUSDT.1h", Timeframe.H1),
        ("lean_crypto/binance_BTCBUSD.1m", Timeframe.M1),
        ("gym_trading_env/bitstamp_BTCUSD.1h", Timeframe.H1),
    ],
)
def test_real_bars_are_the_expected_ones_but_for_real_halts(
    new_york: Calendar, clock: Calendar, shared_data: Path, name: str, timeframe: Timeframe
) -> None:
    calendar = clock if "crypto" in name or "BTC" in name else new_york
    recorded = real(shared_data, name)["time"]

    landed = calendar.located(bars(calendar.canonical(recorded, timeframe)), timeframe)

    expected = calendar.expected(timeframe, Span(landed["time"].min(), landed["time"].max() + TICK))  # type: ignore[arg-type,operator]
    missing = expected.join(landed, on="time", how="anti")["time"].to_list()
    surplus = landed.filter(~pl.col("extended")).join(expected, on="time", how="anti")
    assert landed["on_grid"].all()
    assert landed["time"].is_unique().all()
    assert missing == [utc(halt) for halt in HALTS.get(name, [])]
    assert surplus.is_empty()
