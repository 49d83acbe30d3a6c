"""The door refuses vendors' own clients in the words of their vendors, so that they know what to do."""

from __future__ import annotations

from collections.abc import Iterator

import ccxt
import httpx
import pytest
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.api.vendor_side import served
from barhouse.config import Settings
from barhouse.flow.keys import create_key
from barhouse.store.keys import Role, Tier
from barhouse.store.postgres import Database
from tests.servers import Server

ASKED = {
    "polygon": "/compat/polygon/v3/reference/tickers",
    "binance": "/compat/binance/api/v3/time",
    "yahoo": "/compat/yahoo/v8/finance/chart/AAPL",
}


@pytest.fixture(scope="module")
def locked(server: Server) -> Iterator[tuple[str, str]]:
    """The address of a Barhouse that lets each key call twice a minute, and such a key."""
    with server.database() as url:
        with Database(url) as db:
            key = create_key(db, "scripts", role=Role.READ, tier=Tier.FREE, by="test").text
        settings = Settings.model_validate({"database_url": SecretStr(url), "limits": {"free": 2}})
        with served(create(settings)) as base:
            yield base, key


def said(vendor: str, answer: httpx.Response) -> tuple[object, str]:
    """By which code, and in which words, a vendor refuses."""
    body = answer.json()
    match vendor:
        case "polygon":
            assert len(body["request_id"]) == 32
            return body["status"], body.get("error") or body["message"]
        case "binance":
            return body["code"], body["msg"]
        case _:
            assert body["chart"]["result"] is None
            return body["chart"]["error"]["code"], body["chart"]["error"]["description"]


@pytest.mark.parametrize(
    ("vendor", "code"), [("polygon", "ERROR"), ("binance", -2015), ("yahoo", "Unauthorized")], ids=list(ASKED)
)
def test_without_a_key(locked: tuple[str, str], vendor: str, code: object) -> None:
    answer = httpx.get(f"{locked[0]}{ASKED[vendor]}")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert said(vendor, answer) == (
        code,
        "This takes a key that is good: send it as X-API-Key, or as Authorization: Bearer",
    )


@pytest.mark.parametrize(
    ("vendor", "code"), [("polygon", "NOT_AUTHORIZED"), ("binance", -2015), ("yahoo", "Forbidden")], ids=list(ASKED)
)
def test_under_a_foreign_name(locked: tuple[str, str], vendor: str, code: object) -> None:
    answer = httpx.get(f"{locked[0]}{ASKED[vendor]}", headers={"Host": "evil.example"})

    assert answer.status_code == 403
    assert said(vendor, answer)[0] == code


@pytest.mark.parametrize("vendor", ASKED)
def test_a_role_that_reads_changes_nothing(locked: tuple[str, str], vendor: str) -> None:
    base, key = locked

    answer = httpx.post(f"{base}{ASKED[vendor]}", headers={"X-API-Key": key})

    assert answer.status_code == 403
    assert said(vendor, answer)[1] == "This takes a key with the role admin; this one has read"


def test_ccxt_knows_what_is_wrong(locked: tuple[str, str]) -> None:
    base, key = locked
    exchange = {"urls": {"api": {"public": f"{base}/compat/binance/api/v3"}}, "enableRateLimit": False}
    allowed = ccxt.binance({**exchange, "headers": {"X-API-Key": key}})

    with pytest.raises(ccxt.AuthenticationError):
        ccxt.binance(exchange).fetch_time()
    with pytest.raises(ccxt.DDoSProtection):
        for _ in range(3):
            allowed.fetch_time()
    too_many = httpx.get(f"{base}{ASKED['polygon']}", headers={"X-API-Key": key})

    assert too_many.status_code == 429
    assert 1 <= int(too_many.headers["retry-after"]) <= 60
    assert said("polygon", too_many)[0] == "ERROR"
    assert said("polygon", too_many)[1].startswith("2 calls a minute are allowed here")


def test_a_path_that_the_vendor_has_and_we_have_not(locked: tuple[str, str]) -> None:
    base, _ = locked

    with httpx.Client(base_url=base) as web:
        shapes = {vendor: web.get(f"/compat/{vendor}/nowhere").json().keys() for vendor in ASKED}

    assert shapes == {
        "polygon": {"status", "error", "request_id"},
        "binance": {"code", "msg"},
        "yahoo": {"chart"},
    }
