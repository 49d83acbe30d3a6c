"""What people see: the pages, read as a browser reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import psycopg
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.config import Settings
from barhouse.features import registry
from tests.servers import Server
from tests.warehouse import filled

VOID = {"meta", "link", "img", "input"}
PAGE = {"Accept": "text/html,*/*"}
OPTIONAL = {"th", "tr"}
"""Ends that a page may leave out."""


class Page(HTMLParser):
    """A page: its tags with their attributes, its tables by id, and whether each tag was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append((tag, told))
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)
        if tag == "table":
            self._rows = self.tables[told["id"] or ""] = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._rows and self._rows[-1] and "table" in self.open:
            self._rows[-1][-1] += data.strip()

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [told for name, told in self.tags if name == tag]


@pytest.fixture(scope="module")
def visitor(server: Server) -> Iterator[TestClient]:
    with filled(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO quarantine (instrument, timeframe, time, source, reason, payload) "
                "SELECT id, 7, '2012-05-05Z', 1, 'off_grid', '<script>alert(1)</script>' "
                "FROM instrument WHERE symbol = 'AAPL'"
            )
        with TestClient(create(Settings(database_url=SecretStr(url))), "http://127.0.0.1:8000") as visitor:
            yield visitor


def seen(visitor: TestClient, path: str, status: int = 200) -> Page:
    response = visitor.get(path, headers=PAGE)
    assert response.status_code == status
    page = Page(response.text)
    assert page.open == []
    return page


def test_the_first_page_has_a_row_a_series_and_its_links_lead_on(visitor: TestClient) -> None:
    page = seen(visitor, "/dashboard/symbols")

    head, *rows = page.tables["series"]
    assert head[:6] == ["Symbol", "Class", "Timeframe", "Bars", "First", "Newest"]
    assert [row[:4] for row in rows] == [
        ["AAPL", "stock", "1d", "3,270"],
        ["BTC", "crypto", "1d", "1"],
        ["BTC", "etf", "1d", "1"],
        ["ETH", "crypto", "1d", "1"],
        ["ODD", "stock", "1h", "6"],
    ]
    assert rows[0][4:6] == ["2000-03-01", "2013-03-01"]
    assert rows[0][-1] == "430.47"
    links = [told["href"] or "" for told in page.named("a") if (told["href"] or "").startswith("/dashboard/symbols/")]
    assert len(links) == 5
    assert {visitor.get(link).status_code for link in links} == {200}


def test_the_first_page_says_what_the_warehouse_holds(visitor: TestClient) -> None:
    text = re.sub(r"<[^>]+>", " ", visitor.get("/dashboard").text)

    for told in (r"3,279\s+bars", r"5\s+series of 5 instruments", r"2000-03-01\s+first", r"1\s+rows in quarantine"):
        assert re.search(told, text), told


def test_a_line_of_closes_has_a_point_for_each_of_the_last_sixty(visitor: TestClient) -> None:
    [aapl, *_] = seen(visitor, "/dashboard/symbols").named("polyline")

    assert len((aapl["points"] or "").split()) == 60


def test_a_series_shows_its_last_bars_features_fetches_and_quarantine(visitor: TestClient) -> None:
    response = visitor.get("/dashboard/symbols/AAPL")
    page = seen(visitor, "/dashboard/symbols/AAPL")

    assert len([told for told in page.named("g") if told["class"] in ("up", "down")]) == 120
    assert [told for told in page.named("svg") if told["aria-label"] == "Candles of the last 120 bars of AAPL 1d"]
    for name in registry:
        assert f"<dt>{name}</dt>" in response.text
    assert page.tables["coverage"][1][:4] == ["polygon", "2000-03-01", "2013-03-02", "fetched"]
    assert page.tables["fetches"][1][1:5] == ["polygon", "2000-03-01 to 2013-03-02", "3,270", "3,270"]
    assert page.tables["quarantine"][1][:4] == ["2012-05-05", "polygon", "off_grid", "<script>alert(1)</script>"]


def test_a_series_with_odd_bars_is_shown_too(visitor: TestClient) -> None:
    page = seen(visitor, "/dashboard/symbols/ODD?timeframe=1h")

    assert len([told for told in page.named("g") if told["class"] in ("up", "down")]) == 3


def test_a_series_without_bars_says_how_to_get_them(visitor: TestClient) -> None:
    assert "barhouse backfill AAPL --timeframe 5m" in visitor.get("/dashboard/symbols/AAPL?timeframe=5m").text


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/dashboard/symbols/NONE", 404, "not tracked"),
        ("/dashboard/symbols/BTC", 409, "name its asset_class"),
        ("/dashboard/symbols/AAPL?timeframe=2h", 400, "Invalid timeframes"),
        ("/dashboard/symbols/%3Cscript%3E", 404, "&lt;script&gt;"),
    ],
)
def test_what_is_not_there_is_a_page_as_well(visitor: TestClient, path: str, status: int, told: str) -> None:
    seen(visitor, path, status)

    assert told in visitor.get(path, headers=PAGE).text


def test_an_empty_warehouse_says_how_to_begin(database_url: str) -> None:
    with TestClient(create(Settings(database_url=SecretStr(database_url))), "http://127.0.0.1:8000") as visitor:
        assert "barhouse track AAPL" in visitor.get("/dashboard").text


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/symbols", "/dashboard/symbols/AAPL"])
def test_a_page_fetches_only_what_lies_beside_it(visitor: TestClient, path: str) -> None:
    page = seen(visitor, path)

    asked = [told.get("src") or told.get("href") or "" for tag, told in page.tags if tag in ("img", "link", "script")]
    assert len(asked) == 7
    assert {visitor.get(each).status_code for each in asked} == {200}
    assert "//" not in visitor.get("/static/style.css").text


def test_former_addresses_lead_on(visitor: TestClient) -> None:
    moved = {
        path: visitor.get(path, follow_redirects=False).headers["location"]
        for path in ("/", "/series/AAPL?timeframe=1h")
    }

    assert moved == {
        "/": "/dashboard",
        "/series/AAPL?timeframe=1h": "http://127.0.0.1:8000/dashboard/symbols/AAPL?timeframe=1h",
    }
    assert visitor.get("/series/%3Cscript%3E", headers=PAGE).status_code == 404


@pytest.mark.parametrize(
    "path", ["/dashboard", "/dashboard/symbols", "/dashboard/nowhere", "/signin", "/static/icon.svg"]
)
def test_nothing_may_run_or_load_but_what_lies_in_our_files(visitor: TestClient, path: str) -> None:
    answer = visitor.get(path, headers=PAGE)
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";"))

    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", answer.text)


def test_files_whose_address_tells_their_content_are_kept_for_ever(visitor: TestClient) -> None:
    [address] = re.findall(r"/static/style\.css\?v=\w+", visitor.get("/dashboard").text)

    assert "immutable" in visitor.get(address).headers["cache-control"]
    assert visitor.get("/static/style.css").headers["cache-control"] == "no-cache"


def test_a_piece_that_cannot_be_had_is_a_note_on_the_page(visitor: TestClient) -> None:
    asked = {**PAGE, "HX-Request": "true"}
    answer = visitor.get("/dashboard/symbols/NONE", headers=asked)

    assert answer.status_code == 404
    assert (answer.headers["hx-retarget"], answer.headers["hx-reswap"]) == ("#toasts", "beforeend")
    assert 'class="toast bad"' in answer.text
    assert "not tracked" in answer.text


def test_programs_get_errors_as_everywhere(visitor: TestClient) -> None:
    assert "not tracked" in visitor.get("/dashboard/symbols/NONE").json()["detail"]
