"""Adjusted prices: splits by their ratios, dividends by the close before, everything by its own day."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barhouse.calendar import Calendar
from barhouse.flow.adjust import CLOSES, adjusted, days, factors
from barhouse.model import ACTIONS, PRICES, Adjust, Timeframe

Action = tuple[str, date, float | None, float | None]
"""Kind, day, ratio, amount."""

DAYS = pl.date_range(date(2020, 1, 1), date(2020, 12, 31), eager=True).alias("day")


def bars(closes: dict[date, float]) -> pl.DataFrame:
    """Bars that never moved within the day, of a thousand shares each."""
    prices = pl.Series("close", list(closes.values()), dtype=pl.Float64)
    return pl.DataFrame(
        {"day": list(closes), **dict.fromkeys(PRICES, prices), "vwap": prices, "volume": [1000.0] * len(closes)}
    )


def happened(*actions: Action) -> pl.DataFrame:
    rows = [(*action, None) for action in actions]
    return pl.DataFrame(rows, schema=ACTIONS, orient="row")


def after(rows: pl.DataFrame, actions: pl.DataFrame, how: Adjust) -> pl.DataFrame:
    return adjusted(rows, rows["day"], factors(actions, rows.select("day", "close"), how))


def test_a_split_divides_the_prices_before_it_and_multiplies_the_volumes() -> None:
    rows = bars({date(2020, 8, 28): 499.23, date(2020, 8, 31): 129.04})

    found = after(rows, happened(("split", date(2020, 8, 31), 4.0, None)), Adjust.SPLITS)

    assert found["close"].to_list() == [499.23 / 4, 129.04]
    assert found["vwap"].to_list() == found["open"].to_list() == found["close"].to_list()
    assert found["volume"].to_list() == [4000.0, 1000.0]


def test_a_dividend_takes_its_share_of_the_close_before_it() -> None:
    rows = bars({date(2020, 11, 5): 119.03, date(2020, 11, 6): 118.69})
    paid = happened(("dividend", date(2020, 11, 6), None, 0.205))

    assert after(rows, paid, Adjust.ALL)["close"].to_list() == pytest.approx([119.03 - 0.205, 118.69])
    assert after(rows, paid, Adjust.ALL)["volume"].to_list() == [1000.0, 1000.0]
    assert after(rows, paid, Adjust.SPLITS).equals(rows)


def test_a_dividend_on_the_day_of_a_split_is_in_the_new_shares() -> None:
    rows = bars({date(2020, 8, 28): 400.0, date(2020, 8, 31): 99.0})
    both = happened(("split", date(2020, 8, 31), 4.0, None), ("dividend", date(2020, 8, 31), None, 1.0))

    assert after(rows, both, Adjust.ALL)["close"].to_list() == pytest.approx([99.0, 99.0])


def test_a_dividend_before_the_first_bar_or_as_large_as_the_price_changes_nothing() -> None:
    rows = bars({date(2020, 8, 28): 400.0, date(2020, 8, 31): 99.0})
    odd = happened(("dividend", date(2020, 8, 28), None, 1.0), ("dividend", date(2020, 8, 31), None, 400.0))

    assert after(rows, odd, Adjust.ALL).equals(rows)


@given(
    splits=st.dictionaries(
        st.sampled_from(DAYS.to_list()), st.sampled_from([0.1, 0.5, 1.05, 2.0, 3.0, 20.0]), max_size=5
    ),
    dividends=st.dictionaries(st.sampled_from(DAYS.to_list()), st.floats(0.01, 5.0), max_size=12),
    closes=st.dictionaries(st.sampled_from(DAYS.to_list()), st.floats(0.5, 5000.0), min_size=1, max_size=40),
)
def test_adjusted_prices_times_the_factors_of_later_days_are_raw(
    splits: dict[date, float], dividends: dict[date, float], closes: dict[date, float]
) -> None:
    rows = bars(dict(sorted(closes.items())))
    actions = happened(
        *(("split", day, ratio, None) for day, ratio in splits.items()),
        *(("dividend", day, None, amount) for day, amount in dividends.items()),
    )

    found = after(rows, actions, Adjust.ALL)

    for raw, mine in zip(rows.iter_rows(named=True), found.iter_rows(named=True), strict=True):
        factor = by_hand(raw["day"], splits, dividends, closes)
        shares = product(ratio for day, ratio in splits.items() if day > raw["day"])
        assert mine["close"] / factor == pytest.approx(raw["close"], rel=1e-9)
        assert mine["volume"] / shares == pytest.approx(raw["volume"], rel=1e-9)


def by_hand(of: date, splits: dict[date, float], dividends: dict[date, float], closes: dict[date, float]) -> float:
    """The factor of a day in plain arithmetic."""
    factor = 1 / product(ratio for day, ratio in splits.items() if day > of)
    for ex, amount in dividends.items():
        earlier = [day for day in closes if day < ex]
        if ex > of and earlier:
            before = max(earlier)
            then = closes[before] / product(ratio for day, ratio in splits.items() if before < day <= ex)
            factor *= 1 - amount / then if amount < then else 1
    return factor


def product(numbers: Any) -> float:
    whole = 1.0
    for number in numbers:
        whole *= number
    return whole


def test_bars_of_a_session_and_of_a_week_belong_to_their_days(new_york: Calendar) -> None:
    late = pl.Series(["2020-08-29T00:30:00Z"]).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    monday = pl.Series(["2020-08-31T00:00:00Z"]).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")

    assert days(late, Timeframe.M30, new_york).to_list() == [date(2020, 8, 28)]
    assert days(monday, Timeframe.D1, new_york).to_list() == [date(2020, 8, 31)]
    assert days(monday, Timeframe.W1, new_york).to_list() == [date(2020, 9, 4)]


@pytest.mark.parametrize("symbol", ["IBM", "SPY"])
def test_the_factors_are_those_of_another_house(shared_data: Path, symbol: str) -> None:
    """LEAN's factor files: each row holds up to its `last_date`, whose raw close it tells, with seven decimals.

    What was paid follows from two rows; to a hundredth of a cent, which is how it was paid, it is known to 5e-7 of a
    price of 100. Over all ninety payments that adds up to less than 1e-5.
    """
    told = json.loads((shared_data / "actions" / f"lean_{symbol}.json").read_text())
    rows = [told_by(row) for row in told["factors"][1:]]
    closes = pl.DataFrame([(day, close) for day, _, _, close in rows[:-1]], schema=CLOSES, orient="row")

    found = factors(happened(*what_happened(rows)), closes, Adjust.ALL)

    theirs = {day + timedelta(days=1): price * split for day, price, split, _ in rows[:-1]}
    mine = dict(found.select("effective", "price").iter_rows())
    assert mine.keys() == theirs.keys()
    assert len(mine) > 90
    assert all(abs(mine[day] - theirs[day]) < 1e-5 for day in mine)


def told_by(row: dict[str, str]) -> tuple[date, float, float, float]:
    price, split, close = (float(row[name]) for name in ("price_factor", "split_factor", "raw_close"))
    return date.fromisoformat(row["last_date"]), price, split, close


def what_happened(rows: Sequence[tuple[date, float, float, float]]) -> Iterator[Action]:
    """The dividends and splits behind a factor file, each on the day after its row."""
    for (last, price, split, close), (_, next_price, next_split, _) in pairwise(rows):
        if price != next_price:
            yield "dividend", last + timedelta(days=1), None, round(close * (1 - price / next_price), 4)
        if split != next_split:
            yield "split", last + timedelta(days=1), next_split / split, None
