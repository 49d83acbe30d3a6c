"""The pages of jobs: what people see of them, and what they may do there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from barhouse import DatabaseService
from barhouse.flow import jobs
from barhouse.flow.plan import Wanted
from barhouse.flow.track import track
from barhouse.model import AssetClass, Instrument, Span, Timeframe
from barhouse.store.jobs import Kind, book
from barhouse.store.postgres import Database
from tests.contract.pages import PAGE, seen
from tests.contract.test_access import bearing, client, made

PATH = "/dashboard/jobs"
SWAP = {**PAGE, "HX-Request": "true"}
YEAR = Span(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
UNKNOWN = f"{PATH}/0b3c8f0e-6c1d-4a57-9a0e-2f6a3f0b7c11"


@pytest.fixture
def service(database_url: str) -> Iterator[DatabaseService]:
    with DatabaseService(database_url) as service:
        yield service


@pytest.fixture
def api(database_url: str) -> Iterator[TestClient]:
    with client(database_url) as api:
        yield api


def begun(db: Database, *symbols: str, kind: Kind = Kind.ENRICHMENT, by: str = "test") -> jobs.Job:
    """A job of the 1d of some symbols."""
    series = track(db, [Instrument(each) for each in symbols], [Timeframe.D1], YEAR.start)
    return jobs.request(db, kind, [Wanted(each, YEAR) for each in series], by=by)


def ended(service: DatabaseService, job: jobs.Job, **errors: str) -> None:
    """Let the series of a job end, those of some symbols with an error."""
    for task in job["tasks"]:
        error = errors.get(task["symbol"])
        service.update_backfill_state(task["execution_id"], "in_progress")
        service.update_backfill_state(
            task["execution_id"], "failed" if error else "completed", records_inserted=250, error_message=error
        )
    with service.transaction() as connection:
        book(connection, [UUID(task["execution_id"]) for task in job["tasks"]])


def address(job: jobs.Job) -> str:
    return f"{PATH}/{job['job_id']}"


def column(page_rows: list[list[str]], number: int) -> list[str]:
    return [row[number] for row in page_rows[1:]]


def test_without_jobs_the_page_says_what_would_make_some(api: TestClient) -> None:
    assert "Nothing was asked for yet" in api.get(PATH, headers=PAGE).text


def test_jobs_are_listed_newest_first_with_how_they_stand(service: DatabaseService, api: TestClient) -> None:
    first = begun(service, "AAPL", "MSFT", by="schedule:backfill")
    ended(service, first, MSFT="polygon: 503")
    begun(service, "IBM", kind=Kind.BACKFILL)

    rows = seen(api, PATH).tables["jobs"]

    assert [row[1:4] for row in rows[1:]] == [
        ["backfill", "by test", "queued"],
        ["enrichment", "by the schedule backfill", "failed"],
    ]
    assert rows[2][4:9] == ["100 %", "2", "1", "0", "500"]


def test_a_job_that_goes_on_is_counted_anew_each_time(service: DatabaseService, api: TestClient) -> None:
    job = begun(service, "AAPL")
    before = seen(api, PATH).tables["jobs"]
    ended(service, job)
    after, again = seen(api, PATH).tables["jobs"], seen(api, PATH).tables["jobs"]

    assert [rows[1][3] for rows in (before, after, again)] == ["queued", "completed", "completed"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["IBM", "AAPL"]),
        ("?kind=backfill", ["IBM"]),
        ("?status=active", ["IBM"]),
        ("?status=completed", ["AAPL"]),
        ("?symbol=aapl", ["AAPL"]),
        ("?by=SOME", ["AAPL"]),
        ("?before=2020-01-01", []),
    ],
)
def test_jobs_are_chosen_by_what_they_are(
    service: DatabaseService, api: TestClient, query: str, found: list[str]
) -> None:
    first = begun(service, "AAPL", by="somebody")
    ended(service, first)
    second = begun(service, "IBM", kind=Kind.BACKFILL)
    names = {first["job_id"]: "AAPL", second["job_id"]: "IBM"}

    listed = re.findall(r'id="job-([0-9a-f-]{36})"', api.get(PATH + query, headers=SWAP).text)

    assert [names[each] for each in listed] == found


def test_a_choice_that_makes_no_sense_is_said(api: TestClient) -> None:
    answers = {query: api.get(f"{PATH}?{query}", headers=SWAP) for query in ("status=odd", "before=never", "kind=x")}

    assert {answer.status_code for answer in answers.values()} == {422}
    assert all(answer.headers["hx-retarget"] == "#toasts" for answer in answers.values())


def test_many_jobs_come_in_pages(service: DatabaseService, api: TestClient) -> None:
    made_ = [begun(service, f"S{number}")["job_id"] for number in range(27)]

    first = api.get(PATH, headers=PAGE).text
    [older] = re.findall(r'<a href="([^"]+)">Older</a>', first)
    second = api.get(older.replace("&amp;", "&"), headers=PAGE).text
    shown = [re.findall(r'id="job-([0-9a-f-]{36})"', each) for each in (first, second)]

    assert shown == [made_[:1:-1], made_[1::-1]]
    assert "Newest" in second
    assert "Older" not in second


def test_a_job_shows_its_series_the_failed_ones_first(service: DatabaseService, api: TestClient) -> None:
    job = begun(service, "AAPL", "MSFT", "IBM")
    ended(service, job, MSFT="<script>alert(1)</script>")

    page = seen(api, address(job))
    text = api.get(address(job), headers=PAGE).text

    rows = page.tables["tasks"]
    assert rows[1][:3] == ["MSFT 1d", "stock", "failed"]
    assert rows[2] == ["<script>alert(1)</script>"]
    assert [row[0] for row in rows[3:]] == ["AAPL 1d", "IBM 1d"]
    assert "<script>alert" not in text
    assert "2 of 3 fine" in re.sub(r"<[^>]+>", "", text)


def test_the_series_of_a_job_are_chosen_by_status_and_symbol(service: DatabaseService, api: TestClient) -> None:
    job = begun(service, "AAPL", "AMZN", "IBM")
    ended(service, job, IBM="reset")

    failed = seen(api, f"{address(job)}?status=failed").tables["tasks"]
    named = seen(api, f"{address(job)}?symbol=a").tables["tasks"]

    assert column(failed, 0)[:1] == ["IBM 1d"]
    assert column(named, 0) == ["AAPL 1d", "AMZN 1d"]
    assert "None of its series is like that" in api.get(f"{address(job)}?symbol=zzz", headers=PAGE).text


def test_what_happened_in_a_job_is_told_newest_first(service: DatabaseService, api: TestClient) -> None:
    job = begun(service, "AAPL", "IBM")
    ended(service, job, IBM="polygon: 503")
    with service.connection() as connection:
        connection.execute(
            "INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, span_start, span_end, success, "
            "records_fetched, records_inserted, records_quarantined, source_response_time_ms, error_details, job_id) "
            "VALUES ('AAPL', 'stock', '1d', 'polygon', '2025-01-01Z', '2026-01-01Z', true, 251, 250, 1, 80, NULL, "
            "%(job)s), ('IBM', 'stock', '1d', 'polygon', '2025-01-01Z', '2026-01-01Z', false, 0, 0, 0, NULL, '503', "
            "%(job)s)",
            {"job": job["job_id"]},
        )

    rows = seen(api, f"{address(job)}?tab=log").tables["log"]
    wrong = seen(api, f"{address(job)}?tab=log&errors=true").tables["log"]
    one = seen(api, f"{address(job)}?tab=log&symbol=aapl").tables["log"]

    assert ["fetch", "AAPL 1d", "polygon", "251 bars of 2025-01-01 to 2026-01-01: 250 new,1 quarantined", "80 ms"] in [
        row[1:] for row in rows
    ]
    assert column(rows, 1)[:2] == ["fetch", "fetch"]
    assert sorted(column(rows, 1)[2:]) == ["begins", "begins", "ended", "failed"]
    assert sorted(column(wrong, 1)) == ["failed", "fetch"]
    assert {row[2] for row in one[1:]} == {"AAPL 1d"}


def test_a_part_that_did_not_change_is_not_sent_again(service: DatabaseService, api: TestClient) -> None:
    job = begun(service, "AAPL")
    first = api.get(address(job), headers=SWAP)
    mark = {**SWAP, "HX-PTag": first.headers["hx-ptag"]}
    unchanged = api.get(address(job), headers=mark)
    ended(service, job)
    changed = api.get(address(job), headers=mark)

    assert "<html" not in first.text
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (changed.status_code, "every 5s" in first.text, "every 5s" in changed.text) == (200, True, False)


def test_an_unknown_job_is_a_page(api: TestClient) -> None:
    assert "No job has the id" in api.get(UNKNOWN, headers=PAGE).text
    assert api.get(UNKNOWN, headers=PAGE).status_code == 404
    assert api.get(f"{PATH}/nowhere", headers=PAGE).status_code == 404


def test_a_job_is_cancelled_and_a_second_time_that_is_a_conflict(service: DatabaseService, api: TestClient) -> None:
    job = begun(service, "AAPL")

    first, second = (api.post(f"{address(job)}/cancel", headers=SWAP) for _ in range(2))

    assert (first.status_code, first.headers["hx-trigger"]) == (200, "jobs")
    assert "The job is cancelled" in first.text
    assert (second.status_code, "is through already" in second.text) == (409, True)
    assert jobs.job(service, job["job_id"])["status"] == "failed"


def test_what_failed_is_tried_again_in_a_job_of_its_own(service: DatabaseService, api: TestClient) -> None:
    job = begun(service, "AAPL", "IBM")
    ended(service, job, IBM="reset")

    answer = api.post(f"{address(job)}/retry", headers=SWAP)

    new = jobs.job(service, answer.headers["hx-redirect"].removeprefix(f"{PATH}/"))
    assert [task["symbol"] for task in new["tasks"]] == ["IBM"]
    assert new["requested_by"] == "api:anyone"


def test_a_form_asks_for_what_is_tracked(service: DatabaseService, api: TestClient) -> None:
    track(service, [Instrument("AAPL")], [Timeframe.D1, Timeframe.H1], YEAR.start)

    answer = api.post(PATH, data={"kind": "enrichment", "symbols": "", "asset_class": ""}, headers=SWAP)

    new = jobs.job(service, answer.headers["hx-redirect"].removeprefix(f"{PATH}/"))
    assert (new["kind"], [task["timeframe"] for task in new["tasks"]]) == ("enrichment", ["1d", "1h"])


def test_a_form_asks_for_a_span_of_several_symbols(service: DatabaseService, api: TestClient) -> None:
    wish = {
        "kind": "backfill",
        "symbols": "aapl, ibm\n msft",
        "asset_class": "stock",
        "timeframes": ["1d", "1w"],
        "start": "2025-01-01",
        "end": "2025-02-01",
    }

    answer = api.post(PATH, data=wish, headers=SWAP)

    new = jobs.job(service, answer.headers["hx-redirect"].removeprefix(f"{PATH}/"))
    assert [f"{task['symbol']} {task['timeframe']}" for task in new["tasks"]] == [
        *("AAPL 1d", "AAPL 1w", "IBM 1d", "IBM 1w", "MSFT 1d", "MSFT 1w")
    ]
    spans = {(task["wanted_start"], task["wanted_end"]) for task in new["tasks"]}
    assert spans == {(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC))}


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"kind": "backfill"}, 422, "say which ones"),
        ({"kind": "backfill", "symbols": "AAPL", "start": "2025-02-01", "end": "2025-01-01"}, 422, "not after start"),
        ({"kind": "backfill", "symbols": "AAPL", "start": "soon"}, 422, "is no date"),
        ({"kind": "enrichment", "symbols": "AAPL", "timeframes": "2h"}, 400, "Invalid timeframes"),
        ({"kind": "enrichment", "symbols": "AAPL", "asset_class": "bond"}, 400, "Invalid asset class"),
        ({"kind": "enrichment"}, 404, "Nothing of that is tracked"),
        ({"kind": "dance"}, 422, "neither enrichment nor backfill"),
        ({}, 422, "kind"),
    ],
)
def test_a_form_that_cannot_be_followed_says_why(
    api: TestClient, wish: dict[str, str], status: int, words: str
) -> None:
    answer = api.post(PATH, data=wish, headers=SWAP)

    assert (answer.status_code, answer.headers["hx-retarget"]) == (status, "#toasts")
    assert words in answer.text


def test_only_who_may_backfill_by_the_api_may_do_so_here(service: DatabaseService) -> None:
    wish = {"kind": "backfill", "symbols": "AAPL", "start": "2025-01-01", "end": "2025-02-01"}
    keys = {role: bearing(made(service, role, role)) for role in ("operate", "admin")}
    with client(service.url) as api:
        pages = {role: api.get(PATH, headers=PAGE | key).text for role, key in keys.items()}
        refused, done = [api.post(PATH, data=wish, headers=SWAP | key) for key in keys.values()]

    assert [refused.status_code, done.status_code] == [403, 200]
    assert "This takes a key with the role admin" in refused.text
    assert ["bring a span" in page for page in pages.values()] == [False, True]


def test_a_reader_sees_all_and_can_change_nothing(service: DatabaseService) -> None:
    job, done = begun(service, "AAPL"), begun(service, "IBM")
    ended(service, done, IBM="reset")
    keys = {role: bearing(made(service, role, role)) for role in ("read", "operate")}
    with client(service.url) as api:
        pages = {
            role: "".join(api.get(path, headers=PAGE | key).text for path in (PATH, address(job), address(done)))
            for role, key in keys.items()
        }
        refused = [
            api.post(path, headers=SWAP | keys["read"])
            for path in (PATH, f"{address(job)}/cancel", f"{address(done)}/retry")
        ]
        allowed = api.post(f"{address(job)}/cancel", headers=SWAP | keys["operate"])

    assert [words in pages["operate"] for words in ("Ask for a job", "/cancel", "/retry")] == [True] * 3
    assert [words in pages["read"] for words in ("Ask for a job", "hx-post", "/cancel", "/retry")] == [False] * 4
    assert [(each.status_code, each.headers["hx-retarget"]) for each in refused] == [(403, "#toasts")] * 3
    assert allowed.status_code == 200
    assert jobs.job(service, job["job_id"])["status"] == "failed"


def test_who_is_signed_out_is_led_to_where_he_signs_in(service: DatabaseService) -> None:
    made(service, "only")
    with client(service.url) as api:
        whole = api.get(PATH, headers=PAGE)
        piece = api.get(PATH, headers=SWAP | {"HX-Current-URL": f"http://127.0.0.1:8000{PATH}?kind=backfill"})

    assert (whole.status_code, whole.headers["location"]) == (303, "/signin?next=%2Fdashboard%2Fjobs")
    assert (piece.status_code, piece.headers["hx-redirect"]) == (401, "/signin?next=%2Fdashboard%2Fjobs")


def test_two_instruments_of_a_name_are_two_series(service: DatabaseService, api: TestClient) -> None:
    series = track(
        service, [Instrument("BTC", AssetClass.CRYPTO), Instrument("BTC", AssetClass.ETF)], [Timeframe.D1], YEAR.start
    )
    job = jobs.request(service, Kind.ENRICHMENT, [Wanted(each, YEAR) for each in series], by="test")

    assert [row[:2] for row in seen(api, address(job)).tables["tasks"][1:]] == [
        ["BTC 1d", "crypto"],
        ["BTC 1d", "etf"],
    ]
