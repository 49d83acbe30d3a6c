"""What operators see of the vendors' calls: the real app over a real PostgreSQL."""

from __future__ import annotations

import asyncio
from functools import partial
from hashlib import sha256

import pytest
from pydantic import SecretStr

from barhouse.config import Settings
from barhouse.errors import CircuitOpen, SourceUnavailable
from barhouse.flow.vendors import Shared
from barhouse.model import Instrument, Series, Span, Timeframe, moment
from barhouse.resilience.retry import Retry
from barhouse.sources import configured
from barhouse.sources.polygon import Polygon
from barhouse.store.postgres import Database
from tests.contract.test_api import client
from tests.vendors import Reply, vendor

YEAR = Span(moment("2020-01-01"), moment("2021-01-01"))
QUICK = Retry(wait_initial=0.001, wait_jitter=0.0)
AAPL = Series(Instrument("AAPL"), Timeframe.D1)


async def failing(polygon: Polygon) -> None:
    """Ask until the circuit is open."""
    with pytest.raises(SourceUnavailable):
        await polygon.actions(AAPL, YEAR)
    with pytest.raises(CircuitOpen):
        await polygon.actions(AAPL, YEAR)
    await polygon.close()


def test_an_ill_vendor_is_seen_with_its_quota_and_its_refusals(db: Database) -> None:
    with vendor([Reply(b"", 429, {"retry-after": "0"}), Reply(b"", 500)]) as host:
        settings = Settings(polygon_api_key=SecretStr("k"), polygon_url=host.url, polygon_calls_per_minute=100)
        polygon = configured(settings, partial(Shared, db), retry=QUICK)["polygon"]
        assert isinstance(polygon, Polygon)
        asyncio.run(failing(polygon))

    with client(db.url) as api:
        told = api.get("/api/v1/admin/resilience").json()

    lists = ("circuit_breakers", "rate_limiters", "retry_policies", "bulkheads")
    states = {name: {item["name"]: item["state"] for item in told[name]} for name in lists}
    assert states["circuit_breakers"]["polygon"] == "open"
    assert {states[name]["polygon"] for name in lists[1:]} == {"available", "active"}
    [quota] = told["quotas"]
    assert quota["holder"] == sha256(b"k").hexdigest()[:12]
    assert (quota["limit"], quota["used"], quota["total_requests"]) == (100, 6, 6)
    assert polygon.total_requests == host.calls == 6
    assert (quota["rate_limited_count"], polygon.rate_limited_count) == (1, 1)
    assert quota["rate_limited_share"] == 0.1667
