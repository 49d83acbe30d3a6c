"""The list of series and the page of one: what stands in them, for whom, and what their chart is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import psycopg
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.config import Settings
from barhouse.features import registry
from barhouse.flow.correct import correct
from barhouse.store.postgres import Database
from tests.contract.pages import PAGE, seen
from tests.servers import Server
from tests.warehouse import filled

SWAPPED = {"HX-Request": "true"}

SPOILT = """
INSERT INTO quarantine (instrument, timeframe, time, source, reason, payload)
SELECT id, 7, '2012-05-05Z', 1, 'off_grid', '<script>alert(1)</script>' FROM instrument WHERE symbol = 'AAPL';
DELETE FROM bar WHERE timeframe = 7 AND time BETWEEN '2012-09-10Z' AND '2012-09-12Z'
    AND instrument = (SELECT id FROM instrument WHERE symbol = 'AAPL');
"""


@pytest.fixture(scope="module")
def visitor(server: Server) -> Iterator[TestClient]:
    with filled(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute(SPOILT)
        with Database(url) as db:
            correct(db, "AAPL", "2012-01-04", {"close": 413.5}, reason="<i>swapped</i>", author="ada")
        with TestClient(create(Settings(database_url=SecretStr(url))), "http://127.0.0.1:8000") as visitor:
            yield visitor


def rows(visitor: TestClient, query: str = "") -> list[list[str]]:
    """The rows of the list, as it is swapped in."""
    answer = visitor.get(f"/dashboard/symbols?{query}", headers=SWAPPED)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    return re.findall(r"<tr>\s*<td><a[^>]*>([^<]*)</a>.*?</td>\s*<td>([^<]*)</td>\s*<td>([^<]*)</td>", answer.text)


def test_the_list_has_a_row_a_series_and_its_links_lead_on(visitor: TestClient) -> None:
    page = seen(visitor, "/dashboard/symbols")

    head, *listed = page.tables["series"]
    assert head[:6] == ["Symbol↑", "Class", "Timeframe", "Bars", "First", "Newest"]
    assert [row[:4] for row in listed] == [
        ["AAPL", "stock", "1d", "3,270"],
        ["BTC", "crypto", "1d", "1"],
        ["BTC", "etf", "1d", "1"],
        ["ETH", "crypto", "1d", "1"],
        ["ODD", "stock", "1h", "6"],
    ]
    assert listed[0][4:6] == ["2000-03-01", "2013-03-01"]
    assert listed[0][-1] == "430.47"
    links = [told["href"] or "" for told in page.named("a") if (told["href"] or "").startswith("/dashboard/symbols/")]
    assert {visitor.get(link).status_code for link in links} == {200}
    [aapl, *_] = page.named("polyline")
    assert len((aapl["points"] or "").split()) == 60


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("q=b", ["BTC", "BTC"]),
        ("q=b&asset_class=etf", ["BTC"]),
        ("timeframe=1h", ["ODD"]),
        ("sort=-bars&q=a", ["AAPL"]),
        ("sort=-last_bar", ["BTC", "BTC", "ETH", "ODD", "AAPL"]),
        ("q=%25", []),
        ("page=9", []),
    ],
)
def test_the_list_is_filtered_and_sorted_as_one_types(visitor: TestClient, query: str, symbols: list[str]) -> None:
    found = [symbol for symbol, *_ in rows(visitor, query)]

    assert sorted(found) == sorted(symbols)
    assert found[-1:] == symbols[-1:]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("sort=password", 422),
        ("sort=symbol;--", 422),
        ("timeframe=2h", 400),
        ("asset_class=bond", 400),
        ("page=0", 422),
    ],
)
def test_what_no_list_can_be_is_refused(visitor: TestClient, query: str, status: int) -> None:
    assert visitor.get(f"/dashboard/symbols?{query}").status_code == status


def test_a_series_shows_its_bars_features_fetches_corrections_and_quarantine(visitor: TestClient) -> None:
    response = visitor.get("/dashboard/symbols/AAPL")
    page = seen(visitor, "/dashboard/symbols/AAPL")

    head, newest, *_ = page.tables["bars"]
    assert head[:2] == ["Time (UTC)", "Open"]
    assert newest[:5] == ["2013-03-01", "438.00", "438.18", "429.98", "430.47"]
    shown = set(re.findall(r"<dt[^>]*>(\w+)</dt>", response.text))
    assert shown == {name for name, each in registry.items() if not each.crypto_only}
    assert page.tables["fetches"][1][1:5] == ["polygon", "2000-03-01 to 2013-03-02", "3,270", "3,270"]
    assert page.tables["quarantine"][1][:4] == ["2012-05-05", "polygon", "off_grid", "<script>alert(1)</script>"]
    [_, corrected] = page.tables["corrections"]
    told = ["2012-01-04", "close", "413.44", "413.5", "manual correction: <i>swapped</i>", "ada"]
    assert corrected[:6] == told


def test_the_chart_is_told_by_data_that_nothing_runs(visitor: TestClient) -> None:
    text = visitor.get("/dashboard/symbols/AAPL?adjust=splits&as_of=2024-01-01").text

    [data] = re.findall(r'<script type="application/json" id="drawn">(.*?)</script>', text)
    told = json.loads(data)
    assert told["asked"] == {
        "timeframe": "1d",
        "asset_class": "stock",
        "adjust": "splits",
        "as_of": "2024-01-01T00:00:00Z",
    }
    assert (told["symbol"], told["minutes"], told["zone"]) == ("AAPL", 1440, "America/New_York")
    assert (told["features"]["atr"], told["features"]["trend_regime"]) == (False, True)
    assert not re.search(r"<script(?![^>]* src=)(?! type=\"application/json\")|<style|\sstyle=|\son\w+=", text)
    assert "https://www.tradingview.com/" in text
    assert "Copyright © 2026 TradingView, Inc." in text


def test_what_a_page_of_a_series_fetches_lies_beside_it(visitor: TestClient) -> None:
    page = seen(visitor, "/dashboard/symbols/AAPL")

    asked = [told.get("src") or told.get("href") or "" for tag, told in page.tags if tag in ("img", "link", "script")]
    assert {visitor.get(each).status_code for each in asked if each} == {200}
    [script] = [each for each in asked if each.endswith("/symbol.js")]
    modules = re.findall(r'from "\./([^"]+)"', visitor.get(script).text)
    assert len(modules) == 7
    # All that it imports is asked for at once, and kept as long as the page's own files
    assert {script.removesuffix("symbol.js") + each for each in modules} <= set(asked)
    assert {"immutable" in visitor.get(each).headers["cache-control"] for each in asked if each} == {True}


def test_absent_bars_come_with_their_reason_and_their_slots(visitor: TestClient) -> None:
    answer = visitor.get("/dashboard/absences/AAPL?timeframe=1d&start=2012-09-01&end=2012-10-01").json()

    # Labor Day and weekends are no slots; the tenth to the twelfth of September 2012 were taken out
    assert answer == {"gaps": [["missing", [1347235200, 1347321600, 1347408000]]]}


def test_bars_that_came_since_are_told_as_later(visitor: TestClient) -> None:
    span = "start=2012-08-06&end=2012-08-08"
    answer = visitor.get(f"/dashboard/absences/AAPL?timeframe=1d&{span}&as_of=2013-01-01").json()

    assert answer == {"gaps": [["later", [1344211200, 1344297600]]]}


def test_a_chart_does_not_ask_for_everything_at_once(visitor: TestClient) -> None:
    asked = "/dashboard/absences/ODD?timeframe=1m&start=1990-01-01&end=2024-01-01"

    assert visitor.get(asked).status_code == 422


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow", "json"])
def test_a_series_is_exported_in_every_form(visitor: TestClient, form: str) -> None:
    page = seen(visitor, "/dashboard/symbols/ODD?timeframe=1h")

    [address] = [told["href"] or "" for told in page.named("a") if f"format={form}" in (told["href"] or "")]
    assert visitor.get(address).status_code == 200


def test_a_series_of_hours_is_shown_without_naming_its_timeframe(visitor: TestClient) -> None:
    page = seen(visitor, "/dashboard/symbols/ODD")

    assert page.tables["bars"][1][0] == "2024-03-04 17:00"


def test_a_series_without_bars_says_how_to_get_them(visitor: TestClient) -> None:
    assert "barhouse backfill AAPL --timeframe 5m" in visitor.get("/dashboard/symbols/AAPL?timeframe=5m").text


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("NONE", 404, "not tracked"),
        ("BTC", 409, "name its asset_class"),
        ("AAPL?timeframe=2h", 400, "Invalid timeframes"),
        ("AAPL?as_of=2999-01-01", 422, "still to come"),
        ("AAPL?as_of=yesterday", 422, "is no date"),
        ("AAPL?adjust=both", 422, "adjust"),
        ("%3Cscript%3E", 404, "&lt;script&gt;"),
    ],
)
def test_what_is_not_there_is_a_page_as_well(visitor: TestClient, path: str, status: int, told: str) -> None:
    seen(visitor, f"/dashboard/symbols/{path}", status)

    assert told in visitor.get(f"/dashboard/symbols/{path}", headers=PAGE).text


def test_an_empty_list_says_how_to_begin(database_url: str) -> None:
    with TestClient(create(Settings(database_url=SecretStr(database_url))), "http://127.0.0.1:8000") as visitor:
        assert "barhouse track AAPL" in visitor.get("/dashboard/symbols").text
