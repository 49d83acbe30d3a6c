"""Who may call what: every route with every kind of caller, on the real app over a real PostgreSQL."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.api.roles import ROLES, listed, needed
from barhouse.config import Settings
from barhouse.flow import keys
from barhouse.store.keys import Role, Tier
from barhouse.store.postgres import Database
from tests.servers import Server

HERE = "http://127.0.0.1:8000"
SYMBOLS = "/api/v1/symbols"
KEYS = "/api/v1/admin/api-keys"
PAUSE = "/api/v1/enrichment/pause"


@contextmanager
def client(url: str, base: str = HERE, **settings: Any) -> Iterator[TestClient]:
    app = create(Settings(database_url=SecretStr(url), **settings))
    with TestClient(app, base, raise_server_exceptions=False, follow_redirects=False) as api:
        yield api


def made(db: Database, name: str, role: str = "read", tier: str = "unlimited") -> str:
    return keys.create_key(db, name, role=Role(role), tier=Tier(tier), by="test").text


def bearing(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path of an app, as a caller would write them; a route for streams and files too, HEAD by GET."""
    found = []
    for route in app.routes:
        inner = getattr(route, "effective_route_contexts", None)
        contexts: list[Any] = list(inner()) if inner else [route]
        for each in contexts:
            path = re.sub(r"{[^}]*}", "1", each.path)
            methods = set(getattr(each, "methods", None) or {"GET"})
            found += [(method, path) for method in sorted(methods | ({"HEAD"} if "GET" in methods else set()))]
    return found


EVERY = routes(create(Settings()))

ADMITS = {"read": {"read", "operate", "admin"}, "operate": {"operate", "admin"}, "admin": {"admin"}}


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    with server.database() as url:
        yield url


@pytest.fixture(scope="module")
def texts(url: str) -> dict[str, str | None]:
    """A key of every kind, and none."""
    with Database(url) as db:
        found: dict[str, str | None] = {str(role): made(db, role, role) for role in Role}
        found |= {name: made(db, name, "admin") for name in ("expired", "revoked", "deleted", "former")}
        keys.rotate_key(db, "former", by="test")
        keys.revoke_key(db, "revoked", by="test")
        keys.delete_key(db, "deleted", by="test")
        with db.connection() as connection:
            connection.execute("UPDATE api_key SET expires_at = now() - interval '1 s' WHERE name = 'expired'")
    return {**found, "none": None, "unknown": "bh_00000000_" + "A" * 43}


@pytest.fixture(scope="module")
def api(url: str, texts: dict[str, str | None]) -> Iterator[TestClient]:
    with client(url) as api:
        yield api


def test_every_route_has_its_role() -> None:
    missing = [path for _, path in EVERY if listed(path) not in ROLES]

    assert missing == [], "a line in api/roles.py says what each takes"


def test_the_walk_finds_the_routes() -> None:
    assert len(EVERY) > 50
    assert {("GET", SYMBOLS), ("POST", KEYS), ("DELETE", f"{KEYS}/1"), ("GET", "/static"), ("GET", "/")} <= set(EVERY)
    assert {("GET", "/dashboard"), ("POST", "/dashboard/settings/keys/1/rotate"), ("POST", "/dashboard/jobs")} <= set(
        EVERY
    )


def test_what_the_contract_says_of_roles() -> None:
    assert {path for method, path in EVERY if needed(method, path) is None} == {
        "/health",
        "/ready",
        "/static",
        "/signin",
        "/signout",
    }
    assert needed("GET", "/api/v1/historical/AAPL") == "read"
    assert needed("GET", "/api/v1/admin/scheduler-health") == "read"
    assert {needed(method, PAUSE) for method in ("GET", "POST")} == {"operate"}
    assert needed("POST", "/api/v1/enrichment/trigger") == "operate"
    assert {needed(method, path) for method, path in EVERY if path.startswith((KEYS, "/api/v1/backfill"))} == {"admin"}
    pages = [(path, needed(method, path)) for method, path in EVERY if (method, path[:10]) == ("POST", "/dashboard")]
    assert {role for path, role in pages if path.startswith("/dashboard/settings")} == {"admin"}
    assert {role for path, role in pages if path.startswith("/dashboard/coverage")} == {"admin"}
    assert {role for path, role in pages if not path.startswith(("/dashboard/settings", "/dashboard/coverage"))} == {
        "operate"
    }
    changing = [needed(method, path) for method, path in EVERY if method not in ("GET", "HEAD", "OPTIONS")]
    assert "read" not in changing


@pytest.mark.parametrize("kind", ["none", "unknown", "expired", "revoked", "deleted", "former", *Role])
def test_every_route_keeps_out_whom_it_should_and_nobody_else(
    api: TestClient, texts: dict[str, str | None], kind: str
) -> None:
    text = texts[kind]
    headers = bearing(text) if text else {}
    kept_out = {
        (method, path): 403 if kind in list(Role) else 401
        for method, path in EVERY
        if (role := needed(method, path)) is not None and kind not in ADMITS[role]
    }
    public = [(method, path) for method, path in EVERY if needed(method, path) is None]

    refused = {each: api.request(*each, headers=headers).status_code for each in kept_out}
    answers = {each: api.request(*each, headers=headers).status_code for each in public}

    assert refused == kept_out
    assert {each for each, status in answers.items() if status in (401, 403)} == {("POST", "/signin")}


def test_an_admitted_caller_gets_an_answer(api: TestClient, texts: dict[str, str | None]) -> None:
    for role in Role:
        assert api.get(SYMBOLS, headers=bearing(str(texts[role]))).status_code == 200
    assert api.post(PAUSE, headers=bearing(str(texts["operate"]))).status_code == 200
    assert api.get(KEYS, headers=bearing(str(texts["admin"]))).status_code == 200


def test_no_refusal_tells_why_a_key_is_not_good(api: TestClient, texts: dict[str, str | None]) -> None:
    kinds = ("none", "unknown", "expired", "revoked", "deleted", "former")
    answers = [api.get(SYMBOLS, headers=bearing(text) if (text := texts[kind]) else {}) for kind in kinds]

    assert {(answer.status_code, answer.text, answer.headers["www-authenticate"]) for answer in answers} == {
        (
            401,
            '{"detail":"This takes a key that is good: send it as X-API-Key, or as Authorization: Bearer"}',
            'Bearer realm="barhouse"',
        )
    }


def test_too_small_a_role_is_told_which_one_it_takes(api: TestClient, texts: dict[str, str | None]) -> None:
    answer = api.post(PAUSE, headers={"Authorization": f"Bearer {texts['read']}"})

    assert answer.status_code == 403
    assert answer.json()["detail"] == "This takes a key with the role operate; this one has read"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "k" * 100_000},
        {"X-API-Key": ""},
        {"X-API-Key": b"\xff\xfe\x00key"},
        {"X-API-Key": b"bh_\x00"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": b"Bearer \xc3\x28"},
        {"Cookie": "barhouse_session=" + "y" * 5000},
        {"Cookie": b"barhouse_session=\xff; ; =; a"},
    ],
)
def test_hostile_keys_are_refused_like_others(api: TestClient, headers: dict[str, Any]) -> None:
    assert api.get(SYMBOLS, headers=headers).status_code == 401


def test_without_a_key_loopback_is_open_and_closes_with_the_first_one(url: str, server: Server) -> None:
    with server.database() as url, client(url) as api:
        before = api.get(SYMBOLS).status_code, api.get(SYMBOLS, headers=bearing("whatever")).status_code
        first = api.post(KEYS, json={"name": "first", "role": "admin"})
        after = api.get(SYMBOLS).status_code
        with_it = api.get(SYMBOLS, headers=bearing(first.json()["key"])).status_code
        gone = api.delete(f"{KEYS}/{first.json()['id']}", headers=bearing(first.json()["key"])).status_code
        reopened = api.get(SYMBOLS).status_code

    assert (before, first.status_code, after, with_it, gone, reopened) == ((200, 200), 201, 401, 200, 200, 200)


def test_a_key_made_elsewhere_closes_an_open_api_within_five_seconds(server: Server) -> None:
    with server.database() as url, client(url) as api, Database(url) as db:
        opened = api.get(SYMBOLS).status_code
        made(db, "first")

        assert opened == 200
        assert within(5, lambda: api.get(SYMBOLS).status_code == 401)


def test_a_key_made_elsewhere_is_good_at_once_and_one_revoked_there_ends_within_five_seconds(
    api: TestClient, url: str
) -> None:
    with Database(url) as db:
        headers = bearing(made(db, "guest"))
        at_once = api.get(SYMBOLS, headers=headers).status_code
        keys.revoke_key(db, "guest", by="test")

    assert at_once == 200
    assert within(5, lambda: api.get(SYMBOLS, headers=headers).status_code == 401)


def within(seconds: float, holds: Any) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False


def test_a_key_revoked_over_http_ends_at_once(api: TestClient, texts: dict[str, str | None]) -> None:
    admin = bearing(str(texts["admin"]))
    guest = api.post(KEYS, json={"name": "leaving"}, headers=admin).json()
    path, headers = f"{KEYS}/{guest['id']}", bearing(guest["key"])

    codes = [api.get(SYMBOLS, headers=headers).status_code]
    for step in ("revoke", "restore"):
        assert api.post(f"{path}/{step}", headers=admin).status_code == 200
        codes.append(api.get(SYMBOLS, headers=headers).status_code)
    new = api.post(f"{path}/rotate", headers=admin).json()["key"]
    codes += [api.get(SYMBOLS, headers=each).status_code for each in (headers, bearing(new))]
    assert api.delete(path, headers=admin).status_code == 200
    codes.append(api.get(SYMBOLS, headers=bearing(new)).status_code)

    assert codes == [200, 401, 200, 401, 200, 401]
    audit = api.get(f"{path}/audit", headers=admin).json()["audit"]
    assert [(each["action"], each["actor"]) for each in audit] == [
        (action, "api:admin") for action in ("deleted", "rotated", "restored", "revoked", "created")
    ]


def test_a_key_is_shown_once_and_nowhere_else(
    api: TestClient, texts: dict[str, str | None], capfd: pytest.CaptureFixture[str]
) -> None:
    admin = bearing(str(texts["admin"]))
    new = api.post(KEYS, json={"name": "secret", "expires_at": "2999-01-01"}, headers=admin).json()
    told = [api.get(path, headers=admin) for path in (KEYS, f"{KEYS}/{new['id']}", f"{KEYS}/audit")]
    told += [api.post(KEYS, json={"name": "secret"}, headers=bearing(new["key"]))]
    told += [api.post(KEYS, json={"name": "secret"}, headers=admin), api.get("/nowhere", headers=bearing(new["key"]))]

    assert [answer.status_code for answer in told] == [200, 200, 200, 403, 409, 404]
    assert new["expires_at"] == "2999-01-01T00:00:00Z"
    secret = new["key"].removeprefix(f"{new['prefix']}_")
    assert not [answer for answer in told if secret in answer.text + str(answer.headers) + str(answer.url)]
    assert secret not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"name": ""}, 422),
        ({"name": "17"}, 422),
        ({"name": "a\u0000"}, 422),
        ({"name": "a", "role": "king"}, 422),
        ({"name": "a", "tier": "gold"}, 422),
        ({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}, 422),
        ({"name": "a", "hash": "x"}, 422),
        ([], 422),
    ],
)
def test_a_key_that_cannot_be_is_not_made(
    api: TestClient, texts: dict[str, str | None], body: Any, status: int
) -> None:
    assert api.post(KEYS, json=body, headers=bearing(str(texts["admin"]))).status_code == status


def test_reads_can_be_public_and_changes_never(url: str, texts: dict[str, str | None]) -> None:
    with client(url, public_reads=True) as api:
        answers = [api.get(path).status_code for path in (SYMBOLS, KEYS, PAUSE, "/api/v1/backfill/recent")]
        changed = [api.post(path).status_code for path in (PAUSE, "/api/v1/enrichment/trigger", KEYS)]
        wrong = api.get(SYMBOLS, headers=bearing(str(texts["unknown"]))).status_code

    assert answers == [200, 401, 401, 401]
    assert changed == [401, 401, 401]
    assert wrong == 401


def test_public_reads_are_limited_by_address(server: Server) -> None:
    with server.database() as url, client(url, public_reads=True, limits={"public": 3}) as api, Database(url) as db:
        made(db, "only")
        answers = [api.get(SYMBOLS) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3].headers["retry-after"]) in range(1, 61)


def test_another_address_is_open_to_nobody_though_no_key_is_left(server: Server) -> None:
    with server.database() as url, Database(url) as db:
        made(db, "only")
        with client(url, host="0.0.0.0") as api:
            keys.delete_key(db, "only", by="test")
            codes = {api.get(SYMBOLS).status_code, api.get("/").status_code}

    assert codes == {401}


def test_who_comes_by_another_address_finds_no_open_door(server: Server) -> None:
    with server.database() as url, client(url, "http://10.0.0.7:8000") as api:
        answer = api.get(SYMBOLS, headers={"Host": "127.0.0.1:8000"})

    assert answer.status_code == 401


def signed_in(api: TestClient, key: str, **query: str) -> Response:
    answer: Response = api.post("/signin", params=query, data={"key": key})
    return answer


def test_a_browser_signs_in_sees_what_its_key_may_and_signs_out(url: str, texts: dict[str, str | None]) -> None:
    html = {"Accept": "text/html,*/*"}
    with client(url) as api:
        sent_away = api.get("/series/A B", headers=html)
        refused = signed_in(api, "bh_wrong")
        came = signed_in(api, str(texts["read"]), next="/series/AAPL")
        codes = [api.get(path, headers=html).status_code for path in ("/dashboard", SYMBOLS, KEYS)]
        changed = api.post(PAUSE, headers={"Origin": HERE, "Sec-Fetch-Site": "same-origin"}).status_code
        shown = api.get("/signin").text
        cookie = came.cookies["barhouse_session"]
        left = api.post("/signout")
        stolen = api.get(SYMBOLS, headers={"Cookie": f"barhouse_session={cookie}"})

    assert (sent_away.status_code, sent_away.headers["location"]) == (303, "/signin?next=%2Fseries%2FA%20B")
    assert refused.status_code == 401
    assert (came.status_code, came.headers["location"]) == (303, "/series/AAPL")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in came.headers["set-cookie"].split(";")}
    assert codes == [200, 200, 403]
    assert changed == 403
    assert "<strong>read</strong>" in shown
    assert left.headers["location"] == "/signin"
    assert stolen.status_code == 401


def test_a_cookie_changes_nothing_for_a_page_of_another_site(url: str, texts: dict[str, str | None]) -> None:
    with client(url) as api:
        signed_in(api, str(texts["admin"]))
        foreign = [
            api.post(PAUSE, headers=headers).status_code
            for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://["})
        ]
        own = api.post(PAUSE, headers={"Origin": HERE}).status_code

    assert foreign == [403, 403, 403]
    assert own == 200


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/\r\nX: y"])
def test_signing_in_leads_to_no_other_site(url: str, texts: dict[str, str | None], target: str) -> None:
    with client(url) as api:
        assert signed_in(api, str(texts["read"]), next=target).headers["location"] == "/"


def test_other_sites_read_nothing_unless_they_are_named(url: str, texts: dict[str, str | None]) -> None:
    ours, others = {"Origin": "https://charts.example"}, {"Origin": "https://evil.example"}
    key = bearing(str(texts["operate"]))
    with client(url) as api:
        closed = api.get(SYMBOLS, headers={**key, **ours}).headers
    with client(url, cors_origins=["https://charts.example"]) as api:
        opened, still = (api.get(SYMBOLS, headers={**key, **origin}).headers for origin in (ours, others))
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
        before = api.options(PAUSE, headers={**ours, **asked})
        changed = [api.post(PAUSE, headers={**key, **origin}).status_code for origin in (ours, others)]

    name = "access-control-allow-origin"
    assert (name in closed, opened[name], name in still) == (False, "https://charts.example", False)
    assert before.status_code == 200
    assert changed == [200, 403]


def test_a_long_body_is_refused_whether_it_tells_its_length_or_not(
    api: TestClient, texts: dict[str, str | None]
) -> None:
    admin = bearing(str(texts["admin"]))
    told = api.post(KEYS, content=b"x" * (2**20 + 1), headers=admin)
    untold = api.post(KEYS, content=iter([b"x" * 2**19] * 3), headers=admin)

    assert [(each.status_code, each.json()) for each in (told, untold)] == [
        (413, {"detail": "A body has at most 1048576 bytes here"})
    ] * 2


def test_an_outage_is_503_never_401_and_never_open(server: Server) -> None:
    with server.database() as url, Database(url) as db:
        good, name = bearing(made(db, "good", "admin")), urlsplit(url).path[1:]
        with client(url) as api:
            before = api.get(SYMBOLS, headers=good).status_code
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            unknown = [api.get(SYMBOLS, headers=headers).status_code for headers in (bearing("bh_other"), good)]
            time.sleep(3.5)
            later = [api.get(SYMBOLS, headers=headers) for headers in (good, bearing("bh_other"), {})]
            lives = api.get("/health").status_code

    assert (before, lives) == (200, 200)
    assert unknown == [503, 503]
    assert [each.status_code for each in later] == [503, 503, 503]
    assert later[0].headers["retry-after"] == "5"


def test_an_open_api_is_not_open_while_nobody_can_tell_whether_it_is(server: Server) -> None:
    with server.database() as url, client(url) as api:
        name = urlsplit(url).path[1:]
        before = api.get("/docs").status_code
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        time.sleep(3.5)
        after = api.get("/docs").status_code

    assert (before, after) == (200, 503)


def test_the_last_use_of_a_key_is_noted(server: Server) -> None:
    with server.database() as url, Database(url) as db:
        text = made(db, "ci")
        before = keys.one_key(db, "ci").last_used_at
        with client(url) as api:
            api.get(SYMBOLS, headers=bearing(text))
        used = keys.one_key(db, "ci")

    assert before is None
    assert used.last_used_at is not None
    assert abs(used.last_used_at - used.created_at) < timedelta(minutes=1)
