"""Symbols in every spelling."""

from __future__ import annotations

import pytest

from barhouse.errors import CannotServe, InvalidParameter
from barhouse.model import AssetClass, Instrument
from barhouse.sources.symbols import instrument, spelled

CRYPTO, STOCK, ETF = AssetClass.CRYPTO, AssetClass.STOCK, AssetClass.ETF


@pytest.mark.parametrize("written", ["BTC", "BTC-USD", "BTCUSD", "BTCUSDT", "X:BTCUSD", "btc-usd", "BTC/USDT", " BTC "])
def test_a_coin_is_one_instrument_however_it_is_written(written: str) -> None:
    coin = instrument(written, CRYPTO)

    assert coin == Instrument("BTC", CRYPTO)
    assert [spelled(coin, vendor) for vendor in ("polygon", "yahoo", "binance")] == ["X:BTCUSD", "BTC-USD", "BTCUSDT"]


@pytest.mark.parametrize("written", ["BTC-EUR", "BTCEUR", "X:BTCEUR"])
def test_another_quote_currency_is_kept(written: str) -> None:
    coin = instrument(written, CRYPTO)

    assert coin.symbol == "BTC-EUR"
    assert [spelled(coin, vendor) for vendor in ("polygon", "yahoo", "binance")] == ["X:BTCEUR", "BTC-EUR", "BTCEUR"]


@pytest.mark.parametrize(
    ("written", "at_binance"),
    [
        ("USDT", "USDTUSDT"),
        ("TUSD", "TUSDUSDT"),
        ("FDUSD", "FDUSDUSDT"),
        ("WBTC", "WBTCUSDT"),
        ("USDCUSDT", "USDCUSDT"),
    ],
)
def test_a_coin_that_ends_like_a_currency_stays_whole(written: str, at_binance: str) -> None:
    assert spelled(instrument(written, CRYPTO), "binance") == at_binance


@pytest.mark.parametrize("symbol", ["BRK.B", "BTCS", "ETHE", "BTC", "ETH", "BTCUSD", "SOLUSDT"])
@pytest.mark.parametrize("asset_class", [STOCK, ETF])
def test_a_stock_is_a_stock_whatever_its_letters(symbol: str, asset_class: AssetClass) -> None:
    share = instrument(symbol, asset_class)

    assert share == Instrument(symbol, asset_class)
    assert spelled(share, "polygon") == symbol


def test_share_classes_are_written_as_each_vendor_does() -> None:
    assert instrument("BRK-B", STOCK).symbol == "BRK.B"
    assert spelled(Instrument("BRK.B"), "polygon") == "BRK.B"
    assert spelled(Instrument("BRK.B"), "yahoo") == "BRK-B"


def test_lower_case_is_a_habit_and_mixed_case_a_name() -> None:
    assert instrument("aapl", STOCK).symbol == "AAPL"
    assert instrument("KIMpL", STOCK).symbol == "KIMpL"


def test_binance_has_no_stocks() -> None:
    with pytest.raises(CannotServe):
        spelled(Instrument("AAPL"), "binance")


@pytest.mark.parametrize("written", ["", "../AAPL", "AAPL?x=1", "A B", "AAPL/..", "'; DROP"])
@pytest.mark.parametrize("asset_class", list(AssetClass))
def test_what_is_no_symbol_is_refused(written: str, asset_class: AssetClass) -> None:
    with pytest.raises(InvalidParameter):
        instrument(written, asset_class)
