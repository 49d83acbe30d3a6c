"""Yahoo's answers are read, or are an error that says what it was; unread is never empty."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from barhouse.calendar import Calendar
from barhouse.errors import (
    NotEntitled,
    RateLimited,
    RequestRefused,
    SourceError,
    Unauthorized,
    UnknownAtSource,
    UnreadableAnswer,
)
from barhouse.model import Series, Span, Timeframe
from tests.unit.sources.charts import FRIDAY, MINUTES, NVDA, at, chart, fetched, recorded
from tests.vendors import HTML, Reply


def test_daily_bars_are_never_taken_under_another_name(new_york: Calendar) -> None:
    with pytest.raises(UnreadableAnswer, match="bars of 1d in answer to a question for 5m"):
        fetched(Reply.json(chart([at(2025, 2, 21, 14, 30)], "1d")), new_york, FRIDAY, MINUTES)


def test_an_answer_without_rows_is_empty(shared_data: Path, new_york: Calendar) -> None:
    answer = recorded(shared_data, "interval-1m")

    whole, _ = fetched(
        Reply.json(answer),
        new_york,
        Span(at(2025, 2, 1), at(2025, 2, 2)),
        Series(NVDA, Timeframe.M1),
        now=at(2025, 2, 20),
    )

    assert whole.bars.is_empty()
    assert whole.calls == 1


def test_a_span_without_any_bars_is_empty_though_refused(new_york: Calendar) -> None:
    words = "Data doesn't exist for startDate = 946702800, endDate = 1009774800"
    body = {"chart": {"result": None, "error": {"code": "Bad Request", "description": words}}}

    whole, _ = fetched(Reply.json(body, 400), new_york, Span(at(2000, 1, 1), at(2002, 1, 1)))

    assert whole.bars.is_empty()


@pytest.mark.parametrize("cell", ["10.5x", True, [1], {"raw": 1}])
def test_a_cell_that_is_no_number_is_null_and_its_neighbours_stay(cell: object, new_york: Calendar) -> None:
    stamps = [at(2025, 2, 19, 14, 30), at(2025, 2, 20, 14, 30), at(2025, 2, 21, 14, 30)]

    whole, _ = fetched(
        Reply.json(chart(stamps, cells={"close": [1, cell, "3.5"]})), new_york, Span(at(2025, 2, 19), at(2025, 2, 22))
    )

    assert whole.bars["close"].to_list() == [1.0, None, 3.5]
    assert whole.raw["close"][1] is not None


def test_a_row_without_a_time_is_kept_for_the_quarantine(new_york: Calendar) -> None:
    answer = chart([at(2025, 2, 20, 14, 30), at(2025, 2, 21, 14, 30)])
    answer["chart"]["result"][0]["timestamp"][0] = None

    whole, _ = fetched(Reply.json(answer), new_york, Span(at(2025, 2, 20), at(2025, 2, 22)))

    assert len(whole.bars) == 1
    assert whole.rejects["reason"].to_list() == ["unreadable_time"]


def test_nan_in_an_answer_is_null(new_york: Calendar) -> None:
    body = orjson.dumps(chart([at(2025, 2, 20, 14, 30), at(2025, 2, 21, 14, 30)], cells={"close": ["_", 2]})).replace(
        b'"_"', b"NaN"
    )

    whole, _ = fetched(Reply(body), new_york, Span(at(2025, 2, 20), at(2025, 2, 22)))

    assert whole.bars["close"].to_list() == [None, 2.0]


def crooked(**changes: object) -> bytes:
    answer = chart([at(2025, 2, 21, 14, 30)])
    answer["chart"]["result"][0] |= changes
    return orjson.dumps(answer)


@pytest.mark.parametrize(
    "body",
    [
        crooked()[:200],
        HTML,
        b"",
        b"null",
        b"[]",
        b'{"chart": null}',
        b'{"chart": {"result": [], "error": null}}',
        b'{"finance": {"result": null}}',
        crooked(timestamp=None),
        crooked(timestamp=[1, 2]),
        crooked(indicators={}),
        crooked(indicators={"quote": []}),
        crooked(indicators={"quote": [{"close": [1.0]}]}),
        crooked(meta={}),
        crooked(events=[1]),
    ],
)
def test_an_answer_that_is_no_chart_is_unreadable_not_empty(body: bytes, new_york: Calendar) -> None:
    with pytest.raises(UnreadableAnswer):
        fetched(Reply(body), new_york, Span(at(2025, 2, 21), at(2025, 2, 22)))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("unknown_symbol", UnknownAtSource),
        ("range_too_far", RequestRefused),
        ("one_minute_too_wide", RequestRefused),
        ("rate_limit", RateLimited),
        ("no_crumb", Unauthorized),
    ],
)
def test_recorded_refusals_have_their_errors_and_words(
    name: str, error: type[SourceError], shared_data: Path, new_york: Calendar
) -> None:
    told = orjson.loads((shared_data / "payloads/vendor_errors.json").read_bytes())["yahoo"][name]
    plain = isinstance(told["body"], str)
    reply = Reply(told["body"].encode(), told["status"]) if plain else Reply.json(told["body"], told["status"])

    with pytest.raises(error) as raised:
        fetched(reply, new_york, FRIDAY)

    assert type(raised.value) is error
    words = "Too Many Requests" if plain else next(filter(None, told["body"].values()))["error"]["description"]
    assert words[:40] in str(raised.value)


def test_a_refusal_with_status_200_is_one_all_the_same(new_york: Calendar) -> None:
    body = {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found"}}}

    with pytest.raises(UnknownAtSource, match="No data found"):
        fetched(Reply.json(body), new_york, FRIDAY)


def test_the_plain_403_goes_to_the_next_source(new_york: Calendar) -> None:
    with pytest.raises(NotEntitled):
        fetched(Reply(HTML, 403), new_york, FRIDAY)
