"""yfinance over the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd
import pytest
import yfinance
from yfinance.data import YfData

CHART = "/v8/finance/chart"


@contextmanager
def asked_at(base: str, patch: pytest.MonkeyPatch, cache: Path) -> Iterator[None]:
    """yfinance asks at our address instead of Yahoo's; a crumb at hand keeps it off the network."""
    patch.setattr("yfinance.scrapers.history._BASE_URL_", base)
    patch.setattr("yfinance.base._BASE_URL_", base)
    yfinance.set_tz_cache_location(str(cache))
    data = YfData()
    data._crumb, data._cookie = "crumb", "cookie"
    yield
    data._crumb = data._cookie = None


@pytest.mark.parametrize(
    ("symbol", "start", "end", "interval", "rows"),
    [
        ("AAPL", "2000-03-01", "2013-03-02", "1d", 3270),
        ("AAPL", "2005-01-03", "2005-04-04", "1wk", 13),
        ("BTC-USD", "2024-03-04", "2024-03-18", "1d", 14),
    ],
)
def test_it_reads_the_same_history(
    vendors: str, barhouse: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, symbol: str, start: str,
    end: str, interval: str, rows: int,
) -> None:  # fmt: skip
    read = []
    for number, base in enumerate((f"{barhouse}/compat/yahoo", vendors)):
        with monkeypatch.context() as patch, asked_at(base, patch, tmp_path / str(number)):
            ticker = yfinance.Ticker(symbol)
            read.append(ticker.history(start=start, end=end, interval=interval, auto_adjust=False, actions=True))

    ours, theirs = read
    pd.testing.assert_frame_equal(ours, theirs)
    assert len(ours) == rows


@pytest.mark.parametrize(
    ("interval", "extended", "rows"), [("5m", "false", 78), ("5m", "true", 108), ("1h", "false", 7)]
)
def test_shorter_bars_come_from_any_time_that_was_kept(
    vendors: str, barhouse: str, interval: str, extended: str, rows: int
) -> None:
    query = f"interval={interval}&period1=1709528400&period2=1709614799&includePrePost={extended}"
    ours = httpx.get(f"{barhouse}/compat/yahoo{CHART}/SPY?{query}").json()["chart"]["result"][0]
    theirs = httpx.get(f"{vendors}{CHART}/SPY?{query}").json()["chart"]["result"][0]

    assert ours["timestamp"] == theirs["timestamp"]
    assert ours["indicators"] == theirs["indicators"]
    assert len(ours["timestamp"]) == rows


def test_an_unknown_symbol_is_refused_as_the_vendor_does(vendors: str, barhouse: str) -> None:
    ours, theirs = (httpx.get(f"{base}{CHART}/NOSUCH") for base in (f"{barhouse}/compat/yahoo", vendors))

    assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())
    assert ours.status_code == 404


def test_bars_that_were_never_read_are_refused(barhouse: str) -> None:
    answer = httpx.get(f"{barhouse}/compat/yahoo{CHART}/AAPL?interval=5m&range=5d")

    assert answer.status_code == 404
    assert "barhouse track AAPL" in answer.json()["chart"]["error"]["description"]
