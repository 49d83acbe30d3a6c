"""Which adjusted closes sources tell beside their dividends."""

from __future__ import annotations

from datetime import UTC, date, datetime

import orjson
import polars as pl

from barhouse.checks.adjustment import denied
from barhouse.model import ACTIONS, Instrument, Series, Span, Timeframe
from barhouse.sources import adjusted
from barhouse.sources.base import Fetched
from barhouse.sources.yahoo_answers import chart
from tests.answers import answer
from tests.unit.sources.charts import at
from tests.unit.sources.charts import chart as written

DAYS = [at(2024, 3, 4, 14, 30), at(2024, 3, 5, 14, 30), at(2024, 3, 7, 14, 30)]


def fetched(closes: list[float], adjusted_closes: list[float], amount: float) -> Fetched:
    """Days of which Yahoo told half the price, since a 2:1 split came later; a dividend on a day without a bar."""
    times = [datetime(2024, 3, day, tzinfo=UTC) for day in (4, 5, 7)]
    bars = pl.DataFrame({"time": times, "open": closes, "high": closes, "low": closes, "close": closes, "volume": 1.0})
    paid = [("dividend", date(2024, 3, 6), None, amount, "USD")]
    one = answer(
        Series(Instrument("NVDA", key=1), Timeframe.D1),
        bars,
        source="yahoo",
        span=Span(times[0], at(2024, 3, 8)),
        actions=pl.DataFrame(paid, schema=ACTIONS, orient="row"),
    )
    raw = pl.DataFrame({"close": [close / 2 for close in closes], "adjclose": adjusted_closes})
    return Fetched(one.series, one.source, one.span, one.bars, raw, actions=one.actions)


def test_yahoos_adjusted_closes_are_read_beside_its_days() -> None:
    told = written(DAYS)
    told["chart"]["result"][0]["indicators"]["adjclose"] = [{"adjclose": [10.5, None, 11.0]}]

    assert chart(orjson.dumps(told), "1d").raw["adjclose"].to_list() == [10.5, None, 11.0]


def test_adjusted_closes_of_another_length_are_left_alone() -> None:
    told = written(DAYS)
    told["chart"]["result"][0]["indicators"]["adjclose"] = [{"adjclose": [10.5]}]

    assert "adjclose" not in chart(orjson.dumps(told), "1d").raw.columns


def test_a_dividend_is_judged_in_the_shares_of_its_day() -> None:
    """2 of 100 as traded: 0.98, whatever splits came later; on Wednesday, whose bar is missing, so on Thursday."""
    right = adjusted.told(fetched([100, 100, 98], [49, 49, 49], 2.0))
    wrong = adjusted.told(fetched([100, 100, 98], [50, 50, 49], 2.0))

    assert denied(right).is_empty()
    assert denied(wrong)["time"].to_list() == [datetime(2024, 3, 7, tzinfo=UTC)]


def test_an_answer_without_adjusted_closes_tells_nothing() -> None:
    one = fetched([100, 100, 98], [49, 49, 49], 2.0)
    without = Fetched(one.series, one.source, one.span, one.bars, one.raw.drop("adjclose"), actions=one.actions)

    assert adjusted.told(without).is_empty()
