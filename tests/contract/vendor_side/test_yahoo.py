"""Yahoo's chart, as its recorded answers and the client that most people use have it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
import polars as pl
import pytest
import yfinance
from bokeh_sampledata import stocks
from yfinance.data import YfData

from barhouse.api.compat.frames import FrameShelf
from barhouse.api.vendor_side import create, served
from barhouse.model import AssetClass, Timeframe
from tests.contract.vendor_side.conftest import NOW, asker, split

NEW_YORK = ZoneInfo("America/New_York")
CHART = "/v8/finance/chart"


def recorded(shared_data: Path, name: str) -> Any:
    """The body of a recorded answer."""
    file = shared_data / "payloads" / "yahoo" / f"chart-{name}.json"
    return orjson.loads(file.read_bytes())["response"]["bodyJson"]


def errors(shared_data: Path) -> Any:
    return orjson.loads((shared_data / "payloads" / "vendor_errors.json").read_bytes())["yahoo"]


def at(moment: str, zone: ZoneInfo = NEW_YORK) -> int:
    """A local time in epoch seconds."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp())


@pytest.fixture
def ticker(sample_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[yfinance.Ticker]:
    """yfinance's AAPL, asked at our address instead of Yahoo's; a crumb at hand keeps it off the network."""
    monkeypatch.setattr("yfinance.scrapers.history._BASE_URL_", sample_url)
    monkeypatch.setattr("yfinance.base._BASE_URL_", sample_url)
    yfinance.set_tz_cache_location(str(tmp_path))
    data = YfData()
    data._crumb, data._cookie = "crumb", "cookie"
    yield yfinance.Ticker("AAPL")
    data._crumb = data._cookie = None


@pytest.fixture(scope="module")
def traded_2020() -> Iterator[str]:
    """AAPL as it traded on 2020-01-02 and 03, before the split of that August."""
    bars = pl.DataFrame(
        {
            "time": [datetime(2020, 1, 2, tzinfo=UTC), datetime(2020, 1, 3, tzinfo=UTC)],
            "open": [296.24, 297.15],
            "high": [300.60, 300.58],
            "low": [295.19, 296.50],
            "close": [300.35, 297.43],
            "volume": [33870100.0, 36580700.0],
        }
    )
    shelf = FrameShelf({("AAPL", AssetClass.STOCK, Timeframe.D1): bars}, splits={"AAPL": split((date(2020, 8, 31), 4))})
    with served(create(shelf)) as url:
        yield url


def test_a_chart_of_days_is_the_one_that_the_vendor_gave(traded_2020: str, shared_data: Path) -> None:
    query = "interval=1d&includePrePost=true&events=div%7Csplit%7Cearn&period1=1577836800&period2=1578009600"
    with asker(traded_2020) as client:
        answer = client.get(f"{CHART}/AAPL?{query}").json()

    [ours], [theirs] = (
        answer["chart"]["result"],
        recorded(shared_data, "AAPL-2020-01-01-to-2020-01-03")["chart"]["result"],
    )
    assert ours.keys() == theirs.keys()
    assert ours["timestamp"] == theirs["timestamp"]
    assert ours["indicators"]["quote"] == theirs["indicators"]["quote"]
    assert {name: type(value) for name, value in theirs["meta"].items() if name not in ours["meta"]} == {}


def test_the_client_reads_prices_in_todays_shares(ticker: yfinance.Ticker) -> None:
    read = ticker.history(start="2000-01-01", end="2013-12-31", auto_adjust=False, actions=True)

    traded = stocks.AAPL
    shares = [4 if day < "2000-06-21" else 2 if day < "2005-02-28" else 1 for day in traded["date"]]
    assert [f"{day:%Y-%m-%d}" for day in read.index] == traded["date"]
    assert read["Close"].tolist() == pytest.approx(
        [p / n for p, n in zip(traded["close"], shares, strict=True)], rel=1e-6
    )
    assert read["Volume"].tolist() == [v * n for v, n in zip(traded["volume"], shares, strict=True)]


def test_the_client_reads_splits_and_dividends_on_their_days(ticker: yfinance.Ticker) -> None:
    read = ticker.history(start="2000-01-01", end="2013-12-31", auto_adjust=False, actions=True)

    splits, dividends = (read[name][read[name] != 0] for name in ("Stock Splits", "Dividends"))
    assert {f"{day:%Y-%m-%d}": ratio for day, ratio in splits.items()} == {"2000-06-21": 2, "2005-02-28": 2}
    assert {f"{day:%Y-%m-%d}": paid for day, paid in dividends.items()} == {
        "2012-08-09": 2.65,
        "2012-11-07": 2.65,
        "2013-02-07": 2.65,
    }


def test_the_adjusted_close_moves_as_the_packages_own_does(ticker: yfinance.Ticker) -> None:
    read = ticker.history(start="2000-01-01", end="2013-12-31", auto_adjust=False)["Adj Close"].tolist()

    theirs = stocks.AAPL["adj_close"]
    # Theirs takes a dividend off as a share of the close after it, Yahoo as one of the close before.
    assert [now / then for then, now in itertools.pairwise(read)] == pytest.approx(
        [now / then for then, now in itertools.pairwise(theirs)], abs=3e-4
    )


def test_events_outside_of_the_span_are_not_told_but_still_adjust(ask: httpx.Client) -> None:
    query = f"interval=1d&period1={at('2000-06-19')}&period2={at('2000-06-24')}&events=div,splits"
    [result] = ask.get(f"{CHART}/AAPL?{query}").json()["chart"]["result"]

    opened = at("2000-06-21 09:30")
    wanted = {"date": opened, "numerator": 2, "denominator": 1, "splitRatio": "2:1"}
    assert result["events"] == {"splits": {str(opened): wanted}}
    assert result["indicators"]["quote"][0]["close"][1] == 101.25 / 4


def test_weeks_are_stamped_on_monday_and_bridge_a_split(ask: httpx.Client) -> None:
    query = f"interval=1wk&period1={at('2000-06-19')}&period2={at('2000-06-24')}"
    [result] = ask.get(f"{CHART}/AAPL?{query}").json()["chart"]["result"]

    assert result["timestamp"] == [at("2000-06-19 00:00")]
    assert result["indicators"]["quote"][0]["open"] == [pytest.approx(90.56 / 4)]


def test_hours_begin_with_the_session(ask_spy: httpx.Client, minutes: pl.DataFrame) -> None:
    query = f"interval=1h&period1={at('2013-10-07')}&period2={at('2013-10-08')}"
    [result] = ask_spy.get(f"{CHART}/SPY?{query}").json()["chart"]["result"]

    starts = [at("2013-10-07 09:30") + 3600 * hour for hour in range(7)]
    closes = [
        minutes.filter(pl.col("time").dt.epoch("s").is_between(s, min(s + 3599, starts[0] + 23399)))["close"][-1]
        for s in starts
    ]
    assert result["timestamp"] == starts
    assert result["indicators"]["quote"][0]["close"] == pytest.approx(closes)
    assert "adjclose" not in result["indicators"]


def test_the_hours_before_the_open_are_given_on_demand(ask_spy: httpx.Client) -> None:
    query = f"interval=5m&period1={at('2013-10-07')}&period2={at('2013-10-08')}"
    regular, whole = (
        ask_spy.get(f"{CHART}/SPY?{query}&includePrePost={extended}").json()["chart"]["result"][0]
        for extended in ("false", "true")
    )

    assert len(regular["timestamp"]) == 78
    assert min(whole["timestamp"]) < regular["timestamp"][0] < regular["timestamp"][-1] < max(whole["timestamp"])


def test_crypto_days_are_utc_days_and_both_ends_count(ask_bitcoin: httpx.Client) -> None:
    begin, end = (at(day, ZoneInfo("UTC")) for day in ("2018-05-02", "2018-05-04"))
    [result] = ask_bitcoin.get(f"{CHART}/BTC-USD?interval=1d&period1={begin}&period2={end}").json()["chart"]["result"]

    assert result["timestamp"] == [begin, begin + 86400, end]
    assert result["meta"]["exchangeTimezoneName"] == "UTC"


def test_an_unknown_symbol_is_refused_as_recorded(ask: httpx.Client, shared_data: Path) -> None:
    answer = ask.get(f"{CHART}/NOSUCH?interval=1d&range=1mo")

    wanted = errors(shared_data)["unknown_symbol"]
    assert (answer.status_code, answer.json()) == (wanted["status"], wanted["body"])


@pytest.mark.parametrize(
    ("interval", "days", "width", "case", "asked"),
    [
        ("5m", 80, 70, "range_too_far", ("1728136756", "1791208756")),
        ("1m", 29, 28, "one_minute_too_wide", ("1676577600", "1678996800")),
    ],
)
def test_what_is_out_of_reach_is_refused_as_recorded(
    ask_spy: httpx.Client,
    shared_data: Path,
    *,
    interval: str,
    days: int,
    width: int,
    case: str,
    asked: tuple[str, str],
) -> None:
    start = int((NOW - timedelta(days=days)).timestamp())
    end = start + width * 86400
    answer = ask_spy.get(f"{CHART}/SPY?interval={interval}&period1={start}&period2={end}")

    text = answer.text.replace(str(start), asked[0]).replace(str(end), asked[1])
    assert (answer.status_code, orjson.loads(text)) == (422, errors(shared_data)[case]["body"])


def test_a_span_without_bars_has_the_recorded_shape(ask_spy: httpx.Client, shared_data: Path) -> None:
    query = f"interval=1m&period1={at('2013-10-05')}&period2={at('2013-10-06')}"
    answer = ask_spy.get(f"{CHART}/SPY?{query}").json()

    wanted = recorded(shared_data, "AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m")
    [ours], [theirs] = answer["chart"]["result"], wanted["chart"]["result"]
    assert {**ours, "meta": {}} == {**theirs, "meta": {}}
    assert theirs["meta"].keys() - ours["meta"].keys() == set()


def test_a_span_before_the_first_trade_is_refused(ask: httpx.Client) -> None:
    start, end = at("2011-01-03"), at("2011-02-01")
    answer = ask.get(f"{CHART}/FB?interval=1d&period1={start}&period2={end}")

    wanted = f"Data doesn't exist for startDate = {start}, endDate = {end}"
    assert (answer.status_code, answer.json()["chart"]["error"]["description"]) == (400, wanted)


def test_an_interval_that_yahoo_does_not_have_is_refused(ask: httpx.Client) -> None:
    answer = ask.get(f"{CHART}/AAPL?interval=3h&range=1mo")

    assert answer.status_code == 422
    assert "Invalid input - interval=3h is not supported" in answer.json()["chart"]["error"]["description"]
