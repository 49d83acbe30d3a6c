"""Which bars are faulty and why: faults put into real series by hand, real faulty series, and real crashes."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from barhouse.calendar import Calendar
from barhouse.checks import outliers
from barhouse.model import ALWAYS_OPEN, PRICES, AssetClass, Timeframe
from tests.answers import real as packaged
from tests.unit.calendar.moments import known, ny, real, utc
from tests.unit.checks.frames import days, frame, new_york, splits

D1, H1 = Timeframe.D1, Timeframe.H1
SPLITS = {"AAPL": [(1, date(2000, 6, 21), 2.0), (1, date(2005, 2, 28), 2.0)], "MSFT": [(1, date(2003, 2, 18), 2.0)]}
FIVE = (*PRICES, "volume")


def found(bars: pl.DataFrame, timeframe: Timeframe = D1, calendar: Calendar | None = None, **more: Any) -> pl.DataFrame:
    more = {"asset_class": AssetClass.STOCK, "splits": splits(), **more}
    known = {timeframe: bars, **more.pop("others", {})}
    return outliers(known, calendar=calendar or new_york(), wanted=[timeframe], **more)


def faults(answer: pl.DataFrame) -> list[tuple[Any, ...]]:
    """The listed findings: when, which field, and why."""
    return listed(answer).select("time", "field", "verdict").rows()


def listed(answer: pl.DataFrame) -> pl.DataFrame:
    return answer.filter(pl.col("verdict") != "real_move")


def stored(rows: pl.DataFrame, timeframe: Timeframe = D1, calendar: Calendar | None = None) -> pl.DataFrame:
    """Bars of a source as they are kept, of instrument 1."""
    calendar = calendar or new_york()
    slots = rows.with_columns(time=calendar.canonical(rows["time"], timeframe)).sort("time")
    placed = calendar.located(slots, timeframe)
    kept = slots.select(pl.lit(1, pl.Int32).alias("instrument"), "time", *FIVE)
    return kept.with_columns(placed["extended"], forming=False).filter(placed["on_grid"])


@cache
def ibm() -> pl.DataFrame:
    """Real calm years without a fault or a split."""
    rows = packaged("IBM").filter(pl.col("time").is_between(utc("2010-06-01"), utc("2013-02-01")))
    return stored(rows)


def with_bar(bars: pl.DataFrame, row: int, **fields: float | pl.Expr | None) -> pl.DataFrame:
    """The bars with some fields of one of them changed."""
    here = pl.int_range(pl.len()) == row
    return bars.with_columns(pl.when(here).then(value).otherwise(name).alias(name) for name, value in fields.items())


def scaled(bars: pl.DataFrame, first: int, last: int, factor: float) -> pl.DataFrame:
    """The bars with the prices of some multiplied."""
    here = pl.int_range(pl.len()).is_between(first, last)
    return bars.with_columns(pl.when(here).then(pl.col(name) * factor).otherwise(name).alias(name) for name in PRICES)


def time(row: int) -> datetime:
    moment: datetime = ibm()["time"][row]
    return moment


@pytest.mark.parametrize("symbol", ["AAPL", "FB", "GOOG", "IBM"])
def test_real_days_with_crashes_and_splits_have_no_fault(symbol: str) -> None:
    # 2000 to 2013: 2001, October 2008, 6 May 2010
    answer = found(stored(packaged(symbol)), splits=splits(*SPLITS.get(symbol, [])))

    assert faults(answer) == []
    assert set(answer["severity"]) <= {"low"}


def test_the_flash_crash_is_told_as_a_real_move() -> None:
    answer = found(stored(packaged("AAPL")), splits=splits(*SPLITS["AAPL"]))

    [crash] = answer.filter(pl.col("time") == utc("2010-05-06")).rows(named=True)
    assert (crash["verdict"], crash["severity"], crash["field"]) == ("real_move", "low", "low")


CRASHES = [
    ("2008-09-15", "2008-11-30"),
    ("2010-05-01", "2010-05-31"),
    ("2015-08-17", "2015-08-31"),
    ("2020-02-20", "2020-04-10"),
]


@pytest.mark.parametrize(
    "name", ["lean_equity/SPY.1d", "lean_equity/IBM.1d", "lean_equity/SPY.1h", "stocknet/JPM.1d", "stocknet/HD.1d"]
)
def test_real_crashes_are_no_fault(shared_data: Path, name: str) -> None:
    timeframe = Timeframe.of(name[-2:])
    answer = found(stored(real(shared_data, name), timeframe), timeframe)

    found_on = [row[0].date().isoformat() for row in faults(answer)]
    assert [day for day in found_on for first, last in CRASHES if first <= day <= last] == []


def test_bitcoin_in_march_2020_is_no_fault(shared_data: Path) -> None:
    clock = known(ALWAYS_OPEN)
    bars = stored(real(shared_data, "gym_trading_env/bitstamp_BTCUSD.1h"), H1, clock)

    answer = found(bars, H1, clock, asset_class=AssetClass.CRYPTO)

    assert faults(answer) == []
    assert answer.filter(pl.col("time").dt.date() == date(2020, 3, 12)).height > 0


def test_the_real_series_with_pence_for_pounds_is_found_and_its_repaired_twin_is_clean(shared_data: Path) -> None:
    faulty, repaired = (
        found(pair(shared_data, f"AET-L-1d-100x-error{end}"), calendar=known("XLON")) for end in ("", "-fixed")
    )

    assert {row[2] for row in faults(faulty)} == {"unit_error"}
    # The bars in which shares changed hands are right: 10 days from 20 May on, and four before
    assert [row[0] for row in faults(faulty)][-1] == utc("2022-06-06")
    assert len(faults(faulty)) == 14
    assert repaired.is_empty()


@pytest.mark.parametrize(("known_split", "verdict"), [(False, "bad_tick"), (True, "doubled_split")])
def test_the_real_bar_split_twice_is_found_and_its_repaired_twin_is_clean(
    shared_data: Path, known_split: bool, verdict: str
) -> None:
    split = splits((1, date(2023, 5, 16), 33 / 70)) if known_split else splits()
    faulty, repaired = (
        found(pair(shared_data, f"CNE-L-1d-bad-stock-split{end}"), calendar=known("XLON"), splits=split)
        for end in ("", "-fixed")
    )

    assert faults(faulty) == [(utc("2023-05-09"), "close", verdict)]
    # On 16 May a special dividend of more than half the price was paid
    assert faults(repaired) == []


def pair(folder: Path, name: str) -> pl.DataFrame:
    rows = pl.read_csv(folder / "pairs" / f"{name}.csv.gz", infer_schema_length=None).rename(str.lower)
    day = rows["date"].str.slice(0, 10).str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC")
    return stored(rows.select(day.alias("time"), pl.col(*FIVE).cast(pl.Float64)), D1, known("XLON"))


def test_a_low_of_a_cent_is_a_bad_tick() -> None:
    [answer] = listed(found(with_bar(ibm(), 420, low=0.01))).rows(named=True)

    assert (answer["time"], answer["field"], answer["value"]) == (time(420), "low", 0.01)
    assert (answer["verdict"], answer["severity"]) == ("bad_tick", "critical")
    assert answer["prev_close"] == ibm()["close"][419]
    assert answer["pct_change"] == pytest.approx(100 * (0.01 / ibm()["close"][419] - 1))
    evidence = json.loads(answer["evidence"])
    assert evidence["next_close"] == ibm()["close"][421]
    assert evidence["off_by_sigmas"] > 100


@pytest.mark.parametrize("factor", [1.26, 0.74])
def test_a_close_that_the_next_bar_takes_back_is_a_bad_tick(factor: float) -> None:
    close = ibm()["close"][210] * factor
    ends = {"high": pl.max_horizontal("high", pl.lit(close)), "low": pl.min_horizontal("low", pl.lit(close))}

    answer = found(with_bar(ibm(), 210, close=close, **ends))

    assert faults(answer) == [(time(210), "close", "bad_tick")]
    assert listed(answer)["severity"].to_list() == ["high"]


@pytest.mark.parametrize("factor", [2.0, 3.0])
def test_the_way_back_from_a_bad_close_is_no_split(factor: float) -> None:
    close = ibm()["close"][210] * factor

    assert faults(found(with_bar(ibm(), 210, close=close, high=close))) == [(time(210), "close", "bad_tick")]


@pytest.mark.parametrize(("first", "last"), [(100, 100), (100, 102), (100, 140), (0, 0), (0, 30), (-1, -1)])
@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_bars_in_another_unit_are_found_wherever_they_stand(first: int, last: int, factor: float) -> None:
    end = ibm().height - 1
    first, last = (end, end) if first < 0 else (first, last)

    answer = faults(found(scaled(ibm(), first, last, factor)))

    assert answer == [
        (time(row), field, "unit_error") for row, (_, field, _) in zip(range(first, last + 1), answer, strict=True)
    ]


@pytest.mark.parametrize("ratio", [2.0, 3.0, 1.5, 7.0, 0.1])
def test_a_split_that_nobody_stored_is_missed_and_a_stored_one_explains_all(ratio: float) -> None:
    before = pl.int_range(pl.len()) < 250
    raw = scaled(ibm(), 0, 249, ratio).with_columns(
        volume=pl.when(before).then(pl.col("volume") / ratio).otherwise("volume")
    )

    assert [(row[0], row[2]) for row in faults(found(raw))] == [(time(250), "missed_split")]
    known = found(raw, splits=splits((1, time(250).date(), ratio)))
    assert known.select("time", "verdict").rows() == found(ibm()).select("time", "verdict").rows()


def test_a_stored_split_without_a_step_was_adjusted_once_already() -> None:
    answer = found(ibm(), splits=splits((1, time(250).date(), 2.0)))

    assert [(row[0], row[2]) for row in faults(answer)] == [(time(250), "doubled_split")]


def test_a_crash_by_half_with_its_volume_is_real() -> None:
    crashed = scaled(ibm(), 250, ibm().height, 0.5)

    answer = found(with_bar(crashed, 250, volume=pl.col("volume") * 12))

    assert faults(answer) == []
    assert answer.filter(pl.col("time") == time(250))["verdict"].to_list() == ["real_move"]


def test_a_bar_told_twice_is_a_stale_repeat() -> None:
    again = {name: ibm()[name][99] for name in FIVE}

    assert [(row[0], row[2]) for row in faults(found(with_bar(ibm(), 100, **again)))] == [(time(100), "stale_repeat")]
    quiet = {**again, "volume": 0.0}
    assert faults(found(with_bar(with_bar(ibm(), 99, **quiet), 100, **quiet))) == []


@pytest.mark.parametrize(
    "fields",
    [{"close": None}, {"volume": None}, {"high": 1.0}, {"low": -1.0}, {"volume": -1.0}, {"open": float("nan")}],
)
def test_a_row_that_no_bar_can_be_is_impossible(fields: dict[str, float | None]) -> None:
    answer = found(with_bar(ibm(), 100, **fields))

    assert [(row[0], row[2]) for row in faults(answer)] == [(time(100), "impossible_bar")]


def test_a_series_without_any_volume_is_judged_by_its_prices() -> None:
    silent = with_bar(ibm(), 420, low=0.01).with_columns(volume=pl.lit(None, pl.Float64))

    assert faults(found(silent)) == [(time(420), "low", "bad_tick")]


def test_a_newest_day_read_at_noon_is_partial_and_a_half_day_is_none() -> None:
    noon = {
        "volume": pl.col("volume") * 0.05,
        "high": pl.col("open") + 0.1,
        "low": pl.col("open") - 0.1,
        "close": pl.col("open"),
    }
    whole, half = (ibm().filter(pl.col("time") <= utc(day)) for day in ("2012-11-21", "2012-11-23"))

    assert faults(found(with_bar(whole, whole.height - 1, **noon))) == [(utc("2012-11-21"), "close", "partial_bar")]
    assert faults(found(with_bar(half, half.height - 1, **noon))) == []
    assert faults(found(whole)) == []


@pytest.mark.parametrize(("hours", "first"), [(1, "10:00"), (-1, "08:00")])
def test_a_session_an_hour_off_is_a_clock_shift(hours: int, first: str) -> None:
    slots = [ny(f"2024-03-{day:02} {clock:02}:00") for day in range(4, 9) for clock in range(9, 16)]
    off = [slot + timedelta(hours=hours) if slot.day == 6 else slot for slot in slots]
    bars = frame({"time": slot, "close": 11 + 0.1 * (n % 5)} for n, slot in enumerate(off))
    bars = bars.with_columns(new_york().located(bars, H1)["extended"])

    assert faults(found(bars, H1)) == [(ny(f"2024-03-06 {first}"), "close", "clock_shift")]


def test_quiet_bars_after_the_close_are_no_clock_shift() -> None:
    clocks = [*range(10, 16), 16]
    bars = frame(
        {"time": ny(f"2024-03-06 {clock}:00"), "volume": 5.0 if clock == 16 else 100.0 + clock} for clock in clocks
    )

    assert faults(found(bars.with_columns(new_york().located(bars, H1)["extended"]), H1)) == []


def closing(prices: list[float]) -> pl.DataFrame:
    """Daily bars of one price each, with one volume after the other."""
    rows = zip(days(len(prices)), prices, strict=True)
    return frame(
        {"time": day, **dict.fromkeys(PRICES, price), "volume": 100.0 + n} for n, (day, price) in enumerate(rows)
    )


@pytest.mark.parametrize(
    ("price", "verdicts"), [(120.0, []), (120.01, ["real_move"]), (80.0, []), (79.99, ["real_move"])]
)
def test_a_move_of_a_fifth_is_ordinary_and_more_is_told(price: float, verdicts: list[str]) -> None:
    answer = found(closing([100.0] * 5 + [price] * 5))

    assert answer["verdict"].to_list() == verdicts


def test_a_return_beyond_eight_robust_scores_is_told_from_thirty_returns_on() -> None:
    # Nothing moves: the deviation is at its floor of 0.0005, and 8 scores are 0.593 %
    calm = [100.0] * 40

    assert found(closing([*calm, 100.6, 100.6]))["verdict"].to_list() == ["real_move"]
    assert found(closing([*calm, 100.59, 100.59])).is_empty()
    assert found(closing([*calm[:25], 100.6, 100.6])).is_empty()


def with_finer(low: float) -> dict[Timeframe, pl.DataFrame]:
    """Hours of one day, one of which has this low."""
    clocks = [ny(f"{time(420):%Y-%m-%d} {clock:02}:00") for clock in range(9, 16)]
    close = ibm()["close"][420]
    prices = {"open": close, "high": close + 0.1, "close": close}
    return {H1: frame({"time": slot, **prices, "low": low if n == 2 else close - 0.1} for n, slot in enumerate(clocks))}


def test_finer_bars_say_whether_a_low_was_real() -> None:
    low = ibm()["low"][420] * 0.85
    dipped = with_bar(ibm(), 420, low=low)

    assert faults(found(dipped)) == [(time(420), "low", "bad_tick")]
    assert faults(found(dipped, others=with_finer(low))) == []
    loud = with_bar(dipped, 420, volume=pl.col("volume") * 20)
    assert faults(found(loud)) == []
    assert faults(found(loud, others=with_finer(ibm()["low"][420]))) == [(time(420), "low", "bad_tick")]


def test_a_coarser_bar_that_knows_of_no_such_low_denies_it() -> None:
    low = ibm()["low"][420] * 0.85
    loud = with_bar(ibm(), 420, low=low, volume=pl.col("volume") * 20)
    week = frame(
        [{"time": time(420) - timedelta(days=time(420).weekday()), "low": ibm()["low"][420] * 0.97, "high": 300.0}]
    )

    assert faults(found(loud, others={Timeframe.W1: week})) == [(time(420), "low", "bad_tick")]


def test_many_series_in_one_frame_are_judged_as_each_alone() -> None:
    parts = [scaled(ibm(), 50, 52, 100.0), with_bar(ibm(), 420, low=0.01), ibm().head(40), stored(packaged("GOOG"))]
    apart = [part.with_columns(instrument=pl.lit(key, pl.Int32)) for key, part in enumerate(parts)]

    together = found(pl.concat(apart))

    assert together.equals(pl.concat(found(part) for part in apart))


def test_one_bar_none_and_rows_without_a_slot_have_no_outlier() -> None:
    assert found(closing([100.0])).is_empty()
    assert found(closing([])).is_empty()
    off = frame([{"time": utc("2024-01-06"), "low": 0.01}, {"time": utc("2024-01-08 14:30"), "low": 0.01}])
    assert found(off).is_empty()
    forming = pl.concat([closing([100.0] * 5), frame([{"time": days(6)[5], "low": 0.01, "forming": True}])])
    assert found(forming).is_empty()
