"""Which sources the settings open."""

from __future__ import annotations

from contextlib import suppress

from pydantic import SecretStr

from barhouse.config import Settings
from barhouse.config.parts import Vendor, Vendors
from barhouse.errors import SourceUnavailable
from barhouse.model import AssetClass
from barhouse.resilience import get_resilience_manager
from barhouse.resilience.breaker import State
from barhouse.resilience.manager import Measures, guards
from barhouse.sources import configured
from barhouse.sources.order import ORDER


def test_without_a_key_polygon_is_no_source() -> None:
    assert "polygon" not in configured(Settings(polygon_api_key=None))


def test_with_a_key_every_source_of_the_order_is_there() -> None:
    sources = configured(Settings(polygon_api_key=SecretStr("k")))

    assert set(sources) == {name for asset_class in AssetClass for name in ORDER[asset_class]}
    assert all(source.name == name for name, source in sources.items())


def test_a_vendor_is_called_as_it_is_set() -> None:
    told = Vendor(attempts=2, failure_share=0.25, recovery=7, calls_a_second=3, calls_at_once=11)
    settings = Settings(polygon_api_key=SecretStr("k"), vendors=Vendors(polygon=told))

    configured(settings)

    status = {
        kind: {each["name"]: each for each in told} for kind, told in get_resilience_manager().get_status().items()
    }
    assert status["retry_policies"]["polygon"]["max_retries"] == 1
    assert status["rate_limiters"]["polygon"]["rate"] == 3
    assert status["bulkheads"]["polygon"]["max_concurrent"] == 11
    assert status["retry_policies"]["yahoo"]["max_retries"] == 4


def test_a_breaker_opens_at_the_share_that_is_set() -> None:
    breaker = guards("v", measures=Measures(failure_share=0.25)).breaker

    for error in (None, None, None, SourceUnavailable("v", "503"), SourceUnavailable("v", "503")):
        with suppress(SourceUnavailable):
            breaker.call(answer, error)

    assert breaker.state is State.OPEN


def answer(error: SourceUnavailable | None) -> None:
    if error:
        raise error
