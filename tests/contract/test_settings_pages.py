"""What administrators see and change on the pages of settings: the real app over a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import SecretStr

from barhouse.api.dashboard.charts import NOTHING
from barhouse.config import Settings
from barhouse.flow import instruments, jobs, keys, scheduling
from barhouse.store import schedules
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from barhouse.store.schedules import Name
from tests.contract.pages import Page
from tests.contract.test_access import bearing, client, made
from tests.receiver import receiver

SETTINGS = "/dashboard/settings"
PEOPLE = {"Accept": "text/html"}
SWAPPED = PEOPLE | {"HX-Request": "true"}
TABS = ("", "/schedules", "/alerts", "/keys", "/configuration")
CHANGING = ("/symbols", "/symbols/change", "/schedules/health/pause", "/alerts/test", "/keys", "/keys/1/revoke")
TWENTY = "AAPL MSFT SPY QQQ IBM GE KO PEP\nWMT, T; VZ JNJ PG XOM CVX JPM BAC C WFC BRK-B"


@pytest.fixture
def visitor(db: Database) -> Iterator[TestClient]:
    with client(db.url) as visitor:
        visitor.headers.update(PEOPLE)
        yield visitor


def seen(visitor: TestClient, path: str = "", status: int = 200) -> Page:
    answer = visitor.get(f"{SETTINGS}{path}")
    assert answer.status_code == status, answer.text
    page = Page(answer.text)
    assert page.open == []
    return page


def sent(visitor: TestClient, path: str, status: int = 200, **told: object) -> Response:
    answer: Response = visitor.post(f"{SETTINGS}{path}", data=told, headers=SWAPPED)
    assert answer.status_code == status, answer.text
    return answer


def tracked(db: Database) -> list[str]:
    return [str(each.series) for each in instruments.tracked(db)]


def numbers(page: Page) -> list[str | None]:
    return [told["value"] for told in page.named("input") if told.get("name") == "id"]


def arranged(db: Database) -> None:
    """Schedules as a leader of usual settings has them."""
    now = datetime.now(UTC)
    with db.transaction() as connection:
        table = scheduling.timetable(Settings())
        schedules.arrange(connection, table.arranged(now), table.classes, now)


def test_twenty_symbols_are_tracked_at_once_and_their_bars_asked_for(db: Database, visitor: TestClient) -> None:
    answer = sent(
        visitor,
        "/symbols",
        symbols=TWENTY,
        asset_class="stock",
        timeframes=["1d", "1h"],
        since="2020-01-01",
        bring="yes",
    )

    assert "<b>40 series</b> of 20 symbols" in answer.text
    assert "Of 20 series a part is beyond the reach of all sources" in answer.text
    assert answer.headers["HX-Trigger"] == "settings-changed"
    assert len(tracked(db)) == 40
    assert "BRK.B 1d" in tracked(db)
    [job] = re.findall(r"/dashboard/jobs/([0-9a-f-]{36})", answer.text)
    assert jobs.job(db, job)["requested_by"] == "api:anyone"
    assert len(jobs.job(db, job)["tasks"]) == 40
    rows = seen(visitor).tables["symbols"][1:]
    assert [row[1] for row in rows[:3]] == ["AAPL", "BAC", "BRK.B"]
    assert rows[0][5].replace("\n", "") == "1h since 2020-01-01 · 01d since 2020-01-01 · 0"


def test_without_asking_nothing_is_brought(db: Database, visitor: TestClient) -> None:
    assert "The next scheduled run" in sent(visitor, "/symbols", symbols="AAPL").text
    assert tracked(db) == ["AAPL 1d"]
    assert jobs.recent(db, Kind.ENRICHMENT, 5) == []


@pytest.mark.parametrize(
    ("told", "status", "words"),
    [
        ({"symbols": " , "}, 422, "symbols"),
        ({"symbols": "AAPL", "timeframes": "2h"}, 400, "Invalid timeframes"),
        ({"symbols": "AAPL", "asset_class": "bond"}, 400, "Invalid asset class"),
        ({"symbols": "no!symbol"}, 422, "is no symbol"),
        ({"symbols": "AAPL", "since": "soon"}, 422, "is no date"),
        ({"symbols": "AAPL", "exchange": "NOWHERE"}, 422, "No calendar"),
        ({"symbols": "A " * 9 + " ".join(f"S{i}" for i in range(5001))}, 422, "1 to 5000 at a time"),
    ],
)
def test_what_cannot_be_tracked_is_said_in_a_toast_and_changes_nothing(
    db: Database, visitor: TestClient, told: dict[str, str], status: int, words: str
) -> None:
    answer = sent(visitor, "/symbols", status, **told)

    assert words in answer.text
    assert 'role="alert"' in answer.text
    assert tracked(db) == []


def test_many_symbols_are_changed_at_once(db: Database, visitor: TestClient) -> None:
    sent(visitor, "/symbols", symbols="AAPL MSFT SPY", since="2020-01-01")
    aapl, msft, spy = numbers(seen(visitor))

    sent(visitor, "/symbols/change", id=[aapl, msft], action="add", timeframes=["1h", "1w"])
    added = tracked(db)
    dropped = sent(visitor, "/symbols/change", id=[aapl], action="drop", timeframes=["1d", "1h"])
    away = sent(visitor, "/symbols/change", id=[msft, spy], action="away")
    gone = tracked(db)
    sent(visitor, "/symbols/change", id=[spy], action="back")
    sent(visitor, "/symbols/change", id=[aapl, spy], action="since", since="2015-06-01")

    assert added == ["AAPL 1h", "AAPL 1d", "AAPL 1w", "MSFT 1h", "MSFT 1d", "MSFT 1w", "SPY 1d"]
    assert "AAPL (stock): 2 series are kept up to date no more" in dropped.text
    assert "2 symbols: put away" in away.text
    assert gone == ["AAPL 1w"]
    assert {str(each.series): f"{each.since:%Y-%m-%d}" for each in instruments.tracked(db)} == {
        "AAPL 1w": "2015-06-01",
        "SPY 1d": "2015-06-01",
    }
    assert [row[1] for row in seen(visitor, "?state=away").tables["symbols"][1:]] == ["MSFT"]
    assert [row[1] for row in seen(visitor, "?timeframe=1w").tables["symbols"][1:]] == ["AAPL", "MSFT"]
    assert "Nothing is like that" in visitor.get(f"{SETTINGS}?q=zz").text
    sent(visitor, "/symbols/change", 404, id=[10**6], action="away")
    sent(visitor, "/symbols/change", 422, id=[aapl], action="eat")
    sent(visitor, "/symbols/change", 422, id=[aapl], action="add")
    sent(visitor, "/symbols/change", 422, id=[aapl], action="since")


def test_symbols_come_by_the_page(db: Database, visitor: TestClient) -> None:
    sent(visitor, "/symbols", symbols=" ".join(f"S{number:03}" for number in range(120)))

    first, last = seen(visitor), seen(visitor, "?page=3")

    assert (len(first.tables["symbols"]), len(last.tables["symbols"])) == (51, 21)
    assert last.tables["symbols"][1][1] == "S100"


def test_schedules_are_paused_resumed_and_fired_by_the_callers_name(db: Database, visitor: TestClient) -> None:
    arranged(db)
    visitor.headers.update(bearing(made(db, "desk", "admin")))
    sent(visitor, "/symbols", symbols="AAPL")

    before = {row[0]: row[2] for row in seen(visitor, "/schedules").tables["timetable"][1:]}
    sent(visitor, "/schedules/enrichment/pause")
    during = seen(visitor, "/schedules")
    again = sent(visitor, "/schedules/enrichment/pause")
    sent(visitor, "/schedules/enrichment/resume")
    sent(visitor, "/schedules/backfill/run")
    after = {row[0]: row for row in seen(visitor, "/schedules").tables["timetable"][1:]}

    assert before == {"backfill": "on", "enrichment": "on", "critical": "on", "large": "off", "health": "on"} | {
        "retention": "on"
    }
    told = {row[0]: row for row in during.tables["timetable"][1:]}
    assert told["enrichment"][2].startswith("pausedby api:desk")
    assert told["enrichment"][3] == NOTHING
    assert "was paused already" in again.text
    assert after["enrichment"][2] == "on"
    assert after["backfill"][4].endswith("by api:desk")
    assert scheduling.standing(db).named(Name.BACKFILL).fired_by == "api:desk"  # type: ignore[union-attr]
    sent(visitor, "/schedules/nap/pause", 422)
    sent(visitor, "/schedules/health/eat", 422)


def test_before_anybody_led_the_page_says_who_arranges_schedules(visitor: TestClient) -> None:
    assert "Nobody has ever led" in visitor.get(f"{SETTINGS}/schedules").text


def test_channels_are_shown_without_secrets_and_tried(db: Database) -> None:
    with receiver([204, 500]) as there:
        urls, secret = SecretStr(there.url), SecretStr("shibboleth")
        with client(db.url, alert_urls=urls, alert_secret=secret, alert_private_networks=True) as visitor:
            page = visitor.get(f"{SETTINGS}/alerts", headers=PEOPLE).text
            tried, failed = (sent(visitor, "/alerts/test").text for _ in range(2))

    assert re.search(r"<code>webhook-[0-9a-f]{8}</code>", page)
    assert "delivered" in tried
    assert "answered 500" in failed
    assert not [word for word in ("s3cret", "shibboleth", there.url) if word in page + tried + failed]
    assert [each["event"] for each in there.messages] == ["test", "test"]


def test_without_a_channel_nobody_can_be_tried(visitor: TestClient) -> None:
    assert "BARHOUSE_ALERT_URLS" in visitor.get(f"{SETTINGS}/alerts").text
    assert "Nobody is named" in sent(visitor, "/alerts/test", 422).text


def test_what_was_told_lately_is_shown(db: Database, visitor: TestClient) -> None:
    with db.connection() as connection:
        connection.execute(
            "WITH incident AS (INSERT INTO alert_incident (rule, cause, severity, message, opened_at)"
            " VALUES ('vendor_down', 'yahoo', 'critical', '<b>yahoo</b> fails', now()) RETURNING id)"
            " INSERT INTO alert_delivery (incident, event, channel, status, attempts, error)"
            " SELECT id, 'opened', 'webhook-1f0c2b9e', 'waiting', 2, 'answered 503' FROM incident"
        )

    [row] = seen(visitor, "/alerts").tables["deliveries"][1:]

    assert row[1:4] == ["vendor down", "<b>yahoo</b> fails", "webhook-1f0c2b9e"]
    assert row[4] == "waitinganswered 503after 2 attempts"


def test_a_key_is_shown_once_with_the_first_one_the_browser_signs_in(db: Database, visitor: TestClient) -> None:
    refused = sent(visitor, "/keys", 422, name="guest", role="read")
    first = sent(visitor, "/keys", name="owner", role="admin")
    second = sent(visitor, "/keys", name="notebook", role="read", tier="free", expires="2999-01-01")
    [text] = re.findall(r'value="(bh_[^"]+)"', second.text)

    assert "make it an admin" in refused.text
    assert "It is the first key" in first.text
    assert second.headers["cache-control"] == "no-store"
    assert visitor.cookies
    listed = visitor.get(f"{SETTINGS}/keys").text
    assert text not in listed
    assert text[:11] in listed
    assert [row[0] for row in Page(listed).tables["api-keys"][1:]] == ["owneryours", "notebook"]
    with client(db.url) as other:
        assert other.get(f"{SETTINGS}/keys", headers=SWAPPED).status_code == 401
        assert other.get("/api/v1/symbols", headers=bearing(text)).status_code == 200


def test_keys_are_changed_over_revoked_restored_and_deleted(db: Database, visitor: TestClient) -> None:
    owner, guest = made(db, "owner", "admin"), made(db, "guest", "read")
    visitor.headers.update(bearing(owner))
    number = keys.one_key(db, "guest").id

    rotated = sent(visitor, f"/keys/{number}/rotate", grace="3600")
    sent(visitor, f"/keys/{number}/revoke")
    revoked = visitor.get("/api/v1/symbols", headers=bearing(guest)).status_code
    sent(visitor, f"/keys/{number}/revoke", 409)
    sent(visitor, f"/keys/{number}/restore")
    restored = visitor.get("/api/v1/symbols", headers=bearing(guest)).status_code
    sent(visitor, f"/keys/{number}/delete")

    assert re.search(r'value="bh_', rotated.text)
    assert (revoked, restored) == (401, 200)
    audit = [row[1:4] for row in seen(visitor, "/keys").tables["audit"][1:]]
    assert audit[:4] == [["guest", each, "api:owner"] for each in ("deleted", "restored", "revoked", "rotated")]
    sent(visitor, f"/keys/{number}/restore", 404)
    sent(visitor, f"/keys/{number}/rotate", 422, grace="7")
    sent(visitor, f"/keys/{number}/paint", 422)
    sent(visitor, "/keys", 422, name="x", role="king")


def test_configuration_is_told_with_its_origin_and_no_secret(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARHOUSE_HTTP_TIMEOUT", "7")
    with client(db.url, alert_secret=SecretStr("shibboleth"), http_timeout=7) as visitor:
        page = seen(visitor, "/configuration")
        text = visitor.get(f"{SETTINGS}/configuration").text

    rows = {row[0]: row[1:3] for row in page.tables["configured"][1:]}
    assert rows["http_timeout"] == ["7.0", "BARHOUSE_HTTP_TIMEOUT"]
    assert rows["alert_secret"][0] == rows["database_url"][0] == "***"
    assert rows["port"] == ["8000", "default"]
    assert "shibboleth" not in text
    assert db.url not in text


def test_who_may_not_change_settings_sees_less_and_changes_nothing(db: Database, visitor: TestClient) -> None:
    arranged(db)
    texts = [made(db, role, role) for role in ("admin", "read", "operate")]
    visitor.headers.update(bearing(texts[0]))
    sent(visitor, "/symbols", symbols="AAPL")
    [number] = numbers(seen(visitor))
    for text in texts[1:]:
        visitor.headers.update(bearing(text))
        for path in ("", "/schedules", "/alerts"):
            page = seen(visitor, path)
            assert not [told for tag, told in page.tags if "hx-post" in told]
            assert not [told for told in page.named("a") if (told["href"] or "").endswith(("/keys", "/configuration"))]
        for path in ("/keys", "/configuration"):
            assert visitor.get(f"{SETTINGS}{path}").status_code == 403
        for path in (
            "/symbols",
            "/symbols/change",
            "/schedules/health/pause",
            "/alerts/test",
            "/keys",
            "/keys/1/revoke",
        ):
            sent(visitor, path, 403, id=number, action="away", symbols="MSFT", name="x")
    assert tracked(db) == ["AAPL 1d"]


def test_each_tab_has_a_title_and_no_markup_runs(db: Database, visitor: TestClient) -> None:
    arranged(db)
    hostile = '<img src=x onerror="alert(1)">'
    assert "&lt;img" in visitor.get(SETTINGS, params={"q": hostile}).text
    assert "&lt;img" in sent(visitor, "/symbols", 422, symbols=hostile.replace(" ", "")).text

    for path in TABS:
        page = seen(visitor, path)
        assert len(page.named("h1")) == 1
        assert not {name for _, told in page.tags for name in told if name == "style" or name.startswith("on")}


def test_a_former_way_to_a_tab_leads_on(visitor: TestClient) -> None:
    answer = visitor.get(f"{SETTINGS}?tab=schedules")

    assert (answer.status_code, answer.headers["location"]) == (307, f"{SETTINGS}/schedules")
