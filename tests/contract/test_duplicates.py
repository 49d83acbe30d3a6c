"""Duplicates and quarantine over HTTP: previewed, cleaned, undone; listed, judged again, decided."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from tests.contract.test_api import client

DUPLICATES, QUARANTINE = "/api/v1/data/duplicates", "/api/v1/data/quarantine"
SLOT = {"symbol": "ACME", "timeframe": "1d", "candle_time": "2012-01-03T00:00:00Z", "duplicates_removed": 1}

WRITTEN = """
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated)
SELECT symbol, 'stock', '1d', time::timestamptz, 10, 11, 9, close, 5, 'elsewhere', close = 10
FROM unnest(ARRAY['ACME', 'BOLT']) AS symbol,
     (VALUES ('2012-01-03 00:00Z', 10), ('2012-01-03 14:30Z', 10.5), ('2012-01-04 00:00Z', 10)) AS row (time, close)
ORDER BY symbol
"""
SET_ASIDE = """
INSERT INTO quarantine (instrument, timeframe, time, source, reason, payload)
SELECT i.id, 7, time::timestamptz, market_data_source('polygon'), reason, json_build_object('t',
       extract(epoch FROM time::timestamptz)::bigint * 1000, 'o', 10, 'h', high, 'l', 9, 'c', 10, 'v', 5)
FROM instrument i, (VALUES ('2012-01-05', 'low_too_high', 11), ('2012-01-06', 'high_too_low', 3),
                           ('2012-01-08', 'off_grid', 11)) AS row (time, reason, high)
WHERE i.symbol = 'ACME' ORDER BY time
"""


@pytest.fixture
def api(database_url: str) -> Iterator[TestClient]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(WRITTEN.encode())
        connection.execute(SET_ASIDE.encode())
    with client(database_url) as api:
        yield api


def got(api: TestClient, path: str, **parameters: Any) -> Any:
    response = api.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def posted(api: TestClient, path: str, status: int = 200, body: Any = None, **parameters: Any) -> Any:
    response = api.post(path, params=parameters, json=body)
    assert response.status_code == status, response.text
    return response.json()


def closes(api: TestClient, symbol: str = "ACME") -> list[tuple[str, float]]:
    return [(bar["time"], bar["close"]) for bar in got(api, f"/api/v1/historical/{symbol}")["data"]]


def test_duplicates_are_previewed_cleaned_and_undone(api: TestClient) -> None:
    before = closes(api)
    first = got(api, DUPLICATES, symbol="ACME")
    assert first["preview"] == {
        "total_duplicates_found": 1,
        "total_records_removed": 0,
        "failed_checks": [],
        "cleanup_details": [SLOT],
    }
    assert (first["count"], first["log"], first["next_cursor"]) == (0, [], None)

    assert posted(api, f"{DUPLICATES}/cleanup", symbol="ACME", dry_run=True) == first["preview"]
    assert closes(api) == before
    told = posted(api, f"{DUPLICATES}/cleanup", symbol="ACME")

    assert told == {**first["preview"], "total_records_removed": 1}
    assert closes(api) == [("2012-01-03T00:00:00Z", 10.0), ("2012-01-04T00:00:00Z", 10.0)]
    [row] = got(api, DUPLICATES, symbol="ACME")["log"]
    assert (row["candle_time"], row["duplicate_count"], row["restored_at"]) == (SLOT["candle_time"], 1, None)
    [removed] = row["removed_records"]
    assert (datetime.fromisoformat(removed["time"]).hour, removed["close"]) == (14, 10.5)
    assert row["stamped_at"].endswith("Z")

    undone = posted(api, f"{DUPLICATES}/{row['id']}/undo")

    assert undone["records_restored"] == 1
    assert closes(api) == before
    assert got(api, DUPLICATES)["log"][0]["restored_at"] == undone["restored_at"]


def test_what_cannot_be_undone_is_told_by_its_status(api: TestClient) -> None:
    assert "No cleanup" in posted(api, f"{DUPLICATES}/1/undo", 404)["detail"]
    posted(api, f"{DUPLICATES}/cleanup")
    number = got(api, DUPLICATES, preview=False, limit=1)["log"][0]["id"]
    posted(api, f"{DUPLICATES}/{number}/undo")
    assert "undone already" in posted(api, f"{DUPLICATES}/{number}/undo", 409)["detail"]
    posted(api, f"{DUPLICATES}/0/undo", 422)
    posted(api, f"{DUPLICATES}/{2**63}/undo", 422)


def test_the_log_comes_by_the_page(api: TestClient) -> None:
    posted(api, f"{DUPLICATES}/cleanup")

    first = got(api, DUPLICATES, preview=False, limit=1)
    second = got(api, DUPLICATES, preview=False, limit=1, cursor=first["next_cursor"])

    assert first["preview"] is None
    assert [page["log"][0]["symbol"] for page in (first, second)] == ["BOLT", "ACME"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"symbol": "NOBODY"}, 404),
        ({"timeframe": "2h"}, 400),
        ({"asset_class": "bond"}, 400),
        ({"cursor": "x"}, 422),
        ({"limit": 0}, 422),
    ],
)
@pytest.mark.parametrize("path", [DUPLICATES, QUARANTINE])
def test_a_question_that_cannot_be_is_refused(
    api: TestClient, path: str, parameters: dict[str, Any], status: int
) -> None:
    response = api.get(path, params=parameters)

    assert response.status_code == status
    assert response.json()["detail"]


CHANGES = [
    f"{DUPLICATES}/cleanup",
    f"{DUPLICATES}/1/undo",
    f"{QUARANTINE}/rejudge",
    f"{QUARANTINE}/release",
    f"{QUARANTINE}/reject",
]


@pytest.mark.parametrize("path", CHANGES)
def test_no_other_sites_page_changes_anything(api: TestClient, path: str) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        assert api.post(path, headers=headers).status_code == 403
    assert api.get(path).status_code in (404, 405)


def test_the_quarantine_is_listed_with_reason_payload_and_fetch(api: TestClient) -> None:
    everything = got(api, QUARANTINE)
    one = got(api, QUARANTINE, reason="high_too_low", status="quarantined", timeframe="1d", symbol="ACME")

    assert [row["reason"] for row in everything["data"]] == ["off_grid", "high_too_low", "low_too_high"]
    [row] = one["data"]
    assert (row["time"], row["source"], row["status"]) == ("2012-01-06T00:00:00Z", "polygon", "quarantined")
    assert '"h" : 3' in row["payload"]
    assert row.keys() >= {"fetch_id", "span_start", "span_end", "decided_by", "decision", "released_at", "created_at"}
    assert got(api, QUARANTINE, status="released")["data"] == []
    first = got(api, QUARANTINE, limit=2)
    assert [row["reason"] for row in got(api, QUARANTINE, cursor=first["next_cursor"])["data"]] == ["low_too_high"]


def test_rows_are_judged_again_released_and_rejected(api: TestClient) -> None:
    posted(api, f"{DUPLICATES}/cleanup")
    astray, printed, sound = (row["id"] for row in got(api, QUARANTINE)["data"])
    signed = {"reason": "the exchange says so", "author": "ada"}

    told = posted(api, f"{QUARANTINE}/rejudge", symbol="ACME")
    assert (told["judged"], told["released"]) == (3, 1)
    assert {row["id"]: row["reason"] for row in told["rows"]} == {
        sound: None,
        printed: "high_too_low",
        astray: "off_grid",
    }
    assert posted(api, f"{QUARANTINE}/rejudge", id=[printed])["judged"] == 1

    assert "off_grid" in posted(api, f"{QUARANTINE}/release", 422, {"ids": [printed, astray], **signed})["detail"]
    assert posted(api, f"{QUARANTINE}/release", body={"ids": [printed], **signed})["released"] == 1
    assert "already" in posted(api, f"{QUARANTINE}/release", 409, {"ids": [printed], **signed})["detail"]
    assert posted(api, f"{QUARANTINE}/reject", body={"ids": [astray], **signed}) == {"rejected": 1}

    assert [time for time, _ in closes(api)][2:] == ["2012-01-05T00:00:00Z", "2012-01-06T00:00:00Z"]
    stands = {row["id"]: (row["status"], row["decided_by"]) for row in got(api, QUARANTINE)["data"]}
    assert stands == {sound: ("released", None), printed: ("released", "ada"), astray: ("rejected", "ada")}


@pytest.mark.parametrize(
    "body",
    [
        {"ids": [1], "reason": "sure"},
        {"ids": [1], "reason": "", "author": "ada"},
        {"ids": [], "reason": "sure", "author": "ada"},
        {"ids": [2**63], "reason": "sure", "author": "ada"},
        {"ids": ["x"], "reason": "sure", "author": "ada"},
        {"ids": [1], "reason": "sure", "author": "ada", "more": 1},
    ],
)
@pytest.mark.parametrize("verb", ["release", "reject"])
def test_a_decision_that_is_none_is_refused(api: TestClient, verb: str, body: dict[str, Any]) -> None:
    assert posted(api, f"{QUARANTINE}/{verb}", 422, body)["detail"]


def test_a_row_that_is_not_there_is_not_found(api: TestClient) -> None:
    signed = {"ids": [10**6], "reason": "sure", "author": "ada"}
    for verb in ("release", "reject"):
        posted(api, f"{QUARANTINE}/{verb}", 404, signed)
    posted(api, f"{QUARANTINE}/rejudge", 404, id=[10**6])
