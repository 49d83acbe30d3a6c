"""Adjusted bars, and bars of the past, over HTTP and in notebooks: one answer in every form."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient
from polars.testing import assert_frame_equal
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.api.vendor_side import served
from barhouse.client import Client
from barhouse.config import Settings
from barhouse.errors import InvalidParameter
from barhouse.flow import sessions
from barhouse.flow.actions import learn
from barhouse.flow.batch import Batch
from barhouse.flow.ingest import keep
from barhouse.model import ACTIONS, INSTANT, Series, instant
from barhouse.store.postgres import Database
from tests.answers import answer, kept, real
from tests.servers import Server

AAPL = "/api/v1/historical/AAPL"
ROWS = real("AAPL")
FIRST, SECOND = date(2000, 6, 21), date(2005, 2, 28)
"""The days from which AAPL had two shares for one."""


@dataclass(frozen=True)
class Story:
    """A warehouse in which AAPL was learnt in steps, and an instant after each."""

    db: Database
    series: Series
    bare: datetime
    """The bars alone."""
    split: datetime
    """Both splits."""


def split(ratio: float, day: date) -> pl.DataFrame:
    return pl.DataFrame([("split", day, ratio, None, None)], schema=ACTIONS, orient="row")


def paid(amount: float, day: date) -> pl.DataFrame:
    return pl.DataFrame([("dividend", day, None, amount, "USD")], schema=ACTIONS, orient="row")


def moment(db: Database) -> datetime:
    with db.connection() as connection:
        [(now,)] = connection.execute("SELECT clock_timestamp()").fetchall()
    return now.astimezone(UTC)  # type: ignore[no-any-return]


@contextmanager
def told(server: Server) -> Iterator[Story]:
    with server.database() as url, Database(url) as db:
        series = kept(db, "AAPL")
        keep(db, Batch([answer(series, ROWS)], sessions.calendar(db, "XNYS")))
        bare = moment(db)
        for day in (FIRST, SECOND):
            learn(db, series.instrument, split(2.0, day), "polygon")
        both = moment(db)
        learn(db, series.instrument, paid(2.65, date(2012, 8, 9)), "yahoo")
        yield Story(db, series, bare, both)


@pytest.fixture(scope="module")
def story(server: Server) -> Iterator[Story]:
    with told(server) as story:
        yield story


@pytest.fixture(scope="module")
def api(story: Story) -> Iterator[TestClient]:
    with client_of(story) as api:
        yield api


@pytest.fixture
def unfinished(server: Server) -> Iterator[Story]:
    """One that the test may go on with."""
    with told(server) as story:
        yield story


def client_of(story: Story) -> TestClient:
    settings = Settings(database_url=SecretStr(story.db.url))
    return TestClient(create(settings), "http://127.0.0.1:8000", raise_server_exceptions=False)


def asked(api: TestClient, **parameters: Any) -> Any:
    response = api.get(AAPL, params=parameters)
    assert response.status_code == 200, response.text
    return response


def paged(api: TestClient, **parameters: Any) -> pl.DataFrame:
    """All pages, following the cursor."""
    page = asked(api, limit=1200, **parameters).json()
    rows = list(page["data"])
    while page["next_cursor"]:
        page = asked(api, limit=1200, cursor=page["next_cursor"], **parameters).json()
        rows += page["data"]
    text = pl.DataFrame(rows, infer_schema_length=None)
    return text.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC"))


def by_pencil(close: float, day: date, *, dividend: bool) -> float:
    """AAPL's close of a day in the shares of 2013; its close of 8 August 2012 was 619.86."""
    shares = (2 if day < FIRST else 1) * (2 if day < SECOND else 1)
    return close / shares * (1 - 2.65 / 619.86 if dividend and day < date(2012, 8, 9) else 1)


@pytest.mark.parametrize("adjust", ["splits", "all"])
def test_every_form_gives_the_same_adjusted_bars(api: TestClient, story: Story, adjust: str) -> None:
    bars = ROWS.select("close", day=pl.col("time").dt.date()).rows()
    expected = [by_pencil(close, day, dividend=adjust == "all") for close, day in bars]

    pages = paged(api, adjust=adjust)
    arrow = pl.read_ipc_stream(asked(api, adjust=adjust, format="arrow").content)
    parquet = pl.read_parquet(io.BytesIO(asked(api, adjust=adjust, format="parquet").content))
    csv = pl.read_csv(asked(api, adjust=adjust, format="csv").content)
    with Client(database_url=story.db.url) as client:
        direct = client.bars("AAPL", adjust=adjust)  # type: ignore[arg-type]

    assert arrow["close"].to_list() == pytest.approx(expected, rel=1e-12)
    assert_frame_equal(parquet, arrow)
    assert_frame_equal(direct, arrow)
    for name in ("open", "high", "low", "close", "volume"):
        assert pages[name].to_list() == csv[name].to_list() == arrow[name].to_list()
    assert arrow["volume"][0] == ROWS["volume"][0] * 4


def test_plain_bars_stay_as_traded(api: TestClient) -> None:
    assert paged(api)["close"].to_list() == ROWS["close"].to_list()


def test_features_beside_adjusted_bars_are_as_stored(api: TestClient) -> None:
    plain = pl.read_ipc_stream(asked(api, features=True, format="arrow").content)
    adjusted = pl.read_ipc_stream(asked(api, features=True, adjust="all", format="arrow").content)

    assert_frame_equal(plain.select("return_1d", "atr"), adjusted.select("return_1d", "atr"))


def test_the_mark_of_adjusted_bars_changes_with_what_they_hang_on(unfinished: Story) -> None:
    forms = [{"adjust": "all", "format": form} for form in ("json", "csv")]
    with client_of(unfinished) as api:
        marks = [asked(api, **form).headers["etag"] for form in forms]
        for form, mark in zip(forms, marks, strict=True):
            assert api.get(AAPL, params=form, headers={"If-None-Match": mark}).status_code == 304
            others = {asked(api, **{**form, "adjust": other}).headers["etag"] for other in ("none", "splits")}
            assert mark not in others

        learn(unfinished.db, unfinished.series.instrument, paid(2.65, date(2012, 11, 7)), "polygon")

        for form, mark in zip(forms, marks, strict=True):
            again = api.get(AAPL, params=form, headers={"If-None-Match": mark})
            assert (again.status_code, again.headers["etag"] != mark) == (200, True)


def test_the_past_is_adjusted_by_what_was_known_then(api: TestClient, story: Story) -> None:
    bare = paged(api, as_of=instant(story.bare), adjust="all")
    split = paged(api, as_of=instant(story.split), adjust="all")

    assert bare["close"].to_list() == ROWS["close"].to_list()
    assert split["close"][0] == ROWS["close"][0] / 4
    assert split["close"][-1] == ROWS["close"][-1]
    assert asked(api, as_of="2020-01-01").json()["data"] == []


def test_a_page_of_the_past_keeps_its_mark_whatever_is_written_later(unfinished: Story) -> None:
    asking = {"as_of": instant(unfinished.split), "limit": 10, "features": "true"}
    monday = ROWS[-1:].with_columns(pl.col("time").dt.offset_by("3d"))
    with client_of(unfinished) as api:
        mark = asked(api, **asking).headers["etag"]

        keep(unfinished.db, Batch([answer(unfinished.series, monday)], sessions.calendar(unfinished.db, "XNYS")))

        assert api.get(AAPL, params=asking, headers={"If-None-Match": mark}).status_code == 304
        whole = pl.read_ipc_stream(asked(api, as_of=instant(unfinished.split), format="arrow").content)
        assert whole["time"].to_list() == ROWS["time"].to_list()


def test_a_future_instant_is_refused_in_notebooks_too(story: Story) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    settings = Settings(database_url=SecretStr(story.db.url))
    with served(create(settings)) as url, Client(url) as over_http, Client(database_url=story.db.url) as direct:
        for client in (over_http, direct):
            with pytest.raises(InvalidParameter, match="still to come"):
                client.bars("AAPL", as_of=tomorrow)
            with pytest.raises(InvalidParameter, match="adjust: 'most'"):
                client.bars("AAPL", adjust="most")  # type: ignore[arg-type]
        then = [
            client.bars("AAPL", as_of=story.split, adjust="splits", features=True) for client in (over_http, direct)
        ]

    assert_frame_equal(*then)
    assert then[0]["close"][0] == ROWS["close"][0] / 4
    assert then[0]["time"].dtype == INSTANT
    assert then[0]["atr"].null_count() == 14


def test_actions_are_listed_with_who_told_them_and_why_they_count(api: TestClient, story: Story) -> None:
    found = api.get("/api/v1/data/actions/aapl").json()
    then = api.get("/api/v1/data/actions/AAPL", params={"as_of": instant(story.split)}).json()

    assert (found["symbol"], found["asset_class"], found["count"]) == ("AAPL", "stock", len(found["actions"]))
    assert then["count"] == 2
    first = then["actions"][0]
    assert {name: first[name] for name in ("source", "kind", "effective", "ratio", "amount", "standing")} == {
        "source": "polygon",
        "kind": "split",
        "effective": "2000-06-21",
        "ratio": 2.0,
        "amount": None,
        "standing": "accepted",
    }
    assert first["evidence"]["by"] == "prices"
    assert (
        first["evidence"]["move"]["previous_close"]
        == ROWS.filter(pl.col("time") < datetime(2000, 6, 21, tzinfo=UTC))["close"][-1]
    )
    assert api.get("/api/v1/data/actions/NONE").status_code == 404
    assert api.get("/api/v1/data/actions/AAPL?as_of=then").status_code == 422
