"""What people see: the pages, read as a browser reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.config import Settings
from tests.contract.pages import PAGE, seen
from tests.servers import Server
from tests.warehouse import filled


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


def test_the_first_page_says_what_the_warehouse_holds(visitor: TestClient) -> None:
    text = re.sub(r"<[^>]+>", " ", visitor.get("/dashboard").text)

    for told in (r"3,279\s+bars", r"5\s+series of 5 instruments", r"2000-03-01\s+first", r"1\s+rows in quarantine"):
        assert re.search(told, text), told


def test_an_empty_warehouse_says_how_to_begin(database_url: str) -> None:
    with TestClient(create(Settings(database_url=SecretStr(database_url))), "http://127.0.0.1:8000") as visitor:
        assert "barhouse track AAPL" in visitor.get("/dashboard").text


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/symbols"])
def test_a_page_fetches_only_what_lies_beside_it(visitor: TestClient, path: str) -> None:
    page = seen(visitor, path)

    asked = [told.get("src") or told.get("href") or "" for tag, told in page.tags if tag in ("img", "link", "script")]
    assert len(asked) >= 7
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
    [address] = re.findall(r"/static/v\w+/style\.css", visitor.get("/dashboard").text)

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
