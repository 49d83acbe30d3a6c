"""What people rely on when bars are rewritten: the endpoint, the commands and the client tell the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from barhouse.api.vendor_side import served
from barhouse.client import CORRECTIONS, Client
from barhouse.errors import InvalidParameter, UnknownSymbol
from barhouse.flow.correct import correct
from barhouse.flow.rewritten import diff
from barhouse.model import Series
from barhouse.store.postgres import Database
from tests.answers import kept, real
from tests.contract.test_api import client
from tests.integration.test_correct import again
from tests.integration.test_rewrite import asked, rewritten

ROWS = real("AAPL")[:30]
DAY, OTHER = ROWS["time"][20], ROWS["time"][21]
PATH = "/api/v1/data/corrections/AAPL"


@pytest.fixture
def aapl(db: Database) -> Series:
    """A series of Yahoo's, of which Polygon restated a volume, and Ada a close."""
    series = kept(db, "AAPL")
    again(db, series, ROWS, source="yahoo")
    restated = ROWS.with_columns(volume=pl.when(pl.col("time") == OTHER).then(7.0).otherwise("volume"))
    again(db, series, restated, source="polygon")
    correct(db, "AAPL", DAY, {"close": ROWS["low"][20]}, reason="the tape says so", author="Ada")
    return series


@pytest.fixture
def api(db: Database) -> Iterator[TestClient]:
    with client(db.url) as api:
        yield api


def told(api: TestClient, **parameters: Any) -> dict[str, Any]:
    response = api.get(PATH, params=parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_each_field_is_told_with_what_it_said_before_and_who_changed_it_the_latest_first(
    aapl: Series, api: TestClient
) -> None:
    answer = told(api)

    assert (answer["symbol"], answer["asset_class"], answer["count"], answer["next_cursor"]) == (
        "AAPL",
        "stock",
        3,
        None,
    )
    by_hand, *by_polygon = answer["data"]
    assert (by_hand["field_corrected"], by_hand["old_value"]) == ("close", ROWS["close"][20])
    assert (by_hand["corrected_by"], by_hand["reason"], by_hand["note"]) == (
        "Ada",
        "manual_correction",
        "the tape says so",
    )
    assert (by_hand["source"], by_hand["fetch_id"]) == ("yahoo", None)
    fields = {row["field_corrected"]: (row["old_value"], row["new_value"]) for row in by_polygon}
    assert fields == {"volume": (ROWS["volume"][21], 7.0), "source": ("yahoo", "polygon")}
    assert {row["timestamp"] for row in by_polygon} == {OTHER.isoformat().replace("+00:00", "Z")}


def test_corrections_are_narrowed_by_field_timeframe_and_time(aapl: Series, api: TestClient) -> None:
    moments = [row["correction_timestamp"] for row in told(api)["data"]]

    assert told(api, field="close")["count"] == 1
    assert told(api, timeframe="1h")["count"] == 0
    assert told(api, since=moments[0])["count"] == 1
    assert told(api, until=moments[0])["count"] == 2


def test_pages_follow_each_other_without_a_gap(aapl: Series, api: TestClient) -> None:
    first = told(api, limit=2)
    second = told(api, limit=2, cursor=first["next_cursor"])

    assert [*first["data"], *second["data"]] == told(api)["data"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("parameters", "status"),
    [({"field": "klose"}, 422), ({"timeframe": "2h"}, 400), ({"since": "soon"}, 422), ({"cursor": "x"}, 422)],
)
def test_what_cannot_be_asked_is_refused(
    aapl: Series, api: TestClient, parameters: dict[str, str], status: int
) -> None:
    assert api.get(PATH, params=parameters).status_code == status


def test_a_client_gets_the_same_frame_either_way(db: Database, aapl: Series, api: TestClient) -> None:
    with served(api.app) as address, Client(address) as over_http, Client(database_url=db.url) as direct:  # type: ignore[arg-type]
        frames = [way.corrections("AAPL", "1d", "2000-01-01") for way in (over_http, direct)]
        with pytest.raises(UnknownSymbol):
            over_http.corrections("NONE")

    assert frames[0].equals(frames[1])
    assert frames[0].schema == pl.Schema(CORRECTIONS)
    assert frames[0]["new_value"].to_list() == [ROWS["low"][20], None, 7.0]


def test_a_diff_says_what_is_otherwise_now(db: Database, aapl: Series) -> None:
    [(then,)] = asked(db, "SELECT clock_timestamp()")
    correct(db, "AAPL", DAY, {"close": ROWS["close"][20]}, reason="it was right", author="Bob")
    correct(db, "AAPL", OTHER, {"volume": 8.0}, reason="a digit", author="Bob")
    again(db, aapl, real("AAPL")[30:32])
    gone = rewritten(db, aapl, [ROWS["time"][3]])
    rewritten(db, aapl, [ROWS["time"][4]])
    [(later,)] = asked(db, "SELECT clock_timestamp()")
    rewritten(db, aapl, [], gone)

    found, last = diff(db, aapl, then), diff(db, aapl, later)

    assert found.changes.drop("time").rows() == [
        ("close", str(ROWS["low"][20]), str(ROWS["close"][20]), "Bob", "it was right"),
        ("volume", "7.0", "8.0", "Bob", "a digit"),
    ]
    assert found.stored["time"].to_list() == real("AAPL")[30:32]["time"].to_list()
    assert found.removed.select("time", "gone_by").rows() == [(ROWS["time"][4], "a test")]
    assert found.restored.is_empty()
    assert last.restored.select("time", "came_by").rows() == [(ROWS["time"][3], "a test")]
    assert last.changes.is_empty()


def test_a_diff_since_an_instant_to_come_is_refused(db: Database, aapl: Series) -> None:
    with pytest.raises(InvalidParameter, match="still to come"):
        diff(db, aapl, datetime(2100, 1, 1, tzinfo=UTC))
