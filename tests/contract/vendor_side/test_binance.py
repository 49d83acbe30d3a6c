"""Binance's protocol, as its documented example and ccxt have it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ccxt
import httpx
import orjson
import polars as pl
import pytest

from barhouse.api.compat.frames import FrameShelf
from barhouse.api.vendor_side import create, served
from barhouse.model import AssetClass, Timeframe
from tests.contract.vendor_side.conftest import asker

NOW = datetime(2017, 7, 20, tzinfo=UTC)
KLINES = "/api/v3/klines"


def documented(shared_data: Path) -> Any:
    return orjson.loads((shared_data / "payloads" / "binance" / "klines_documented_example.json").read_bytes())


def settled(name: str, *values: float) -> pl.DataFrame:
    """What an exchange reported of a coin, every eight hours from 2017-07-18 on."""
    first = datetime(2017, 7, 18, tzinfo=UTC)
    return pl.DataFrame({"time": [first + timedelta(hours=8 * i) for i in range(len(values))], "value": values})


@pytest.fixture(scope="module")
def client(shared_data: Path) -> Iterator[httpx.Client]:
    """A shelf that has the documented example, with everything that a kline tells."""
    [[_, *prices, volume, _, quote, trades, taker, _, _]] = documented(shared_data)
    numbers = dict(zip(("open", "high", "low", "close", "volume"), map(float, [*prices, volume]), strict=True))
    bar = {
        "time": datetime(2017, 7, 3, tzinfo=UTC),
        **numbers,
        "quote_volume": float(quote),
        "trades": float(trades),
        "taker_buy_volume": float(taker),
    }
    shelf = FrameShelf(
        {("ETHBTC", AssetClass.CRYPTO, Timeframe.D1): pl.DataFrame([bar])},
        inputs={
            ("ETHBTC", "funding_rate"): settled("funding_rate", 0.0001, -0.00025, 0.0003),
            ("ETHBTC", "open_interest"): settled("open_interest", 20403.637, 20500.5),
            ("ETHBTC", "long_short_ratio"): settled("long_short_ratio", 1.0, 3.0),
        },
        now=lambda: NOW,
    )
    with served(create(shelf)) as url, asker(url) as client:
        yield client


@pytest.fixture
def exchange(bitcoin_url: str) -> ccxt.binance:
    """ccxt's Binance at our address."""
    binance = ccxt.binance({"options": {"fetchMarkets": {"types": ["spot"]}}, "enableRateLimit": False})
    binance.urls["api"]["public"] = f"{bitcoin_url}/api/v3"
    return binance


def test_a_kline_is_the_documented_one(client: httpx.Client, shared_data: Path) -> None:
    [ours] = client.get(f"{KLINES}?symbol=ETHBTC&interval=1w").json()

    [theirs] = documented(shared_data)
    assert [type(field) for field in ours] == [type(field) for field in theirs]
    # The warehouse does not keep the takers' turnover: field 10 is their share of the whole turnover.
    assert ours[:10] + ours[11:] == theirs[:10] + theirs[11:]
    assert float(ours[10]) == pytest.approx(float(theirs[10]), rel=0.01)


def test_ccxt_reads_every_bar(exchange: ccxt.binance, hours: pl.DataFrame) -> None:
    since = int(hours["time"][0].timestamp() * 1000)
    read: list[list[float]] = []
    while batch := exchange.fetch_ohlcv("BTC/USDT", "1h", since=since, limit=50):
        read += batch
        since = int(batch[-1][0]) + 1

    wanted = hours.select(pl.col("time").dt.epoch("ms"), "open", "high", "low", "close", pl.col("volume").round(8))
    assert [tuple(row) for row in read] == wanted.rows()


def test_longer_bars_are_those_of_the_utc_clock(exchange: ccxt.binance, hours: pl.DataFrame) -> None:
    read = exchange.fetch_ohlcv("BTC/USDT", "4h", since=int(hours["time"][0].timestamp() * 1000), limit=2)

    four = hours.head(4)
    assert read[0] == [
        hours["time"][0].timestamp() * 1000,
        four["open"][0],
        four["high"].max(),
        four["low"].min(),
        four["close"][-1],
        pytest.approx(four["volume"].sum()),
    ]
    assert read[1][0] - read[0][0] == 4 * 3_600_000


def test_without_a_start_the_newest_bars_come(ask_bitcoin: httpx.Client, hours: pl.DataFrame) -> None:
    end = int(hours["time"][-1].timestamp() * 1000)
    rows = ask_bitcoin.get(f"{KLINES}?symbol=BTCUSDT&interval=1h&limit=3&endTime={end}").json()

    assert [row[0] for row in rows] == hours["time"].tail(3).dt.epoch("ms").to_list()


@pytest.mark.parametrize(("limit", "count"), [("", 500), ("&limit=1000", 1000), ("&limit=5000", 1000)])
def test_an_answer_has_at_most_a_thousand_bars(limit: str, count: int) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    times = pl.datetime_range(start, start + timedelta(minutes=1500), "1m", time_unit="us", eager=True)
    bars = pl.DataFrame({"time": times, **dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)})
    with served(create(FrameShelf({("BTCUSDT", AssetClass.CRYPTO, Timeframe.M1): bars}))) as url:
        rows = httpx.get(f"{url}{KLINES}?symbol=BTCUSDT&interval=1m&startTime=0{limit}").json()

    assert len(rows) == count
    assert rows[0][0] == start.timestamp() * 1000


@pytest.mark.parametrize(
    ("query", "case"),
    [("symbol=NOSUCH&interval=1h", "bad_symbol"), ("symbol=BTCUSDT&interval=7m", "bad_interval")],
)
def test_a_bad_symbol_and_a_bad_interval_are_refused_as_recorded(
    ask_bitcoin: httpx.Client, shared_data: Path, query: str, case: str
) -> None:
    answer = ask_bitcoin.get(f"{KLINES}?{query}")

    wanted = orjson.loads((shared_data / "payloads" / "vendor_errors.json").read_bytes())["binance"][case]
    assert (answer.status_code, answer.json()) == (wanted["status"], wanted["body"])


def test_a_span_without_bars_is_an_empty_list(ask_bitcoin: httpx.Client) -> None:
    assert ask_bitcoin.get(f"{KLINES}?symbol=BTCUSDT&interval=1h&startTime=0&endTime=1000").json() == []


def test_each_answer_tells_the_weight_of_the_minute(client: httpx.Client) -> None:
    first, second = (client.get("/api/v3/ping").headers["X-MBX-USED-WEIGHT-1M"] for _ in range(2))

    assert int(second) == int(first) + 1 or int(second) == 1


def test_funding_comes_at_its_settlements(client: httpx.Client) -> None:
    start = int(datetime(2017, 7, 18, 1, tzinfo=UTC).timestamp() * 1000)
    rows = client.get(f"/fapi/v1/fundingRate?symbol=ETHBTC&startTime={start}").json()

    assert [row["fundingRate"] for row in rows] == ["-0.00025000", "0.00030000"]
    assert [row["fundingTime"] - start for row in rows] == [7 * 3_600_000, 15 * 3_600_000]


def test_statistics_come_at_the_steps_of_their_period(client: httpx.Client) -> None:
    interest = client.get("/futures/data/openInterestHist?symbol=ETHBTC&period=8h")
    daily = client.get("/futures/data/openInterestHist?symbol=ETHBTC&period=1d").json()
    ratio = client.get("/futures/data/globalLongShortAccountRatio?symbol=ETHBTC&period=4h").json()

    assert interest.status_code == 400
    assert [row["sumOpenInterest"] for row in daily] == ["20403.63700000"]
    assert [(row["longAccount"], row["shortAccount"]) for row in ratio] == [("0.5000", "0.5000"), ("0.7500", "0.2500")]


def test_statistics_reach_thirty_days_back(client: httpx.Client) -> None:
    start = int((NOW - timedelta(days=31)).timestamp() * 1000)
    answer = client.get(f"/futures/data/openInterestHist?symbol=ETHBTC&period=1h&startTime={start}")

    assert (answer.status_code, answer.json()["code"]) == (400, -1130)
