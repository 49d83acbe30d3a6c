"""What administrators rely on: symbols tracked, changed and put away over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from barhouse.api.app import create
from barhouse.config import Settings
from barhouse.flow import instruments
from barhouse.flow.keys import create_key
from barhouse.store.keys import Role
from barhouse.store.postgres import Database
from tests.warehouse import ODD_HOURS, TWO_OF_A_NAME

HERE = "http://127.0.0.1:8000"
SYMBOLS = "/api/v1/admin/symbols"


@pytest.fixture
def api(db: Database) -> Iterator[TestClient]:
    with TestClient(create(Settings(database_url=SecretStr(db.url))), HERE) as api:
        yield api


def told(api: TestClient, method: str, path: str = "", **more: Any) -> Any:
    response = api.request(method, f"{SYMBOLS}{path}", **more)
    assert response.status_code == 200, response.text
    return response.json()


def tracked(db: Database) -> list[str]:
    """What the schedulers see when they fire."""
    return [str(each.series) for each in instruments.tracked(db)]


def test_many_symbols_are_tracked_at_once(api: TestClient, db: Database) -> None:
    wanted = {"symbols": ["AAPL", "msft", "BRK-B"], "timeframes": ["1d", "1h"], "since": "1990-01-01"}

    answer = told(api, "POST", json=wanted)

    assert [each["symbol"] for each in answer["symbols"]] == ["AAPL", "BRK.B", "MSFT"]
    assert tracked(db) == ["AAPL 1h", "AAPL 1d", "BRK.B 1h", "BRK.B 1d", "MSFT 1h", "MSFT 1d"]
    hours, days = answer["symbols"][0]["timeframes"]
    assert (hours["timeframe"], hours["since"], hours["sources"]) == ("1h", "1990-01-01T00:00:00Z", ["yahoo"])
    assert hours["unreachable"][0]["start"] == "1990-01-01T00:00:00Z"
    assert days["unreachable"] == []
    assert told(api, "GET")["count"] == 3


def test_the_log_names_who_changed_what(api: TestClient, db: Database) -> None:
    structlog.reset_defaults()  # commands of other tests log warnings only
    admin = create_key(db, "ops", role=Role.ADMIN, by="test").text
    wanted = {"timeframes": ["1d"]}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "", {"json": wanted | {"symbols": ["AAPL"]}}),
        ("PUT", "/AAPL/timeframes", {"json": wanted}),
        ("PATCH", "/AAPL", {"json": {"since": "2020-01-01"}}),
        ("DELETE", "/AAPL", {}),
    ]

    with capture_logs() as logged:
        for method, path, more in calls:
            told(api, method, path, headers={"X-API-Key": admin}, **more)

    names = [(each["event"], each["by"]) for each in logged if "by" in each]
    events = ("series_tracked", "series_dropped", "series_tracked", "symbol_changed", "symbols_put_away")
    assert names == [(event, "api:ops") for event in events]


def test_thousands_are_tracked_at_once_and_listed_page_by_page(api: TestClient, db: Database) -> None:
    wanted = [f"S{number:04}" for number in range(3000)]

    begun = time.monotonic()
    made = told(api, "POST", json={"symbols": wanted, "timeframes": ["1d", "1h"], "asset_class": "etf"})
    took = time.monotonic() - begun

    assert made["count"] == len(wanted)
    assert len(tracked(db)) == 6000
    assert took < 30
    pages, cursor = list[list[str]](), None
    while not pages or cursor:
        page = told(api, "GET", params={"limit": 1400} | ({"cursor": cursor} if cursor else {}))
        pages.append([each["symbol"] for each in page["symbols"]])
        cursor = page["next_cursor"]
    assert [len(page) for page in pages] == [1400, 1400, 200]
    assert [symbol for page in pages for symbol in page] == wanted
    assert told(api, "GET", params={"text": "s299"})["count"] == 10
    assert told(api, "GET", params={"cursor": 10**17})["count"] == 0


def test_what_was_put_away_is_not_fetched_and_comes_back(api: TestClient, db: Database) -> None:
    told(api, "POST", json={"symbols": ["AAPL"]})

    assert told(api, "DELETE", "/AAPL")["active"] is False
    assert tracked(db) == []
    assert told(api, "GET", params={"active": True})["symbols"] == []
    assert told(api, "PATCH", "/aapl", json={"active": True})["active"] is True
    assert tracked(db) == ["AAPL 1d"]
    told(api, "DELETE", "/AAPL")
    told(api, "POST", json={"symbols": ["AAPL"]})
    assert tracked(db) == ["AAPL 1d"]


def test_timeframes_come_and_go(api: TestClient, db: Database) -> None:
    told(api, "POST", json={"symbols": ["AAPL"]})

    told(api, "POST", "/AAPL/timeframes", json={"timeframes": ["1h", "15m"]})
    assert tracked(db) == ["AAPL 15m", "AAPL 1h", "AAPL 1d"]
    told(api, "PUT", "/AAPL/timeframes", json={"timeframes": ["1w", "1d"]})
    assert tracked(db) == ["AAPL 1d", "AAPL 1w"]
    told(api, "DELETE", "/AAPL/timeframes", params={"timeframes": ["1w"]})
    assert tracked(db) == ["AAPL 1d"]
    states = {each["timeframe"]: each["tracked"] for each in told(api, "GET", "/AAPL/timeframes")}
    assert states == {"15m": False, "1h": False, "1d": True, "1w": False}


def test_a_start_and_an_exchange_can_be_changed(api: TestClient) -> None:
    told(api, "POST", json={"symbols": ["VOD"], "since": "2020-01-01"})

    changed = told(api, "PATCH", "/VOD", json={"exchange": "XLON", "since": "2022-01-01"})

    assert (changed["exchange"], changed["timeframes"][0]["since"]) == ("XLON", "2022-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "detail"),
    [
        ("GET", "/NONE", None, 404, "'NONE' is not tracked"),
        ("DELETE", "/NONE", None, 404, "'NONE' is not tracked"),
        ("GET", "/%00", None, 422, "NUL"),
        ("GET", "/BTC", None, 409, "name its asset_class"),
        ("DELETE", "/BTC", None, 409, "name its asset_class"),
        ("GET", "/BTC?asset_class=bond", None, 400, "Invalid asset class"),
        ("POST", "", {"symbols": ["AAPL"], "timeframes": ["2h", "3d"]}, 400, "Invalid timeframes: ['2h', '3d']"),
        ("POST", "", {"symbols": ["AAPL"], "asset_class": "bond"}, 400, "Invalid asset class"),
        ("POST", "", {"symbols": ["BTC"]}, 409, "name its asset_class"),
        ("POST", "", {"symbols": ["no symbol"]}, 422, "is no symbol"),
        ("POST", "", {"symbols": ["AAPL"], "exchange": "NOWHERE"}, 422, "No calendar"),
        ("POST", "", {"symbols": ["AAPL"], "since": "soon"}, 422, "is no date"),
        ("POST", "", {"symbols": []}, 422, "symbols"),
        ("POST", "", {"symbols": ["AAPL"], "colour": "red"}, 422, "colour"),
        ("PATCH", "/ODD", {"exchange": "XLON"}, 409, "kept by the calendar of XNYS"),
        ("PUT", "/ODD/timeframes", {"timeframes": ["2h"]}, 400, "Invalid timeframes: ['2h']"),
        ("DELETE", "/ODD/timeframes?timeframes=2h", None, 400, "Invalid timeframes: ['2h']"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(
    api: TestClient, db: Database, method: str, path: str, body: Any, status: int, detail: str
) -> None:
    with db.transaction() as connection:
        connection.execute(ODD_HOURS)
        connection.execute(TWO_OF_A_NAME)
    before = told(api, "GET")["symbols"]

    response = api.request(method, f"{SYMBOLS}{path}", json=body)

    assert (response.status_code, detail in response.json()["detail"]) == (status, True), response.text
    assert told(api, "GET")["symbols"] == before
