"""The first page: what it says of what is wrong, to whom, and while the warehouse is away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
import pytest
from fastapi.testclient import TestClient

from barhouse.flow.alerting import deliver
from barhouse.flow.health import health_run
from barhouse.flow.track import track
from barhouse.model import Instrument, Timeframe
from barhouse.store.postgres import Database
from tests.contract.pages import PAGE, seen
from tests.contract.test_access import bearing, client, made
from tests.integration.test_alerts import fail, hooks
from tests.receiver import receiver
from tests.servers import Server

PATH = "/dashboard"
PARTS = [f"{PATH}/parts/now", f"{PATH}/parts/heat", f"{PATH}/parts/slow", f"{PATH}/pulse"]
SWAP = {**PAGE, "HX-Request": "true"}
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def api(database_url: str) -> Iterator[TestClient]:
    with client(database_url) as api:
        yield api


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_a_series_that_was_never_brought_is_in_the_map(db: Database, api: TestClient) -> None:
    track(db, [Instrument("AAPL")], [Timeframe.D1, Timeframe.H1], datetime(2026, 1, 1, tzinfo=UTC))

    page = seen(api, PATH)

    cells = [told for told in page.named("i") if told.get("title")]
    assert [(told["class"], told["title"]) for told in cells] == [
        ("c absent", "1h: no bar yet"),
        ("c absent", "1d: no bar yet"),
    ]
    assert [told["href"] for told in page.named("a") if "AAPL" in (told["href"] or "")] == [
        "/dashboard/symbols/AAPL?asset_class=stock"
    ]


def test_an_incident_is_a_reason_and_tells_whether_anybody_was_told(db: Database, api: TestClient) -> None:
    fail(db, ["AAPL"])
    health_run(db)
    before = words(api.get(PATH).text)
    with receiver() as there:
        deliver(db, hooks(there.url))
    after = words(api.get(PATH).text)

    assert "Symbols fail again and again: AAPL stock" in before
    assert "nobody was told" in before
    assert re.search(r"told (now|[\d.]+ s ago)", after)


def test_nothing_that_is_kept_is_taken_for_a_tag(db: Database, api: TestClient) -> None:
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO instrument (symbol, asset_class, exchange) VALUES (%(evil)s, 'stock', 'XNYS')", {"evil": EVIL}
        )
        connection.execute("INSERT INTO series (instrument, timeframe, tracked) SELECT id, 7, true FROM instrument")
        connection.execute(
            "INSERT INTO alert_incident (rule, cause, severity, message, subjects, opened_at) "
            "VALUES ('vendor_down', %(evil)s, 'critical', %(evil)s, '{}', now())",
            {"evil": EVIL},
        )
        connection.execute(
            "INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, success, error_details) "
            "VALUES (%(evil)s, 'stock', '1d', %(evil)s, false, %(evil)s)",
            {"evil": EVIL},
        )

    page = seen(api, PATH)

    assert [told for told in page.named("img") if told["src"] == "x"] == []
    assert api.get(PATH).text.count("&lt;img src=x") >= 3
    slow = api.get(f"{PATH}/parts/slow").text
    assert (slow.count("<img"), slow.count("&lt;img src=x") >= 3) == (0, True)


@pytest.mark.parametrize("path", PARTS)
def test_a_part_is_sent_once(api: TestClient, path: str) -> None:
    first = api.get(path, headers=SWAP)
    again = api.get(path, headers=SWAP | {"HX-PTag": first.headers["hx-ptag"]})

    assert first.status_code == 200
    assert "<html" not in first.text
    assert "<main" not in first.text
    assert again.status_code == 304


def test_every_role_sees_it_and_nobody_without_a_key(db: Database) -> None:
    keys = {role: bearing(made(db, role, role)) for role in ("read", "operate", "admin")}
    with client(db.url) as api:
        codes = {
            role: {api.get(path, headers=PAGE | key).status_code for path in (PATH, *PARTS)}
            for role, key in keys.items()
        }
        nobody = api.get(PATH, headers=PAGE)
        links = {role: "add symbols here" in api.get(PATH, headers=PAGE | key).text for role, key in keys.items()}

    assert codes == {role: {200} for role in keys}
    assert (nobody.status_code, nobody.headers["location"]) == (303, "/signin?next=%2Fdashboard")
    assert links == {"read": False, "operate": False, "admin": True}


def test_while_the_database_is_away_a_page_says_so_and_a_part_stays_as_it_is(server: Server) -> None:
    with server.database() as url, client(url) as api:
        api.get(PATH, headers=PAGE)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {urlsplit(url).path[1:]} ALLOW_CONNECTIONS false".encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [urlsplit(url).path[1:]]
            )
        whole, piece = api.get(PATH, headers=PAGE), api.get(PARTS[0], headers=SWAP)

    assert whole.status_code == piece.status_code == 503
    assert "The warehouse is away" in words(whole.text)
    assert piece.headers["hx-reswap"] == "none"
