"""Adjusted closes beside the dividends that they ought to carry, by pencil."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from barhouse.checks.adjustment import denied

Day = tuple[float, float, float | None, float | None]


def days(*told: Day) -> pl.DataFrame:
    """Close, adjusted close, dividend, ratio of days in a row."""
    rows = [(datetime(2024, 3, 4 + n, tzinfo=UTC), *day) for n, day in enumerate(told)]
    return pl.DataFrame(rows, schema=["time", "close", "adjusted", "dividend", "ratio"], orient="row").with_columns(
        pl.col("dividend", "ratio").cast(pl.Float64)
    )


def test_a_dividend_that_the_closes_carry_is_none_to_tell() -> None:
    """2 of 100 is 0.98 on all days before."""
    assert denied(days((100, 98, None, None), (99, 99, 2.0, None), (98, 98, None, None))).is_empty()


def test_a_dividend_that_they_deny_is_told_with_both_factors() -> None:
    [row] = denied(days((100, 100, None, None), (99, 99, 2.0, None), (98, 98, None, None))).to_dicts()

    assert (row["expected"], row["told"], row["prev_close"]) == (0.98, 1.0, 100)


def test_a_step_without_a_dividend_is_told() -> None:
    [row] = denied(days((100, 90, None, None), (99, 99, None, None))).to_dicts()

    assert (row["expected"], round(row["told"], 9)) == (1.0, 0.9)


def test_a_split_may_be_in_both_closes_or_in_the_adjusted_ones_alone() -> None:
    assert denied(days((25, 25, None, None), (26, 26, None, 4.0))).is_empty()
    assert denied(days((100, 25, None, None), (26, 26, None, 4.0))).is_empty()


def test_what_rounding_can_do_is_no_denial() -> None:
    """1 cent of 20 is a factor of 0.9995; 19.99 rounded is the same as 20.00 unadjusted within a cent."""
    assert denied(days((20, 20.0, None, None), (20, 20.0, 0.01, None))).is_empty()


def test_one_day_and_unknown_closes_tell_nothing() -> None:
    assert denied(days((100, 100, 2.0, None))).is_empty()
    assert denied(days((100, 100, None, None), (99, float("nan"), 2.0, None), (98, 0, None, None))).is_empty()
