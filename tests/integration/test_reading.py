"""Bars that were kept are read as they were, whole or page by page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from barhouse import DatabaseService
from barhouse.errors import UnknownSymbol
from barhouse.features import registry
from barhouse.model import AssetClass, Series, Span, Timeframe
from barhouse.store import reading
from barhouse.store.reading import Selection
from tests.answers import real
from tests.servers import Server
from tests.warehouse import filled

FIVE = ["time", "open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def kept(server: Server) -> Iterator[DatabaseService]:
    with filled(server) as url, DatabaseService(url) as db:
        yield db


def series(db: DatabaseService, symbol: str, timeframe: Timeframe, asset_class: AssetClass | None = None) -> Series:
    return Series(db.find(symbol, asset_class), timeframe)


def closes(db: DatabaseService, **which: object) -> list[float]:
    selection = Selection(series(db, "ODD", Timeframe.H1), **which)  # type: ignore[arg-type]
    return [-1 if math.isnan(close) else close for close in db.bars(selection)["close"]]


@pytest.mark.parametrize("size", [1, 999, 3270, 5000])
def test_pages_of_any_size_hold_every_bar_once_and_in_order(kept: DatabaseService, size: int) -> None:
    aapl = Selection(series(kept, "AAPL", Timeframe.D1), Span(datetime(2001, 1, 1, tzinfo=UTC), reading.ALL_TIME.end))
    expected = real("AAPL").filter(pl.col("time") >= datetime(2001, 1, 1, tzinfo=UTC))
    if size == 1:
        aapl, expected = aapl.after(expected["time"][-4]), expected.tail(3)

    pages = list(kept.pages(aapl, size))

    assert_frame_equal(pl.concat(pages).select(FIVE), expected.select(FIVE))
    assert {page.height for page in pages[:-1]} <= {size}


def test_a_limit_ends_the_pages_wherever_it_falls(kept: DatabaseService) -> None:
    aapl = Selection(series(kept, "AAPL", Timeframe.D1))

    heights = [[page.height for page in kept.pages(aapl, 100, limit)] for limit in (50, 100, 250)]

    assert heights == [[50], [100], [100, 100, 50]]


def test_no_bars_are_one_page_with_columns_and_no_rows(kept: DatabaseService) -> None:
    selection = Selection(series(kept, "AAPL", Timeframe.M1))

    [page] = kept.pages(selection)

    assert page.height == 0
    assert page.schema == {**selection.schema}


def test_a_span_holds_its_start_and_not_its_end(kept: DatabaseService) -> None:
    span = Span(datetime(2012, 1, 3, tzinfo=UTC), datetime(2012, 1, 5, tzinfo=UTC))

    found = kept.bars(Selection(series(kept, "AAPL", Timeframe.D1), span))

    assert found["time"].dt.day().to_list() == [3, 4]
    assert found["close"].to_list() == [411.23, 413.44]


def test_forming_bars_are_never_read_and_extended_ones_when_asked_for(kept: DatabaseService) -> None:
    assert closes(kept) == [10, 11, -1, 13]
    assert closes(kept, extended=True) == [9, 10, 11, -1, 13]


def test_bars_can_be_asked_to_be_good_enough(kept: DatabaseService) -> None:
    assert closes(kept, validated_only=True) == [10, -1, 13]
    assert closes(kept, min_quality=0.95) == [10, 13]


def test_the_source_comes_by_its_name(kept: DatabaseService) -> None:
    found = kept.bars(Selection(series(kept, "ODD", Timeframe.H1)))

    assert found["source"].to_list() == ["yahoo", "yahoo", "elsewhere", None]


def test_the_newest_bars_come_oldest_first(kept: DatabaseService) -> None:
    found = kept.newest(Selection(series(kept, "AAPL", Timeframe.D1)), 3)

    assert_frame_equal(found.select(FIVE), real("AAPL").tail(3).select(FIVE))


def test_features_stand_beside_the_bars_that_they_were_computed_from(kept: DatabaseService) -> None:
    aapl = Selection(series(kept, "AAPL", Timeframe.D1), features=tuple(registry))

    found = kept.bars(aapl)

    assert found.columns[-22:] == list(registry)
    mean = found["close"].rolling_mean(10)
    assert_frame_equal(found.select(rolling_mean_10=mean).tail(200), found.select("rolling_mean_10").tail(200))


def test_a_coin_has_its_inputs_once_and_its_features_beside(kept: DatabaseService) -> None:
    btc = Selection(series(kept, "BTC", Timeframe.D1, AssetClass.CRYPTO), features=tuple(registry))

    [bar] = kept.bars(btc).to_dicts()

    assert (bar["close"], bar["quote_volume"], bar["taker_buy_volume"], bar["funding_rate"]) == (67000, 99, 3, 0.0001)
    assert len(bar) == len(set(btc.columns)) == 12 + 9 + 22 - 2  # long/short and inflow are inputs and features


@pytest.mark.parametrize(
    ("written", "meant"), [("aapl", "AAPL"), ("eth-usd", "ETH"), ("ETH/USD", "ETH"), ("ETHUSDT", "ETH")]
)
def test_a_symbol_is_found_however_it_is_spelled(kept: DatabaseService, written: str, meant: str) -> None:
    assert kept.find(written).symbol == meant


def test_a_symbol_that_nobody_keeps_is_not_found(kept: DatabaseService) -> None:
    with pytest.raises(UnknownSymbol, match="barhouse track NONE"):
        kept.find("NONE")


def test_series_are_described_by_what_they_hold(kept: DatabaseService) -> None:
    [aapl] = [row for row in kept.described() if row["symbol"] == "AAPL"]

    assert (aapl["bars"], aapl["revision"]) == (3270, 1)
    assert aapl["quality_score"] == pytest.approx(0.4 * 5 / 7 + 0.6, abs=0.02)  # five fields of Polygon's seven
    assert kept.totals()["bars"] == 3270 + 6 + 3
