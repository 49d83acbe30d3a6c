"""What people see and decide on the pages of quality: the real app over a real PostgreSQL, read as a browser does."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
from fastapi.testclient import TestClient
from httpx import Response

from barhouse.flow import quality
from barhouse.flow.correct import correct
from barhouse.flow.rewritten import latest_corrections
from barhouse.flow.sweep import sweep
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from tests.answers import real
from tests.contract.pages import Page
from tests.contract.test_access import bearing, client, made
from tests.integration.doubled import written
from tests.integration.test_rewrite import stored as rows_of
from tests.integration.test_sweep import IN_TIME, stored, week

QUALITY = "/dashboard/quality"
PEOPLE = {"Accept": "text/html"}
SWAPPED = PEOPLE | {"HX-Request": "true"}
CHANGING = ("/acknowledge", "/duplicates/clean", "/duplicates/undo", "/quarantine/decide", "/corrections/take-back")
HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def visitor(db: Database) -> Iterator[TestClient]:
    with client(db.url) as visitor:
        visitor.headers.update(PEOPLE)
        yield visitor


def seen(visitor: TestClient, path: str = "", **headers: str) -> Page:
    answer = visitor.get(f"{QUALITY}{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    page = Page(answer.text)
    assert page.open == []
    return page


def sent(visitor: TestClient, path: str, status: int = 200, **told: object) -> Response:
    answer: Response = visitor.post(f"{QUALITY}{path}", data=told, headers=SWAPPED)
    assert answer.status_code == status, answer.text
    return answer


def gaps(db: Database) -> list[int]:
    """The numbers of the three gaps of AAPL and MSFT."""
    sweep(db, [stored(db, "AAPL", week(4, 7)), stored(db, "MSFT", week(4, 6, 8))], IN_TIME)
    return [row["id"] for row in quality.listed_anomalies(db, Wanted())]


def quarantined(db: Database, reason: str, payload: str) -> int:
    """The number of a row of AAPL in quarantine."""
    with db.connection() as connection:
        row = connection.execute(
            "INSERT INTO quarantine (instrument, timeframe, time, source, reason, payload)"
            " SELECT id, 7, '2012-01-06Z', 1, %s, %s FROM instrument WHERE symbol = 'AAPL' RETURNING id",
            [reason, payload],
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_anomalies_are_shown_with_their_evidence_and_the_way_to_their_place(db: Database, visitor: TestClient) -> None:
    gaps(db)

    page = seen(visitor)

    head, *rows = page.tables["anomalies"]
    assert head[1:] == ["Severity", "Type", "Series", "At", "What", "Status", "Seen first"]
    assert [row[1:4] for row in rows] == [["low", "gap", "MSFT 1dstock"]] * 2 + [["high", "gap", "AAPL 1dstock"]]
    assert "2 bars are missing" in rows[2][5]
    assert "missing bars2" in rows[2][5]
    links = [told["href"] or "" for told in page.named("a") if "/symbols/AAPL" in (told["href"] or "")]
    assert links == [
        "/dashboard/symbols/AAPL?timeframe=1d&asset_class=stock&at=2024-03-05T00%3A00%3A00Z",
    ]


def test_a_list_is_narrowed_and_goes_on_page_by_page(db: Database, visitor: TestClient) -> None:
    numbers = gaps(db)
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO data_anomalies (symbol, asset_class, timeframe, anomaly_type, severity, data_point_time)"
            " SELECT 'MSFT', 'stock', '1d', 'outlier', 'low', '2020-01-01Z'::timestamptz + i * interval '1 day'"
            " FROM generate_series(1, 60) AS i"
        )

    assert len(seen(visitor, "?severity=high").tables["anomalies"]) == 2
    assert len(seen(visitor, "?type=gap&symbol=msft").tables["anomalies"]) == 3
    first = seen(visitor, "?type=outlier")
    [further] = [told["href"] or "" for told in first.named("a") if told.get("data-testid") == "further"]
    second = seen(visitor, further.removeprefix(QUALITY))
    assert (len(first.tables["anomalies"]), len(second.tables["anomalies"])) == (51, 11)
    assert "Nobody" not in visitor.get(QUALITY).text
    assert "is not tracked" in visitor.get(f"{QUALITY}?symbol=NONE").text
    assert visitor.get(f"{QUALITY}?timeframe=2h").status_code == 400
    assert visitor.get(f"{QUALITY}?cursor=x").status_code == 422
    assert numbers


def test_several_anomalies_are_acknowledged_at_once_by_the_callers_name(db: Database, visitor: TestClient) -> None:
    first, second, third = gaps(db)
    visitor.headers.update(bearing(made(db, "desk", "operate")))

    answer = sent(visitor, "/acknowledge", id=[first, second], note="a holiday nobody told of")
    again = sent(visitor, "/acknowledge", id=[first, third])

    assert (answer.headers["HX-Trigger"], "2 acknowledged" in answer.text) == ("quality-changed", True)
    assert "1 of 2 acknowledged" in again.text
    told = {row["id"]: (row["acknowledged_by"], row["note"]) for row in quality.listed_anomalies(db, Wanted())}
    assert told[first] == told[second] == ("desk", "a holiday nobody told of")
    assert told[third] == ("desk", None)
    assert "a holiday nobody told of" in visitor.get(QUALITY).text


def test_who_may_only_read_is_shown_nothing_to_press_and_refused(db: Database, visitor: TestClient) -> None:
    [number, *_] = gaps(db)
    visitor.headers.update(bearing(made(db, "guest", "read")))

    for path in ("", "/duplicates", "/duplicates/preview", "/quarantine", "/corrections", "/scores"):
        page = seen(visitor, path)
        assert not [told for told in page.named("form") if "hx-post" in told]
        assert not page.named("button") or {told.get("type") for told in page.named("button")} - {"button"} <= {None}
    for path in (
        "/acknowledge",
        "/duplicates/clean",
        "/duplicates/undo",
        "/quarantine/decide",
        "/corrections/take-back",
    ):
        sent(visitor, path, 403, id=[number])


def test_duplicates_are_previewed_cleaned_and_brought_back(db: Database, visitor: TestClient) -> None:
    rows_of(db, "AAPL", real("AAPL").tail(600))
    written(db, ("2012-01-03 05:00Z", 401, False, None), ("2012-01-03 14:30Z", 402, False, 0.99))

    preview = seen(visitor, "/duplicates/preview")
    cleaned = sent(visitor, "/duplicates/clean", symbol="AAPL")
    log = seen(visitor, "/duplicates")
    [number] = [int(told["value"] or 0) for told in log.named("input") if told.get("name") == "id"]
    undone = sent(visitor, "/duplicates/undo", id=number)
    again = sent(visitor, "/duplicates/undo", 409, id=number)

    kept, *gone = [row for row in preview.tables["crowded"][1:] if len(row) == 10]
    assert (kept[0], kept[4], kept[9]) == ("2012-01-03 00:00", "411.23", "stays")
    assert [(row[4], row[9]) for row in gone] == [
        ("401.00", "goesnot validated, as the other one is"),
        ("402.00", "goesnot validated, as the other one is"),
    ]
    assert "2 bars taken out of 1 slots" in cleaned.text
    row = log.tables["cleanups"][1]
    assert (row[1], row[3], row[6]) == ("2012-01-03 00:00", "2", "cleaned")
    assert row[5].endswith("by api:anyone")
    assert "401.00, 402.00 went, 411.23 stayed" in row[4]
    assert "1 undone" in undone.text
    assert "was undone already" in again.text
    assert len(seen(visitor, "/duplicates/preview").tables["crowded"]) == 5


def test_no_duplicates_are_said_to_be_none(db: Database, visitor: TestClient) -> None:
    rows_of(db, "AAPL", real("AAPL").tail(10))

    assert "No slot holds more than one bar" in visitor.get(f"{QUALITY}/duplicates/preview").text
    assert "Nothing was ever cleaned" in visitor.get(f"{QUALITY}/duplicates").text


def test_rows_in_quarantine_are_released_rejected_and_judged_again(db: Database, visitor: TestClient) -> None:
    rows_of(db, "AAPL", real("AAPL").filter(pl.col("time").dt.year() == 2011))
    low = quarantined(db, "volume_negative", '{"t": "2012-01-06", "o": 1, "h": 1, "l": 1, "c": 1, "v": -1}')

    shown = seen(visitor, "/quarantine").tables["quarantine"]
    unsigned = sent(visitor, "/quarantine/decide", 422, id=low, action="reject")
    again = sent(visitor, "/quarantine/decide", id=low, action="rejudge")
    rejected = sent(visitor, "/quarantine/decide", id=low, action="reject", reason="a misprint")
    late = sent(visitor, "/quarantine/decide", 409, id=low, action="reject", reason="a misprint")
    wrong = sent(visitor, "/quarantine/decide", 422, id=low, action="eat")

    assert (shown[1][1], shown[1][4]) == ("2012-01-06 00:00", "volume negative")
    assert "Write the reason first" in unsigned.text
    assert "1 judged again, 0 of them are bars now" in again.text
    assert "1 rejected for good" in rejected.text
    assert "was rejected already" in late.text
    assert "is none of rejudge, release, reject" in wrong.text
    [row] = seen(visitor, "/quarantine?status=rejected").tables["quarantine"][1:]
    assert row[6] == "rejectedby anyone“a misprint”"


def test_corrections_of_all_symbols_are_shown_and_taken_back_once(db: Database, visitor: TestClient) -> None:
    rows = real("AAPL")[:30]
    rows_of(db, "AAPL", rows)
    day, close, low = rows["time"][20], rows["close"][20], rows["low"][20]
    correct(db, "AAPL", day, {"close": low}, reason="the tape says so", author="Ada")
    [number] = [row["id"] for row in latest_corrections(db)]

    table = seen(visitor, "/corrections").tables["corrections"]
    sent(visitor, "/corrections/take-back", id=number)
    again = sent(visitor, "/corrections/take-back", 409, id=number)

    assert table[1][4] == "close"
    assert (table[1][8], table[1][9]) == ("manual correctionthe tape says so", "Ada")
    newest, _ = latest_corrections(db)
    assert (newest["old_value"], newest["new_value"]) == (low, close)
    assert (newest["corrected_by"], newest["note"]) == ("anyone", f"Takes back correction {number}")
    assert "was corrected again" in again.text
    assert seen(visitor, "/corrections?reason=manual_correction").tables["corrections"][1:]
    assert "Nothing is like that" in visitor.get(f"{QUALITY}/corrections?reason=bug_fix").text


def test_scores_are_shown_with_their_course(db: Database, visitor: TestClient) -> None:
    rows_of(db, "AAPL", real("AAPL").tail(300))
    with db.connection() as connection:
        connection.execute("UPDATE bar SET quality_score = CASE WHEN time < '2012-09-01Z' THEN 0.5 ELSE 1 END")

    page = seen(visitor, "/scores")

    [line] = page.named("polyline")
    heights = [float(point.split(",")[1]) for point in (line["points"] or "").split()]
    assert len(heights) == 24
    assert (heights[0], heights[-1]) == (27.0, 1.0)
    assert page.tables["scores"][1][0] == "AAPL 1dstock"
    assert 0.5 < float(page.tables["scores"][1][1]) < 1


def test_words_of_vendors_and_people_are_never_markup(db: Database, visitor: TestClient) -> None:
    [number, *_] = gaps(db)
    quarantined(db, "volume_negative", HOSTILE)
    with db.connection() as connection:
        connection.execute(
            "UPDATE data_anomalies SET description = %(words)s, evidence = jsonb_build_object('a', %(words)s::text)",
            {"words": HOSTILE},
        )
    sent(visitor, "/acknowledge", id=number, note=HOSTILE)

    for path in ("", "/quarantine", f"?symbol={HOSTILE}"):
        text = visitor.get(f"{QUALITY}{path}").text
        assert "<img src=x" not in text
        assert "&lt;img" in text
        attributes = {name for _, told in Page(text).tags for name in told}
        assert not {name for name in attributes if name == "style" or name.startswith("on")}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/acknowledge", "id=x"),
        ("/acknowledge", "id=99999999999999999999"),
        ("/acknowledge", "note=none"),
        ("/acknowledge", "id=1&note=%00"),
        ("/acknowledge", "id=1&note=%ff"),
        ("/acknowledge", "\xe9"),
        ("/acknowledge", "id=1&" + "x=1&" * 3000),
        ("/quarantine/decide", "id=1"),
    ],
)
def test_what_no_form_of_ours_says_is_refused(visitor: TestClient, path: str, body: str) -> None:
    answer = visitor.post(f"{QUALITY}{path}", content=body.encode("latin-1"), headers=SWAPPED)

    assert answer.status_code == 422, answer.text


def test_a_swap_brings_the_list_alone(db: Database, visitor: TestClient) -> None:
    gaps(db)

    text = visitor.get(QUALITY, headers=SWAPPED).text

    assert text.lstrip().startswith('<section id="list"')
    assert "<html" not in text


def test_another_tab_is_led_to_with_its_filter(visitor: TestClient) -> None:
    answer = visitor.get(f"{QUALITY}?tab=quarantine&symbol=AAPL")

    assert (answer.status_code, answer.headers["location"]) == (307, f"{QUALITY}/quarantine?symbol=AAPL")
