"""The vendor side as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl

from barhouse.api.compat.frames import FrameShelf
from barhouse.api.sample import sample
from barhouse.api.vendor_side import create, running, served
from barhouse.model import AssetClass, Timeframe
from tests.contract.vendor_side.conftest import asker, split

DAYS = "/v2/aggs/ticker/IBM/range/1/day/2013-02-25/2013-03-01?adjusted=false"
OWNER = """
import sys, time
from barhouse.api.vendor_side import running
with running() as url:
    sys.stdout.write(url + "\\n")
    sys.stdout.flush()
    time.sleep(600)
"""


def answers(url: str) -> bool:
    """Whether somebody listens at `url`."""
    try:
        return httpx.get(f"{url}/vendor-side/calls", timeout=2).is_success
    except httpx.TransportError:
        return False


def test_it_runs_beside_and_ends_with_the_block() -> None:
    with running() as url, asker(url) as client:
        assert client.get(DAYS).json()["resultsCount"] == 5

    assert not answers(url)


def test_it_ends_when_its_owner_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    url = owner.stdout.readline().strip()
    assert answers(url)

    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    deadline = time.monotonic() + 120
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answers(url)


def test_it_serves_a_folder_of_frames(tmp_path: Path) -> None:
    year = datetime(2005, 1, 1, tzinfo=UTC), datetime(2006, 1, 1, tzinfo=UTC)
    bars = sample().bars("AAPL", AssetClass.STOCK, Timeframe.D1, *year)
    assert bars is not None
    (tmp_path / "stock").mkdir()
    bars.write_parquet(tmp_path / "stock" / "BRK.B.1d.parquet")
    split((date(2005, 2, 28), 2)).with_columns(symbol=pl.lit("BRK.B")).write_parquet(tmp_path / "splits.parquet")

    with running(tmp_path) as url, asker(url) as client:
        polygon = client.get("/v2/aggs/ticker/BRK.B/range/1/day/2005-02-25/2005-02-25").json()
        yahoo = client.get("/v8/finance/chart/BRK-B?interval=1d&period1=1109307600&period2=1109394000").json()

    assert polygon["results"][0]["c"] == 88.99 / 2
    assert yahoo["chart"]["result"][0]["timestamp"] == [1109341800]


def test_it_counts_the_calls_of_each_vendor() -> None:
    with served(create(sample())) as url, asker(url) as client:
        client.get(DAYS)
        client.get("/v3/reference/splits")
        client.get("/v8/finance/chart/IBM")
        client.get("/api/v3/ping")
        counted = client.get("/vendor-side/calls").json()

    assert counted == {"polygon": 2, "yahoo": 1, "binance": 1}


def test_a_timeframe_that_a_shelf_lacks_is_built_from_a_finer_one(minutes: pl.DataFrame) -> None:
    shelf = FrameShelf({("SPY", AssetClass.ETF, Timeframe.M1): minutes})
    span = minutes["time"][0] - timedelta(hours=1), minutes["time"][-1]

    built = shelf.bars("SPY", AssetClass.ETF, Timeframe.M5, *span)
    days = shelf.bars("SPY", AssetClass.ETF, Timeframe.D1, *span)

    assert built is not None and days is not None
    first = minutes.filter(pl.col("time") < built["time"][0] + timedelta(minutes=5))
    assert (built["open"][0], built["volume"][0]) == (first["open"][0], first["volume"].sum())
    assert days.is_empty()
    assert shelf.bars("SPY", AssetClass.STOCK, Timeframe.M1, *span) is None
