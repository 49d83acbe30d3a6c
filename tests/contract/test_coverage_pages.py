"""What is absent, in a list and as a calendar, and how a stretch of it is asked for, by whom."""

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
from barhouse.flow import instruments
from barhouse.flow.jobs import job
from barhouse.flow.keys import create_key
from barhouse.flow.sweep import sweep
from barhouse.model import Series, Timeframe
from barhouse.store.keys import Role
from barhouse.store.postgres import Database
from tests.contract.pages import PAGE, seen
from tests.servers import Server
from tests.warehouse import filled

PATH = "/dashboard/coverage/AAPL"

SPOILT = """
DELETE FROM bar USING instrument i
WHERE i.id = bar.instrument AND i.symbol = 'AAPL' AND bar.time BETWEEN '2012-09-10Z' AND '2012-09-12Z';
UPDATE coverage SET span_end = '2013-03-02Z';
INSERT INTO coverage (instrument, timeframe, source, span_start, span_end, state, read_at, reason)
SELECT id, 7, 1, '2013-03-04Z'::timestamptz, '2013-03-06Z'::timestamptz, 'failed', now(), 'nothing came in 30 s'
FROM instrument WHERE symbol = 'AAPL'
UNION ALL SELECT id, 7, 2, '2013-03-06Z', '2013-03-08Z', 'empty', now(), NULL FROM instrument WHERE symbol = 'AAPL'
UNION ALL SELECT id, 7, 2, '2013-03-11Z', '2013-03-13Z', 'unreachable', now(), NULL
FROM instrument WHERE symbol = 'AAPL';
"""


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    with filled(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute(SPOILT)
        with Database(url) as db:
            sweep(db, [Series(instruments.find(db, "AAPL"), Timeframe.D1)])
        yield url


@pytest.fixture(scope="module")
def visitor(url: str) -> Iterator[TestClient]:
    with TestClient(create(Settings(database_url=SecretStr(url))), "http://127.0.0.1:8000") as visitor:
        yield visitor


def test_the_list_has_what_lacks_most_in_front(visitor: TestClient) -> None:
    page = seen(visitor, "/dashboard/coverage")

    _, aapl, *others = page.tables["holes"]
    assert aapl[:4] == ["AAPL", "stock", "1dnot tracked", "3,270"]
    assert aapl[6:13] == ["3in 1", "99.90 %", "3", "0", "0", "1", "1"]
    assert [row[0] for row in others] == ["BTC", "BTC", "ETH", "ODD"]
    assert "<html" not in visitor.get("/dashboard/coverage?q=odd", headers={"HX-Request": "true"}).text
    assert visitor.get("/dashboard/coverage?sort=nothing").status_code == 422


def test_the_stretches_in_which_something_is_absent_say_why(visitor: TestClient) -> None:
    page = seen(visitor, PATH)

    # The sessions after 8 March 2013 until 2014 ended: those of the days that nobody was asked for come first
    rows = [row[:5] for row in page.tables["stretches"][1:]]
    assert rows[1:] == [
        ["2013-03-11", "2013-03-12", "out of reach", "2", "2"],
        ["2013-03-08", "2013-03-08", "not asked for", "1", "1"],
        ["2013-03-06", "2013-03-07", "vendor has none", "2", "2"],
        ["2013-03-04", "2013-03-05", "failed", "2", "2"],
        ["2012-09-10", "2012-09-12", "missing", "3", "3"],
    ]
    assert rows[0][:3] == ["2013-03-13", "2014-12-31", "not asked for"]
    assert page.tables["asked"][1][3] in ("empty", "unreachable")


def test_a_calendar_has_a_cell_a_day_and_tells_how_many_stand_so(visitor: TestClient) -> None:
    text = visitor.get(PATH).text

    [year] = re.findall(r'<svg[^>]* data-year="2012".*?</svg>', text, re.DOTALL)
    cells = {look: path.count("M") for look, path in re.findall(r'<path class="([\w ]+)" d="([^"]+)"', year)}
    # The exchange had 250 sessions in 2012
    assert cells == {"present": 247, "missing": 3, "closed": 116}
    told = re.sub(r"<[^>]+>", "", text)
    assert all(re.search(each, told) for each in (r"missing 3\b", r"failed 2\b", r"vendor has none 2\b", r"reach 2\b"))
    [data] = re.findall(r'<script type="application/json" id="drawn">(.*?)</script>', text)
    assert ["2012-09-10", "2012-09-12", "missing", 0, 1] in json.loads(data)["runs"]
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)


def test_other_years_are_a_link_away(visitor: TestClient) -> None:
    page = seen(visitor, PATH)
    [earlier] = [told["href"] or "" for told in page.named("a") if "year=2006" in (told["href"] or "")]

    assert "AAPL 1d, 2000 to 2006" in visitor.get(earlier).text
    assert visitor.get(f"{PATH}?year=1980").status_code == 200
    assert visitor.get(f"{PATH}?year=1066").status_code == 422


def test_a_series_of_which_nothing_is_known_says_how_to_begin(visitor: TestClient) -> None:
    assert "barhouse backfill AAPL --timeframe 5m" in visitor.get(f"{PATH}?timeframe=5m").text
    assert seen(visitor, "/dashboard/coverage/NONE", 404)


def test_a_stretch_is_asked_for_and_the_answer_leads_to_the_job(visitor: TestClient, url: str) -> None:
    [form] = re.findall(r'<tr data-first="2012-09-10".*?</tr>', visitor.get(PATH).text, re.DOTALL)
    told = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))

    answer = visitor.post(f"{PATH}/backfill", data=told)

    assert answer.status_code == 200
    [number] = re.findall(r'href="/dashboard/jobs/([0-9a-f-]+)"', answer.text)
    with Database(url) as db, db.connection() as connection:
        found = job(db, number)
        [task] = found["tasks"]
        executions = connection.execute(
            "SELECT refresh FROM backfill_state_persistent WHERE execution_id::text = %s", [task["execution_id"]]
        ).fetchall()
    assert (found["kind"], found["requested_by"], executions) == ("backfill", "api:anyone", [(True,)])
    assert (f"{task['wanted_start']:%F}", f"{task['wanted_end']:%F %R}") == ("2012-09-10", "2012-09-12 20:00")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({}, 422),
        ({"start": "2012-09-10"}, 422),
        ({"start": "2012-09-10", "through": "2012-09-09x"}, 422),
        ({"start": "2012-09-12", "end": "2012-09-10"}, 422),
        ({"start": "2012-09-10", "through": "2012-09-12", "timeframe": "2h"}, 400),
    ],
)
def test_a_stretch_that_is_none_is_refused(visitor: TestClient, told: dict[str, str], status: int) -> None:
    assert visitor.post(f"{PATH}/backfill", data=told).status_code == status


def test_who_may_not_backfill_sees_all_and_changes_nothing(server: Server) -> None:
    with filled(server) as url:
        with Database(url) as db:
            keys = {role: create_key(db, str(role), role=role, by="test").text for role in Role}
        with TestClient(create(Settings(database_url=SecretStr(url))), "http://127.0.0.1:8000") as visitor:
            told = {"start": "2014-01-02", "through": "2014-01-03"}
            headers = {role: PAGE | {"X-API-Key": key} for role, key in keys.items()}

            pages = {role: visitor.get(PATH, headers=each).text for role, each in headers.items()}
            answers = {
                role: visitor.post(f"{PATH}/backfill", data=told, headers=each).status_code
                for role, each in headers.items()
            }

    assert [role for role, text in pages.items() if "hx-post" in text] == [Role.ADMIN]
    assert answers == {Role.READ: 403, Role.OPERATE: 403, Role.ADMIN: 200}
