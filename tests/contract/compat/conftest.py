"""One market, sold by the vendor side and by a warehouse that was filled from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from barhouse.api.vendor_side import create, served
from tests.contract.compat import market
from tests.servers import Server


@pytest.fixture(scope="package")
def vendors() -> Iterator[str]:
    """The vendor side."""
    with served(create(market.shelf())) as url:
        yield url


@pytest.fixture(scope="package")
def filled(server: Server, vendors: str) -> Iterator[str]:
    """The URL of the database of a Barhouse that was filled from the vendor side."""
    with market.warehouse(server, dict.fromkeys(("polygon", "yahoo", "binance"), vendors), market.SERIES) as url:
        yield url


@pytest.fixture(scope="package")
def barhouse(filled: str) -> Iterator[str]:
    """Its address."""
    with market.opened(filled) as base:
        yield base
