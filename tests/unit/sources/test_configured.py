"""Which sources the settings open."""

from __future__ import annotations

from pydantic import SecretStr

from barhouse.config import Settings
from barhouse.model import AssetClass
from barhouse.sources import configured
from barhouse.sources.order import ORDER


def test_without_a_key_polygon_is_no_source() -> None:
    assert "polygon" not in configured(Settings(polygon_api_key=None))


def test_with_a_key_every_source_of_the_order_is_there() -> None:
    sources = configured(Settings(polygon_api_key=SecretStr("k")))

    assert set(sources) == {name for asset_class in AssetClass for name in ORDER[asset_class]}
    assert all(source.name == name for name, source in sources.items())
