"""What scripts rely on when they ask for many symbols at once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl
import pytest
from fastapi.testclient import TestClient
from polars.testing import assert_frame_equal
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.config import Settings
from tests.answers import real
from tests.servers import Server
from tests.warehouse import filled

HERE = "http://127.0.0.1:8000"
BARS = "/api/v1/bars"
TWO = {"symbols": "ETH,AAPL"}


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[TestClient]:
    with filled(server) as url, TestClient(create(Settings(database_url=SecretStr(url))), HERE) as api:
        yield api


def asked(api: TestClient, **parameters: Any) -> Any:
    response = api.get(BARS, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def whole(api: TestClient, **parameters: Any) -> pl.DataFrame:
    return pl.read_ipc_stream(api.get(BARS, params={**parameters, "format": "arrow"}).content)


def test_symbols_come_one_after_the_other_each_oldest_first(api: TestClient) -> None:
    found = whole(api, **TWO)

    assert found.columns[:3] == ["symbol", "asset_class", "time"]
    assert found.select("symbol", "asset_class").unique(maintain_order=True).rows() == [
        ("ETH", "crypto"),
        ("AAPL", "stock"),
    ]
    assert found.filter(symbol="AAPL")["close"].to_list() == real("AAPL")["close"].to_list()
    assert found["quote_volume"].null_count() == real("AAPL").height


@pytest.mark.parametrize("query", ["symbols=ETH,AAPL", "symbols=ETH&symbols=AAPL", "symbols=eth,,%20aapl&symbols=ETH"])
def test_symbols_may_be_told_in_any_way(api: TestClient, query: str) -> None:
    assert api.get(f"{BARS}?{query}&limit=1").json()["symbols"] == ["ETH", "AAPL"]


@pytest.mark.parametrize("adjust", ["none", "splits"])
def test_pages_of_json_go_over_all_symbols_together(api: TestClient, adjust: str) -> None:
    pages = [asked(api, **TWO, limit=1636, adjust=adjust)]
    while pages[-1]["next_cursor"]:
        pages.append(asked(api, **TWO, limit=1636, adjust=adjust, cursor=pages[-1]["next_cursor"]))
    rows = [(row["symbol"], row["close"]) for page in pages for row in page["data"]]

    assert [page["count"] for page in pages] == [1636, 1635]
    assert rows == whole(api, **TWO, adjust=adjust).select("symbol", "close").rows()


def test_all_formats_say_the_same(api: TestClient) -> None:
    arrow = whole(api, **TWO, features=True)
    told = {form: api.get(BARS, params={**TWO, "features": True, "format": form}) for form in ("ndjson", "parquet")}

    assert_frame_equal(pl.read_parquet(io.BytesIO(told["parquet"].content)), arrow)
    lines = [orjson.loads(line) for line in told["ndjson"].content.splitlines()]
    assert [line["close"] for line in lines] == arrow["close"].to_list()
    assert lines[-1]["time"] == "2013-03-01T00:00:00Z"
    assert told["ndjson"].headers["content-type"] == "application/x-ndjson"


def test_many_symbols_say_what_each_says_alone(api: TestClient) -> None:
    alone = api.get("/api/v1/historical/AAPL", params={"adjust": "all", "features": True, "format": "arrow"}).content

    for extra in ({"adjust": "all"}, {"adjust": "all", "as_of": "2026-01-01"}):
        found = whole(api, symbols="AAPL", features=True, **extra)
        if "as_of" not in extra:
            assert_frame_equal(found.drop("symbol", "asset_class"), pl.read_ipc_stream(alone))
        assert found.columns[2:] == pl.read_ipc_stream(alone).columns


def test_a_star_is_all_that_have_such_bars(api: TestClient) -> None:
    assert asked(api, symbols="*", limit=1)["symbols"] == ["AAPL", "BTC", "BTC", "ETH"]
    assert asked(api, symbols="*", asset_class="crypto")["symbols"] == ["BTC", "ETH"]
    assert asked(api, symbols="*", timeframe="1m") | {"symbols": []} == {
        "symbols": [],
        "timeframe": "1m",
        "start": None,
        "end": None,
        "count": 0,
        "next_cursor": None,
        "data": [],
    }


def test_a_span_and_the_quality_hold_for_each(api: TestClient) -> None:
    assert asked(api, symbols="ODD,AAPL", timeframe="1h", min_quality=0.95)["count"] == 2
    assert asked(api, **TWO, start="2013-02-28", end="2013-03-02")["count"] == 2


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("symbols=AAPL,NONE,NADA", 404, "Symbols 'NONE', 'NADA' are not tracked"),
        ("symbols=NONE", 404, "Symbol 'NONE' is not tracked"),
        ("symbols=BTC,AAPL", 409, "BTC"),
        ("symbols=AAPL&timeframe=2h", 400, "Invalid timeframes: ['2h']"),
        ("symbols=AAPL&asset_class=bond", 400, "Invalid asset class"),
        ("symbols=,", 422, "symbols"),
        ("", 422, "symbols: Field required"),
        ("symbols=AAPL&cursor=AAAA", 422, "cursor"),
        ("symbols=AAPL&cursor=____", 422, "cursor"),
        ("symbols=AAPL&limit=50001", 422, "limit"),
        ("symbols=AAPL&as_of=2100-01-01", 422, "as_of"),
        ("symbols=%00", 422, "NUL"),
    ],
)
def test_what_cannot_be_is_said(api: TestClient, query: str, status: int, detail: str) -> None:
    response = api.get(f"{BARS}?{query}")

    assert (response.status_code, detail in response.json()["detail"]) == (status, True), response.text


def test_an_answer_that_is_known_is_not_sent_again(api: TestClient) -> None:
    for form in ("json", "arrow"):
        mark = api.get(BARS, params={**TWO, "format": form}).headers["etag"]
        again = api.get(BARS, params={**TWO, "format": form}, headers={"If-None-Match": mark})
        assert (again.status_code, again.content) == (304, b"")
