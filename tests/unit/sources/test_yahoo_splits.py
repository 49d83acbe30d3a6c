"""Yahoo's prices carry every later split: they come out as traded, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from barhouse.calendar import Calendar
from barhouse.errors import SourceError, UnreadableAnswer
from barhouse.model import PRICES, Series, Span, Timeframe
from barhouse.resilience.manager import guards
from barhouse.sources.yahoo import Yahoo
from tests.unit.sources.charts import (
    DAYS,
    FRIDAY,
    MINUTES,
    NOW,
    NVDA,
    QUICK,
    at,
    chart,
    fetched,
    host,
    recorded,
    seconds,
)
from tests.vendors import Reply, Request, vendor


def test_a_recorded_day_lands_in_its_session(shared_data: Path, new_york: Calendar) -> None:
    answer = recorded(shared_data, "AAPL-2020-01-01")
    answer["chart"]["result"][0]["events"] = {"splits": {"0": {"date": 1598880600, "numerator": 4, "denominator": 1}}}

    bars = fetched(Reply.json(answer), new_york, Span(at(2020, 1, 1), at(2020, 1, 4)))[0].bars

    # as traded on 2020-01-02, before the split of 2020-08-31
    assert bars.row(0)[:6] == (at(2020, 1, 2), 296.24, 300.6, 295.19, 300.35, 33870100.0)
    assert len(bars) == 1


def test_later_splits_are_taken_out_of_a_recorded_year(shared_data: Path, new_york: Calendar) -> None:
    answer = recorded(shared_data, "NVDA-split")
    # recorded in 2025, so the split of 2024-06-10 is in its prices; asked until now, Yahoo names it too
    answer["chart"]["result"][0]["events"]["splits"]["1718026200"] = {
        "date": 1718026200,
        "numerator": 10,
        "denominator": 1,
        "splitRatio": "10:1",
    }

    whole, _ = fetched(Reply.json(answer), new_york, Span(at(2021, 2, 1), at(2022, 1, 31)))

    days = {bar["time"].date(): bar for bar in whole.bars.iter_rows(named=True)}
    assert len(days) == 252
    # what was paid in New York on the two sides of 2021-07-20, four for one
    assert days[date(2021, 7, 19)]["close"] == 751.19
    assert days[date(2021, 7, 20)]["close"] == 186.12
    assert days[date(2021, 7, 19)]["volume"] == 18726500
    assert days[date(2021, 7, 20)]["volume"] == 43468700
    assert whole.actions.select("kind", "effective", "ratio").rows() == [
        ("split", date(2021, 7, 20), 4.0),
        ("split", date(2024, 6, 10), 10.0),
    ]


def test_splits_are_asked_until_now_however_old_the_span(new_york: Calendar) -> None:
    span = Span(at(2000, 3, 1), at(2000, 4, 1))

    _, asked = fetched(Reply.json(chart([at(2000, 3, 1, 14, 30)])), new_york, span)

    assert [request.query for request in asked] == [
        {
            "interval": "1d",
            "period1": str(seconds(span.start)),
            "period2": str(seconds(NOW)),
            "events": "div,splits",
            "includePrePost": "false",
        }
    ]
    assert asked[0].path == "/v8/finance/chart/NVDA"


DAYS_OF_SPLITS = {"MSFT": [(date(2003, 2, 18), 2, 1)], "IBM": []}
LATER = (date(2024, 6, 10), 3, 2)


@pytest.mark.parametrize("symbol", DAYS_OF_SPLITS)
def test_years_of_adjusted_answers_give_the_raw_bars_back_to_the_cent(
    symbol: str, shared_data: Path, new_york: Calendar
) -> None:
    raw = pl.read_csv(shared_data / f"bars/bokeh/{symbol}.1d.csv.gz")
    opens = pl.from_epoch("t_ms", "ms").dt.replace_time_zone("UTC") + timedelta(hours=9, minutes=30)
    raw = raw.with_columns(stamp=opens)
    splits = [*DAYS_OF_SPLITS[symbol], LATER]

    answer = chart(
        raw["stamp"].to_list(), splits=[(open_of(day), n, o) for day, n, o in splits], cells=told(raw, splits)
    )
    bars = fetched(Reply.json(answer), new_york, Span(at(2000, 1, 1), at(2013, 4, 1)))[0].bars

    assert bars["time"].dt.date().to_list() == raw["stamp"].dt.date().to_list()
    for name in PRICES:
        assert bars[name].round(2).to_list() == raw[name].round(2).to_list(), name
    assert bars["volume"].round(6).to_list() == raw["volume"].to_list()


def open_of(day: date) -> datetime:
    return at(day.year, day.month, day.day, 14, 30)


def told(raw: pl.DataFrame, splits: Sequence[tuple[date, int, int]]) -> dict[str, list[float]]:
    """What Yahoo makes of raw bars: all later splits in price and volume, prices in single precision."""
    factor = pl.Series([1.0] * len(raw))
    for effective, new, old in splits:
        before = raw["stamp"].dt.date() < effective
        factor = factor.zip_with(~before, factor * new / old)
    prices = {name: (raw[name] / factor).cast(pl.Float32).to_list() for name in PRICES}
    return {**prices, "volume": (raw["volume"] * factor).to_list()}


def test_a_reverse_split_is_taken_out_too(new_york: Calendar) -> None:
    answer = chart(
        [at(2021, 7, 30, 13, 30)], splits=[(at(2021, 8, 2, 13, 30), 1, 8)], cells={"close": [103.6], "volume": [1000]}
    )

    bars = fetched(Reply.json(answer), new_york, Span(at(2021, 7, 30), at(2021, 7, 31)))[0].bars

    assert bars.select("close", "volume").row(0) == (12.95, 8000.0)


def test_prices_below_one_keep_six_decimals(new_york: Calendar) -> None:
    answer = chart([at(2021, 7, 30, 13, 30)], cells={"close": [0.123456789], "high": [1.23456789]})

    bars = fetched(Reply.json(answer), new_york, Span(at(2021, 7, 30), at(2021, 7, 31)))[0].bars

    assert bars.select("close", "high").row(0) == (0.123457, 1.2346)


def test_dividends_are_in_the_shares_of_their_day(new_york: Calendar) -> None:
    answer = chart([at(2014, 5, 8, 13, 30)], splits=[(at(2014, 6, 9, 13, 30), 7, 1)])
    paid = {"1399555800": {"amount": 0.47, "date": 1399555800}}
    answer["chart"]["result"][0]["events"]["dividends"] = paid

    actions = fetched(Reply.json(answer), new_york, Span(at(2014, 5, 8), at(2014, 5, 9)))[0].actions

    assert actions.filter(kind="dividend").rows() == [("dividend", date(2014, 5, 8), None, 3.29, "USD")]


@pytest.mark.parametrize(
    "split",
    [
        {"date": 1598880600, "numerator": 4},
        {"date": 1598880600, "numerator": 4, "denominator": 0},
        {"date": 1598880600, "numerator": -4, "denominator": 1},
        {"date": None, "numerator": 4, "denominator": 1},
        {"date": 10**18, "numerator": 4, "denominator": 1},
        {"date": 1598880600, "numerator": "four", "denominator": 1},
        "4:1",
    ],
)
def test_a_split_that_cannot_be_read_fails_the_span(split: object, new_york: Calendar) -> None:
    answer = chart([at(2020, 1, 2, 14, 30)])
    answer["chart"]["result"][0]["events"] = {"splits": {"0": split}}

    with pytest.raises(UnreadableAnswer):
        fetched(Reply.json(answer), new_york, Span(at(2020, 1, 2), at(2020, 1, 3)))


def test_intraday_bars_without_the_list_of_splits_fail_the_span(new_york: Calendar) -> None:
    quarter = Reply.json(chart([at(2025, 2, 21, 14, 30)], "5m"))

    def script(request: Request) -> Reply:
        return quarter if request.query["interval"] == "5m" else Reply(b"", 500)

    with pytest.raises(SourceError):
        fetched(script, new_york, FRIDAY, MINUTES)


def test_intraday_bars_are_as_traded_by_the_list_of_splits_since(new_york: Calendar) -> None:
    before = Span(at(2024, 6, 7), at(2024, 6, 8))
    answers = {
        "5m": chart([at(2024, 6, 7, 13, 30)], "5m", cells={"close": [120.888]}),
        "1d": chart([at(2024, 6, 7, 13, 30)], splits=[(at(2024, 6, 10, 13, 30), 10, 1)]),
    }

    answer, asked = fetched(host(answers), new_york, before, MINUTES, now=at(2024, 6, 12))

    assert answer.bars["close"].to_list() == [1208.88]
    assert asked[1].query["period2"] == str(seconds(at(2024, 6, 12)))
    assert answer.calls == 2


def test_the_splits_of_an_instrument_are_asked_once_for_all_pieces(new_york: Calendar) -> None:
    answers = {"1m": chart([at(2025, 2, 19, 14, 30)], "1m"), "1d": chart([at(2025, 2, 20, 14, 30)])}
    series = Series(NVDA, Timeframe.M1)

    async def both(url: str) -> None:
        source = Yahoo(url, timeout=0.5, guard=guards("yahoo", QUICK), clock=lambda: NOW)
        for day in (19, 20):
            await source.bars(series, Span(at(2025, 2, day), at(2025, 2, day + 1)), new_york)
        await source.close()

    with vendor(host(answers)) as yahoo:
        asyncio.run(both(yahoo.url))

    assert [request.query["interval"] for request in yahoo.requests] == ["1m", "1d", "1m"]


def test_actions_are_those_of_the_span(new_york: Calendar) -> None:
    answer = chart([at(2003, 2, 3, 14, 30)], splits=[(at(2003, 2, 18, 14, 30), 2, 1), (at(2024, 6, 10, 13, 30), 10, 1)])

    async def actions(url: str) -> pl.DataFrame:
        source = Yahoo(url, timeout=0.5, guard=guards("yahoo", QUICK), clock=lambda: NOW)
        try:
            return await source.actions(DAYS, Span(at(2003, 1, 1), at(2004, 1, 1)))
        finally:
            await source.close()

    with vendor(Reply.json(answer)) as yahoo:
        found = asyncio.run(actions(yahoo.url))

    assert found.select("effective", "ratio").rows() == [(date(2003, 2, 18), 2.0)]


def test_bars_beside_an_empty_chart_of_days_are_not_taken_since_their_splits_are_unknown(new_york: Calendar) -> None:
    answers = {"1m": chart([at(2025, 2, 19, 14, 30)], "1m"), "1d": chart([])}

    with pytest.raises(UnreadableAnswer, match="splits"):
        fetched(host(answers), new_york, Span(at(2025, 2, 19), at(2025, 2, 20)), Series(NVDA, Timeframe.M1))
