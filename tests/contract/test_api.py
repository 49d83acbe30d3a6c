"""What scripts rely on over HTTP: the real app over a real PostgreSQL."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import polars as pl
import psycopg
import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from polars.testing import assert_frame_equal
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.api.vendor_side import served
from barhouse.config import Settings
from barhouse.errors import SettingsError
from barhouse.features import registry
from barhouse.model import INSTANT
from tests.answers import real
from tests.servers import Server
from tests.warehouse import filled

HERE = "http://127.0.0.1:8000"
AAPL = "/api/v1/historical/AAPL"
ODD = "/api/v1/historical/ODD?timeframe=1h"
FIVE = ["time", "open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    with filled(server) as url:
        yield url


@pytest.fixture(scope="module")
def api(url: str) -> Iterator[TestClient]:
    with client(url) as api:
        yield api


def client(url: str, **settings: Any) -> TestClient:
    return TestClient(app(url, **settings), HERE, raise_server_exceptions=False)


def app(url: str, **settings: Any) -> FastAPI:
    return create(Settings(database_url=SecretStr(url), **settings))


def asked(api: TestClient, path: str, **parameters: Any) -> Any:
    response = api.get(path, params=parameters or None)
    assert response.status_code == 200, response.text
    return response.json()


def paged(api: TestClient, limit: int, **parameters: Any) -> Iterator[dict[str, Any]]:
    """All pages, following the cursor."""
    page = asked(api, AAPL, limit=limit, **parameters)
    yield page
    while page["next_cursor"]:
        page = asked(api, AAPL, limit=limit, cursor=page["next_cursor"], **parameters)
        yield page


def frame(bars: list[dict[str, Any]]) -> pl.DataFrame:
    """Bars of JSON as a frame; their instants have to be written as RFC 3339 in UTC, ending in Z."""
    text = pl.DataFrame(bars, infer_schema_length=None)
    return text.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC"))


@pytest.mark.parametrize(
    ("limit", "counts"),
    [
        (1000, [1000, 1000, 1000, 270]),
        (1300, [1300, 1300, 670]),
        (654, [654] * 5),
        (1635, [1635, 1635]),
        (3270, [3270]),
    ],
)
def test_following_the_cursor_gives_every_real_bar_once_and_in_order(
    api: TestClient, limit: int, counts: list[int]
) -> None:
    pages = list(paged(api, limit))

    assert [page["count"] for page in pages] == counts
    bars = frame([bar for page in pages for bar in page["data"]])
    assert_frame_equal(bars.select(FIVE), real("AAPL").select(FIVE))


def test_a_page_that_ends_with_the_last_bar_has_no_next_one(api: TestClient) -> None:
    span = {"start": "2012-01-03", "end": "2012-01-07"}

    pages = list(paged(api, 2, **span))

    assert [(page["count"], page["next_cursor"] is None) for page in pages] == [(2, False), (2, True)]


def test_an_answer_says_what_it_is(api: TestClient) -> None:
    page = asked(api, AAPL, start="2012-01-03", end="2012-01-04T00:00:00+00:00")

    assert {name: page[name] for name in page if name != "data"} == {
        "symbol": "AAPL",
        "asset_class": "stock",
        "timeframe": "1d",
        "start": "2012-01-03T00:00:00Z",
        "end": "2012-01-04T00:00:00Z",
        "count": 1,
        "next_cursor": None,
    }
    assert page["data"] == [
        {
            "time": "2012-01-03T00:00:00Z",
            "open": 409.4,
            "high": 412.5,
            "low": 409.0,
            "close": 411.23,
            "volume": 10793600.0,
            "vwap": None,
            "trades": None,
            "source": "polygon",
            "validated": True,
            "quality_score": pytest.approx(0.4 * 5 / 7 + 0.6, abs=0.05),  # five fields of Polygon's seven
            "flags": None,
        }
    ]


def test_a_span_without_bars_is_an_answer_without_rows(api: TestClient) -> None:
    for path in (f"{AAPL}?start=2020-01-01", f"{AAPL}?start=2020-01-01&limit=5000", f"{AAPL}?timeframe=5m"):
        page = asked(api, path)
        assert (page["count"], page["data"], page["next_cursor"]) == (0, [], None)


@pytest.mark.parametrize("limit", [1000, 5000])
def test_what_is_no_number_is_null_and_fractions_of_a_second_are_kept(api: TestClient, limit: int) -> None:
    odd = asked(api, f"{ODD}&limit={limit}")["data"][2]

    assert (odd["time"], odd["open"], odd["close"], odd["volume"]) == ("2024-03-04T16:00:00.250000Z", 12.0, None, None)


@pytest.mark.parametrize("limit", [1000, 5000])
def test_short_and_long_pages_choose_the_same_bars(api: TestClient, limit: int) -> None:
    def hours(query: str) -> list[int]:
        return [int(bar["time"][11:13]) for bar in asked(api, f"{ODD}&limit={limit}{query}")["data"]]

    assert hours("") == [14, 15, 16, 17]
    assert hours("&session=all") == [13, 14, 15, 16, 17]
    assert hours("&validated_only=true") == [14, 16, 17]
    assert hours("&min_quality=0.95") == [14, 17]


def test_short_and_long_pages_are_the_same_byte_for_byte(api: TestClient) -> None:
    short, long = (api.get(f"{AAPL}?features=true&end=2001-01-01&limit={limit}").content for limit in (999, 1001))

    assert short == long


READ = {
    "csv": lambda body: pl.read_csv(body, try_parse_dates=True).with_columns(pl.col("time").cast(INSTANT)),
    "arrow": pl.read_ipc_stream,
    "parquet": pl.read_parquet,
}


@pytest.mark.parametrize("form", READ)
def test_every_format_streams_the_whole_series(api: TestClient, form: str) -> None:
    response = api.get(AAPL, params={"format": form, "features": True})

    bars = READ[form](io.BytesIO(response.content))
    assert_frame_equal(bars.select(FIVE), real("AAPL").select(FIVE))
    assert bars.columns[-22:] == list(registry)


@pytest.mark.parametrize("form", READ)
def test_every_format_gives_columns_even_without_bars(api: TestClient, form: str) -> None:
    body = api.get(AAPL, params={"format": form, "start": "2020-01-01"}).content

    assert {"arrow": pl.read_ipc_stream, "parquet": pl.read_parquet, "csv": pl.read_csv}[form](body).columns[
        :2
    ] == FIVE[:2]


def test_a_limit_holds_for_streams_too(api: TestClient) -> None:
    assert len(api.get(f"{AAPL}?format=csv&limit=7").text.splitlines()) == 8


def test_features_are_those_of_the_newest_bars_oldest_first(api: TestClient) -> None:
    beside = asked(api, AAPL, features=True, limit=50_000)["data"]
    alone = asked(api, "/api/v1/features/quant/AAPL", limit=20)

    assert alone["features"] == beside[-20:]
    assert alone["records_returned"] == 20
    assert alone["date_range"] == {"start": beside[-20]["time"], "end": beside[-1]["time"]}
    assert {"symbol", "timeframe", "timestamp"} <= alone.keys()


def test_features_stand_beside_their_bars(api: TestClient) -> None:
    first = asked(api, AAPL, features=True, start="2012-01-01", end="2012-02-01")["data"][0]

    assert first["return_1d"] == pytest.approx(411.23 / 405.0 - 1)
    assert first["funding_rate_percentile"] is None


@pytest.mark.parametrize("limit", [0, 10_001])
def test_features_come_ten_thousand_at_most(api: TestClient, limit: int) -> None:
    assert api.get(f"/api/v1/features/quant/AAPL?limit={limit}").status_code == 422


def test_a_coin_has_its_inputs(api: TestClient) -> None:
    [bar] = asked(api, "/api/v1/historical/ETH/USD")["data"]

    assert (bar["quote_volume"], bar["taker_buy_volume"], bar["funding_rate"], bar["open_interest"]) == (
        88,
        4,
        2e-4,
        None,
    )


REFUSED = [
    ("?timeframe=2h", 400, "Invalid timeframes: ['2h']"),
    ("?asset_class=bond", 400, "Invalid asset class: 'bond'; use one of stock, etf, crypto"),
    ("?start=yesterday", 422, "'yesterday' is no date: write 2024-01-31 or 2024-01-31T14:30:00Z"),
    ("?start=0001-01-01T00:00:00%2B14:00", 422, "is no date"),
    ("?start=2013-01-01&end=2012-01-01", 422, "A span ends before it starts"),
    ("?limit=0", 422, "limit: Input should be greater than or equal to 1"),
    ("?limit=50001", 422, "limit: a page of JSON has at most 50000 bars"),
    ("?limit=many", 422, "limit: "),
    ("?min_quality=2", 422, "min_quality: "),
    ("?min_quality=nan", 422, "min_quality: "),
    ("?session=night", 422, "session: Input should be 'regular' or 'all'"),
    ("?format=xml", 422, "format: "),
    ("?cursor=x", 422, "cursor: this is none"),
    ("?cursor=________", 422, "cursor: this is none"),
    ("?cursor=%C3%A9", 422, "cursor: this is none"),
    ("?adjust=most", 422, "adjust: Input should be 'none', 'splits' or 'all'"),
    ("?as_of=yesterday", 422, "'yesterday' is no date"),
    ("?as_of=2999-01-01", 422, "as_of: 2999-01-01T00:00:00Z is still to come"),
    ("?as_of=2999-01-01&format=csv", 422, "as_of: 2999-01-01T00:00:00Z is still to come"),
    ("?timefame=1h", 422, "timefame: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("query", "status", "detail"), REFUSED)
def test_a_wrong_parameter_is_refused_by_its_name(api: TestClient, query: str, status: int, detail: str) -> None:
    response = api.get(AAPL + query)

    assert response.status_code == status
    assert list(response.json()) == ["detail"]
    assert detail in response.json()["detail"]


@pytest.mark.parametrize("form", ["json", *READ])
def test_an_unknown_symbol_is_not_found_in_any_format(api: TestClient, form: str) -> None:
    response = api.get(f"/api/v1/historical/NONE?format={form}")

    assert response.status_code == 404
    assert response.json() == {"detail": "Symbol 'NONE' is not tracked; `barhouse track NONE` starts it"}


def test_a_symbol_of_two_instruments_needs_its_class(api: TestClient) -> None:
    response = api.get("/api/v1/historical/BTC")

    assert response.status_code == 409
    assert response.json()["detail"] == "Symbol 'BTC' is tracked as crypto and etf; name its asset_class"
    assert asked(api, "/api/v1/historical/BTC?asset_class=etf")["data"][0]["close"] == 29
    assert asked(api, "/api/v1/historical/BTC?asset_class=crypto")["data"][0]["close"] == 67000


@pytest.mark.parametrize("query", ["?limit=10", "?limit=5000", "?format=arrow"])
def test_an_answer_that_the_caller_has_is_not_sent_again_until_the_series_changes(url: str, query: str) -> None:
    with client(url) as api:
        tag = api.get(AAPL + query).headers["etag"]
        same = api.get(AAPL + query, headers={"If-None-Match": tag})
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE series SET revision = revision + 1, revised_at = clock_timestamp()")
        changed = api.get(AAPL + query, headers={"If-None-Match": tag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_symbols_are_listed_once_and_by_class(api: TestClient) -> None:
    assert asked(api, "/api/v1/symbols")["symbols"] == ["AAPL", "BTC", "ETH", "ODD"]
    assert asked(api, "/api/v1/symbols?asset_class=crypto")["symbols"] == ["BTC", "ETH"]
    assert api.get("/api/v1/symbols?asset_class=bond").status_code == 400


def test_symbols_in_detail_say_what_is_stored(api: TestClient) -> None:
    answer = asked(api, "/api/v1/symbols/detailed")

    assert answer["count"] == len(answer["symbols"]) == 5
    aapl = answer["symbols"][0]
    assert (aapl["symbol"], aapl["exchange"], aapl["bars"]) == ("AAPL", "XNYS", 3270)
    [series] = aapl["series"]
    assert (series["timeframe"], series["first_bar"], series["last_bar"]) == (
        "1d",
        "2000-03-01T00:00:00Z",
        "2013-03-01T00:00:00Z",
    )


def test_the_status_adds_up(api: TestClient) -> None:
    status = asked(api, "/api/v1/status")

    assert (status["instruments"], status["series"], status["bars"]) == (5, 5, 3279)
    assert (status["first_bar"], status["last_bar"]) == ("2000-03-01T00:00:00Z", "2024-03-04T18:00:00Z")
    assert (status["fetches"], status["failed_fetches"], status["quarantined"]) == (1, 0, 0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", status["timestamp"])


def test_a_server_that_lives_and_can_serve_says_so(api: TestClient) -> None:
    assert asked(api, "/health") == {"status": "ok"}
    assert asked(api, "/ready") == {"status": "ready", "missing": [], "scheduler": "away"}


def test_a_server_that_lacks_a_migration_is_not_ready(database_url: str) -> None:
    with client(database_url) as api:
        with psycopg.connect(database_url) as connection:
            connection.execute("DELETE FROM schema_migration WHERE name = 'feature:atr'")
        response = api.get("/ready")

    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "missing": ["migration feature:atr"], "scheduler": "away"}


def test_without_its_database_a_server_lives_but_is_not_ready(server: Server) -> None:
    with filled(server) as url, client(url) as api:
        with psycopg.connect(server.url, autocommit=True) as connection:
            name = urlsplit(url).path[1:]
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        answers = [api.get(path) for path in ("/ready", AAPL)]
        assert api.get("/health").status_code == 200

    assert [answer.status_code for answer in answers] == [503, 503]
    assert [answer.headers["Retry-After"] for answer in answers] == ["5", "5"]
    assert answers[0].json()["missing"] == ["database"]
    assert "PostgreSQL" in answers[1].json()["detail"]


def test_connections_that_died_with_a_restarted_server_are_replaced_unseen(url: str) -> None:
    with client(url) as api:
        before = asked(api, f"{AAPL}?limit=3")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert asked(api, f"{AAPL}?limit=3") == before


def test_a_fault_of_ours_tells_a_reference_and_nothing_of_its_inside(database_url: str) -> None:
    with client(database_url) as api:
        with psycopg.connect(database_url) as connection:
            connection.execute("ALTER TABLE series RENAME TO elsewhere")
        response = api.get("/api/v1/status")

    assert response.status_code == 500
    assert re.fullmatch(
        r"Something went wrong here; the server's log has it under [0-9a-f]{12}", response.json()["detail"]
    )


def test_the_log_of_a_fault_has_lines_of_code_and_no_variables(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()  # as in a server that knows nothing of our commands
    with client(database_url) as api:
        with psycopg.connect(database_url) as connection:
            connection.execute("ALTER TABLE series RENAME TO elsewhere")
        said = api.get("/api/v1/status", headers={"X-Secret": "swordfish"}).json()["detail"]

    logged = "".join(capsys.readouterr())
    assert said.split()[-1] in logged
    assert "Traceback" in logged
    assert "UndefinedTable" in logged
    assert "swordfish" not in logged


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("bars.example:8000", 200),
        ("evil.example", 403),
        ("10.0.0.7:8000", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
    ],
)
def test_only_our_own_names_are_answered(url: str, host: str, status: int) -> None:
    with client(url, allowed_hosts="bars.example, other.example") as api:
        response = api.get("/health", headers={"Host": host})

    assert response.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 405),
        ({"Origin": HERE, "Sec-Fetch-Site": "same-origin"}, 405),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_page_of_another_site_can_change_nothing(api: TestClient, headers: dict[str, str], status: int) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert api.request(method, "/api/v1/status", headers=headers).status_code == status


def test_other_machines_are_served_only_if_somebody_says_so(url: str) -> None:
    with pytest.raises(SettingsError, match="--insecure"), client(url, host="0.0.0.0"):
        pass

    for said in ({"host": "0.0.0.0", "insecure": True}, {"host": "::1"}):
        with client(url, **said) as api:
            assert api.get(AAPL).status_code == 200


def test_every_endpoint_is_described_and_has_its_answer_drawn(api: TestClient) -> None:
    for path, methods in asked(api, "/openapi.json")["paths"].items():
        for told in methods.values():
            assert told["summary"], path
            assert told["description"], path
            assert told["tags"], path
            assert all(one["description"] for one in told.get("parameters", [])), path
            done = told["responses"].get("200") or told["responses"]["201"]
            assert done["content"].keys() & {"application/json", "text/event-stream"}, path


def test_the_page_of_the_api_fetches_nothing_from_elsewhere(api: TestClient) -> None:
    page = api.get("/docs").text

    fetched = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(fetched) == 3
    assert [api.get(path).status_code for path in fetched] == [200, 200, 200]
    assert "://" not in page


def test_it_is_the_same_over_a_real_socket(url: str) -> None:
    with served(app(url)) as address, httpx.Client(base_url=address) as web:
        page = web.get(f"{AAPL}?start=2012-01-03&end=2012-01-04").json()
        with web.stream("GET", f"{AAPL}?format=arrow") as response:
            bars = pl.read_ipc_stream(b"".join(response.iter_bytes()))
        unknown = web.get("/api/v1/historical/NONE")

    assert page["data"][0]["close"] == 411.23
    assert response.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert_frame_equal(bars.select(FIVE), real("AAPL").select(FIVE))
    assert unknown.status_code == 404
