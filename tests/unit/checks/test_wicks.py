"""Highs, lows and splits that are told apart by what was traded: a panic has its volume, a slip has none."""

from __future__ import annotations

import polars as pl
import pytest

from tests.unit.checks.test_outliers import faults, found, ibm, scaled, time, with_bar

ROW = 420


def traded(times: float, row: int = ROW) -> float:
    """So many times the volume that is usual around a bar."""
    around = ibm()["volume"][row - 10 : row + 11]
    return times * float(around.median())  # type: ignore[arg-type]


@pytest.mark.parametrize(("times", "verdicts"), [(1.0, [(time(330), "low", "bad_tick")]), (2.0, [])])
def test_in_wild_weeks_a_low_is_a_slip_only_where_no_more_than_usual_was_traded(
    times: float, verdicts: list[tuple[object, ...]]
) -> None:
    # September 2011: the low is five per cent below all prices that are sure
    sure = min(*ibm()["open"][330:332], *ibm()["close"][329:331])

    assert faults(found(with_bar(ibm(), 330, low=0.95 * sure, volume=traded(times, 330)))) == verdicts


@pytest.mark.parametrize(("times", "verdicts"), [(8.0, [(time(ROW), "low", "bad_tick")]), (12.0, [])])
def test_a_low_beyond_all_that_a_panic_leaves_needs_very_much_volume_to_be_real(
    times: float, verdicts: list[tuple[object, ...]]
) -> None:
    low = 0.65 * float(ibm()["low"][ROW])

    assert faults(found(with_bar(ibm(), ROW, low=low, volume=traded(times)))) == verdicts


@pytest.mark.parametrize(("share", "verdicts"), [(0.84, [(time(ROW), "low", "bad_tick")]), (0.87, [])])
def test_a_low_beyond_the_worst_panic_is_a_slip_also_on_a_day_that_fell(
    share: float, verdicts: list[tuple[object, ...]]
) -> None:
    # A fall by four sigmas with some volume; the lows are 12 and 9 times the ranges of these days
    close = float(ibm()["close"][ROW - 1])
    fallen = {"open": 0.995 * close, "high": close, "low": share * close, "close": 0.962 * close}

    assert faults(found(with_bar(ibm(), ROW, **fallen, volume=traded(1.45)))) == verdicts


@pytest.mark.parametrize("night", [0.96, 1.0, 1.04])
def test_a_missed_split_is_found_also_when_the_night_moved_the_price(night: float) -> None:
    split = scaled(ibm(), 0, ROW - 1, 4.0 / night)
    shares = pl.when(pl.int_range(pl.len()) < ROW).then(pl.col("volume") / 4).otherwise("volume")

    assert [(when, why) for when, _, why in faults(found(split.with_columns(volume=shares)))] == [
        (time(ROW), "missed_split")
    ]


def test_half_the_price_with_the_volume_of_a_crash_is_no_split() -> None:
    crash = scaled(ibm(), 0, ROW - 1, 2.0)
    loud = pl.int_range(pl.len()).is_between(ROW, ROW + 3)

    assert faults(found(crash.with_columns(volume=pl.when(loud).then(8 * pl.col("volume")).otherwise("volume")))) == []
