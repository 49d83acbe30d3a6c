"""Polygon's protocol, as its recorded answers and its own client have it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
import polars as pl
import pytest
from bokeh_sampledata import stocks
from massive import RESTClient

from barhouse.api.compat.frames import FrameShelf
from barhouse.api.sample import sample
from barhouse.api.vendor_side import create, served
from barhouse.model import AssetClass, Timeframe
from tests.contract.vendor_side.conftest import asker, split

NEW_YORK = ZoneInfo("America/New_York")
ALL = "/v2/aggs/ticker/AAPL/range/1/day/2000-01-01/2013-12-31"


def midnight(day: str) -> int:
    """New York's midnight in epoch milliseconds."""
    return int(datetime.fromisoformat(day).replace(tzinfo=NEW_YORK).timestamp() * 1000)


def recorded(shared_data: Path, name: str) -> Any:
    return orjson.loads((shared_data / "payloads" / "polygon" / f"{name}.json").read_bytes())


def pages(client: httpx.Client, url: str) -> list[dict[str, Any]]:
    """All answers from `url` on."""
    answers = [client.get(url).json()]
    while following := answers[-1].get("next_url"):
        answers.append(client.get(following).json())
    return answers


def test_an_adjusted_answer_is_the_one_that_the_vendor_gave(shared_data: Path) -> None:
    later = split((date(2000, 6, 21), 2), (date(2005, 2, 28), 2), (date(2014, 6, 9), 7), (date(2020, 8, 31), 4))
    start, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (2005, 2006))
    bars = sample().bars("AAPL", AssetClass.STOCK, Timeframe.D1, start, end)
    assert bars is not None
    shelf = FrameShelf({("AAPL", AssetClass.STOCK, Timeframe.D1): bars}, splits={"AAPL": later})

    with served(create(shelf)) as url, asker(url) as client:
        answer = client.get("/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04").json()

    wanted = recorded(shared_data, "v2_aggs_ticker_AAPL_range_1_day_2005-04-01_2005-04-04")
    assert answer.keys() == wanted.keys()
    for ours, theirs in zip(answer.pop("results"), wanted.pop("results"), strict=True):
        assert ours.pop("v") == pytest.approx(theirs["v"], rel=0.01)
        assert ours == {name: theirs[name] for name in "ochlt"}
    assert {**answer, "request_id": ""} == {**wanted, "request_id": ""}


def test_the_vendors_client_reads_every_bar_as_traded(sample_url: str) -> None:
    client = RESTClient("secret", base=sample_url)
    read = list(client.list_aggs("AAPL", 1, "day", "2000-01-01", "2013-12-31", adjusted=False, limit=1000))

    traded = stocks.AAPL
    assert [bar.timestamp for bar in read] == [midnight(day) for day in traded["date"]]
    for name in ("open", "high", "low", "close", "volume"):
        assert [getattr(bar, name) for bar in read] == traded[name]


def test_prices_and_volumes_are_adjusted_unless_told_otherwise(ask: httpx.Client) -> None:
    before_both = ask.get("/v2/aggs/ticker/AAPL/range/1/day/2000-06-20/2000-06-20").json()["results"][0]
    before_one = ask.get("/v2/aggs/ticker/AAPL/range/1/day/2005-02-25/2005-02-25").json()["results"][0]
    raw = ask.get("/v2/aggs/ticker/AAPL/range/1/day/2000-06-20/2000-06-20?adjusted=false").json()["results"][0]

    assert (raw["c"], raw["v"]) == (101.25, 4476700)
    assert (before_both["c"], before_both["v"]) == (25.3125, 17906800)
    assert (before_one["c"], before_one["v"]) == (44.495, 32696800)


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_hold_every_bar_once(ask: httpx.Client, sort: str) -> None:
    answers = pages(ask, f"{ALL}?limit=999&sort={sort}&adjusted=false")

    stamps = [row["t"] for answer in answers for row in answer["results"]]
    assert [answer["count"] for answer in answers] == [999, 999, 999, 273]
    assert stamps == sorted((midnight(day) for day in stocks.AAPL["date"]), reverse=sort == "desc")
    assert not any(answer["adjusted"] for answer in answers)


def test_the_key_is_not_in_the_address_of_the_next_page(ask: httpx.Client) -> None:
    following = ask.get(f"{ALL}?limit=10&apiKey=secret").json()["next_url"]

    assert "secret" not in following
    assert ask.get(following.replace("cursor=", "x=")).json()["count"] > 10


def test_the_limit_counts_minutes_for_bars_of_hours(ask_spy: httpx.Client) -> None:
    address = "/v2/aggs/ticker/SPY/range/1/hour/2013-10-07/2013-10-08"
    whole, parts = ask_spy.get(f"{address}?limit=50000").json(), pages(ask_spy, f"{address}?limit=180")

    assert [row for part in parts for row in part["results"]] == whole["results"]
    assert {part["queryCount"] for part in parts[:-1]} <= {120, 150, 180}
    assert whole["queryCount"] == sum(part["queryCount"] for part in parts)


def test_bars_of_minutes_begin_and_end_where_asked(ask_spy: httpx.Client, minutes: pl.DataFrame) -> None:
    day = datetime(2013, 10, 7, 9, 30, tzinfo=NEW_YORK)
    start, end = (int(moment.timestamp() * 1000) for moment in (day, day + timedelta(minutes=389)))

    rows = ask_spy.get(f"/v2/aggs/ticker/SPY/range/1/minute/{start}/{end}").json()["results"]

    kept = minutes.filter(pl.col("time").dt.epoch("ms").is_between(start, end))
    assert [row["t"] for row in rows] == kept["time"].dt.epoch("ms").to_list()
    assert [row["c"] for row in rows] == kept["close"].to_list()
    assert (rows[0]["t"], rows[-1]["t"]) == (start, end)


def test_the_hour_of_the_open_mixes_in_the_pre_market(ask_spy: httpx.Client, minutes: pl.DataFrame) -> None:
    nine = datetime(2013, 10, 7, 9, tzinfo=NEW_YORK).astimezone(UTC)
    rows = ask_spy.get("/v2/aggs/ticker/SPY/range/1/hour/2013-10-07/2013-10-07").json()["results"]

    mixed = minutes.filter(pl.col("time").is_between(nine, nine + timedelta(hours=1), closed="left"))
    found = next(row for row in rows if row["t"] == nine.timestamp() * 1000)
    assert (found["o"], found["v"]) == (mixed["open"][0], mixed["volume"].sum())
    assert mixed["time"][0] < nine + timedelta(minutes=30)


def test_weeks_begin_on_sunday_and_a_split_within_one_is_bridged(ask: httpx.Client) -> None:
    rows = ask.get("/v2/aggs/ticker/AAPL/range/1/week/2000-06-20/2000-06-23").json()["results"]

    assert [row["t"] for row in rows] == [midnight("2000-06-18")]
    friday = stocks.AAPL["close"][stocks.AAPL["date"].index("2000-06-23")]
    assert (rows[0]["o"], rows[0]["c"]) == (90.56 / 4, friday / 2)


def test_a_day_of_crypto_begins_at_midnight_in_new_york(ask_bitcoin: httpx.Client, hours: pl.DataFrame) -> None:
    rows = ask_bitcoin.get("/v2/aggs/ticker/X:BTCUSD/range/1/day/2018-05-02/2018-05-04").json()["results"]

    begin = datetime(2018, 5, 2, tzinfo=NEW_YORK).astimezone(UTC)
    first = hours.filter(pl.col("time").is_between(begin, begin + timedelta(days=1), closed="left"))
    assert [row["t"] for row in rows] == [midnight(day) for day in ("2018-05-02", "2018-05-03", "2018-05-04")]
    assert (rows[0]["o"], rows[0]["h"], rows[0]["c"]) == (first["open"][0], first["high"].max(), first["close"][-1])


@pytest.mark.parametrize(("keys", "case"), [({}, "no_key"), ({"Authorization": "Bearer wrong"}, "bad_key")])
def test_a_missing_and_a_wrong_key_are_refused_as_recorded(shared_data: Path, keys: dict[str, str], case: str) -> None:
    with served(create(sample(), keys={"right"})) as url:
        answer = httpx.get(url + ALL, headers=keys)

    wanted = orjson.loads((shared_data / "payloads" / "vendor_errors.json").read_bytes())["polygon"][case]
    assert answer.status_code == wanted["status"]
    assert {**answer.json(), "request_id": "<32 hex>"} == wanted["body"]


def test_an_unknown_ticker_is_an_empty_answer_as_recorded(ask: httpx.Client, shared_data: Path) -> None:
    answer = ask.get("/v2/aggs/ticker/NOSUCH/range/1/day/2005-01-01/2005-02-01")

    wanted = orjson.loads((shared_data / "payloads" / "vendor_errors.json").read_bytes())["polygon"]["empty"]
    assert answer.status_code == wanted["status"]
    assert {**answer.json(), "ticker": "AAPL", "request_id": "<32 hex>"} == wanted["body"]


@pytest.mark.parametrize(
    ("span", "error"),
    [
        ("day/2005-02-01/2005-01-01", "'to' cannot be a time that occurs before 'from'"),
        ("day/2024-07-32/2024-08-01", "Could not parse the time parameter: 'from'"),
        ("day/2024-07-01/soon", "Could not parse the time parameter: 'to'"),
        ("fortnight/2024-07-01/2024-07-02", "fortnight"),
    ],
)
def test_a_span_that_cannot_be_is_refused(ask: httpx.Client, span: str, error: str) -> None:
    answer = ask.get(f"/v2/aggs/ticker/AAPL/range/1/{span}")

    assert answer.status_code == 400
    assert answer.json()["status"] == "ERROR"
    assert error in answer.json()["error"]


def test_the_vendors_client_reads_splits_dividends_and_tickers(sample_url: str) -> None:
    client = RESTClient("secret", base=sample_url)
    splits = list(client.list_splits(ticker="AAPL", limit=1))
    dividends = list(client.list_dividends(ticker="AAPL", ex_dividend_date_gte="2012-11-07"))
    tickers = list(client.list_tickers(limit=2, active=True))

    assert [s.execution_date for s in splits] == ["2005-02-28", "2000-06-21"]
    assert {(s.split_from, s.split_to) for s in splits} == {(1, 2)}
    assert [(d.ex_dividend_date, d.cash_amount) for d in dividends] == [("2013-02-07", 2.65), ("2012-11-07", 2.65)]
    assert [t.ticker for t in tickers] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]


def test_reference_rows_have_the_recorded_shape(ask: httpx.Client, shared_data: Path) -> None:
    for kind, optional in (("splits", set[str]()), ("tickers", {"cik", "composite_figi", "share_class_figi"})):
        ours = ask.get(f"/v3/reference/{kind}?limit=1").json()
        theirs = recorded(shared_data, f"v3_reference_{kind}")
        shape = {name: type(value) for name, value in theirs["results"][0].items() if name not in optional}

        assert {name: type(value) for name, value in ours["results"][0].items()} == shape
        assert ours.keys() - {"next_url"} == theirs.keys() - {"next_url"}
