"""Binance: klines page by page, taker volumes, and what futures give where they can be reached."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from structlog.testing import capture_logs

from barhouse.calendar import Calendar
from barhouse.errors import (
    NotEntitled,
    RateLimited,
    RequestRefused,
    SourceError,
    SourceUnavailable,
    UnknownAtSource,
    UnreadableAnswer,
)
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.resilience.manager import guards
from barhouse.resilience.retry import Retry
from barhouse.sources import binance
from barhouse.sources.base import Fetched
from barhouse.sources.futures import Futures
from tests.vendors import HTML, Reply, Request, Script, vendor

QUICK = Retry(wait_initial=0.001, wait_jitter=0.001, window=0.01)
COIN = Instrument("BTC", AssetClass.CRYPTO)
HOURS = Series(COIN, Timeframe.H1)
START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAY = Span(START, START + timedelta(days=1))


def ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def kline(opens: int, minutes: int = 60, **cells: object) -> list[object]:
    """A row as Binance writes it; `cells` by their names in its documentation."""
    told: dict[str, object] = dict(
        zip(
            binance.KLINE,
            [
                opens,
                "10.0",
                "12.0",
                "9.0",
                "11.0",
                "100.0",
                opens + minutes * 60_000 - 1,
                "1050.0",
                7,
                "60.0",
                "630.0",
                "0",
            ],
            strict=True,
        )
    )
    return list((told | cells).values())


def hours(count: int, since: datetime = START) -> list[list[object]]:
    return [kline(ms(since) + hour * 3_600_000) for hour in range(count)]


def exchange(rows: Sequence[list[Any]]) -> Script:
    """A host that answers as Binance does: from startTime to endTime inclusive, at most `limit` rows."""

    def script(request: Request) -> Reply:
        low, high, limit = (int(request.query[name]) for name in ("startTime", "endTime", "limit"))
        return Reply.json([row for row in rows if low <= row[0] <= high][:limit])

    return script


def fetched(
    script: Script | Reply | Sequence[Reply],
    *,
    series: Series = HOURS,
    span: Span = DAY,
    now: datetime = NOW,
    futures: Script | Reply | None = None,
) -> tuple[Fetched, list[Request]]:
    """What the source makes of the span, and what the spot host was asked."""
    with vendor(script) as spot, vendor(futures or Reply.json([])) as other:
        return asyncio.run(_fetched(spot.url, other.url if futures else "", series, span, now)), spot.requests


async def _fetched(url: str, futures_url: str, series: Series, span: Span, now: datetime) -> Fetched:
    beside = Futures(futures_url, refusal=binance.refusal, timeout=0.5) if futures_url else None
    source = binance.Binance(url, beside, timeout=0.5, guard=guards("binance", QUICK), clock=lambda: now)
    try:
        return await source.bars(series, span, Calendar.always_open())
    finally:
        await source.close()


def test_the_documented_example_is_read_cell_by_cell(shared_data: Path) -> None:
    payload = (shared_data / "payloads/binance/klines_documented_example.json").read_bytes()
    weekly = Series(COIN, Timeframe.W1)
    monday = datetime(2017, 7, 3, tzinfo=UTC)

    answer, asked = fetched(Reply(payload), series=weekly, span=Span(monday, monday + timedelta(days=7)))

    bar = answer.bars.row(0, named=True)
    assert bar["time"] == monday
    assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (0.0163479, 0.8, 0.015758, 0.015771)
    assert (bar["volume"], bar["quote_volume"], bar["trades"]) == (148976.11427815, 2434.19055334, 308)
    assert bar["taker_buy_volume"] == 1756.87402397
    assert bar["taker_sell_volume"] == pytest.approx(147219.24025418)
    assert bar["funding_rate"] is None
    assert asked[0].query == {
        "symbol": "BTCUSDT",
        "interval": "1w",
        "startTime": "1499040000000",
        "endTime": "1499644799999",
        "limit": "1000",
    }


def test_a_long_span_is_read_page_by_page() -> None:
    rows, span = hours(2400), Span(START, START + timedelta(hours=2400))

    answer, asked = fetched(exchange(rows), span=span)

    assert answer.bars["time"].to_list() == [START + timedelta(hours=hour) for hour in range(2400)]
    assert answer.bars["origin"].to_list() == list(range(2400))
    assert answer.calls == len(asked) == 3


def test_an_empty_page_after_full_ones_says_nothing_of_the_rows_before_it() -> None:
    def broken_off(request: Request) -> Reply:
        return Reply.json([]) if int(request.query["startTime"]) > ms(START) else exchange(hours(2400))(request)

    answer, _ = fetched(broken_off, span=Span(START, START + timedelta(hours=2400)))

    assert answer.span == Span(START, START + timedelta(hours=1000))
    assert len(answer.bars) == 1000


def test_a_bar_of_the_future_ends_no_paging() -> None:
    ahead = kline(ms(START + timedelta(days=900)))

    def hasty(request: Request) -> Reply:
        return Reply.json([*orjson.loads(exchange(hours(2400))(request).body), ahead])

    answer, _ = fetched(hasty, span=Span(START, START + timedelta(hours=2400)))

    assert answer.bars["time"].to_list() == [START + timedelta(hours=hour) for hour in range(2400)]


def test_a_listing_in_the_middle_of_the_span_costs_no_empty_pages() -> None:
    listed = START + timedelta(days=1000)

    answer, asked = fetched(exchange(hours(5, listed)), span=Span(START, listed + timedelta(hours=5)), now=listed)

    assert answer.bars["time"][0] == listed
    assert len(asked) == 1


def test_the_last_bar_is_forming_until_it_closes() -> None:
    answer, _ = fetched(exchange(hours(24)), now=START + timedelta(hours=23, minutes=59))

    assert answer.bars["forming"].to_list() == [False] * 23 + [True]


def test_an_empty_answer_is_a_frame_without_bars() -> None:
    answer, _ = fetched(Reply.json([]))

    assert answer.bars.is_empty()
    assert answer.rejects.is_empty()


def test_rows_outside_the_span_are_left_out() -> None:
    answer, _ = fetched(Reply.json(hours(30, START - timedelta(hours=3))))

    assert (answer.bars["time"].min(), answer.bars["time"].max()) == (START, START + timedelta(hours=23))


def test_unsorted_and_double_rows_are_kept_as_they_came() -> None:
    first, second = hours(2)

    answer, _ = fetched(Reply.json([second, first, second]))

    assert answer.bars["time"].dt.hour().to_list() == [1, 0, 1]


@pytest.mark.parametrize("cell", ["NaN", "ten", None, "", True])
def test_a_cell_that_is_no_number_is_null_and_its_neighbours_stay(cell: object) -> None:
    rows = [*hours(1), kline(ms(START) + 3_600_000, close=cell), kline(ms(START) + 7_200_000)]

    answer, _ = fetched(Reply.json(rows))

    assert answer.bars["close"].to_list() == [11.0, None, 11.0]
    assert answer.raw["close"][1] in (None, str(cell), str(cell).lower())


def test_a_row_that_is_none_is_kept_for_the_quarantine() -> None:
    rows = [*hours(1), {"surprise": 1}, [None, "1"], 7]

    answer, _ = fetched(Reply.json(rows))

    assert len(answer.bars) == 1
    assert sorted(answer.rejects["reason"]) == ["unreadable_row", "unreadable_time", "unreadable_time"]


def test_a_kline_shorter_than_its_slot_is_no_bar_of_it() -> None:
    answer, _ = fetched(Reply.json([kline(ms(START), 30)]))

    assert answer.bars.is_empty()
    assert answer.rejects["reason"].to_list() == ["wrong_length"]


@pytest.mark.parametrize(
    "body", [b"[[1704067200000,", HTML, b"", b"null", b'{"code":0}', b'"klines"', b"\xff\xfe[]", b"[" * 5000]
)
def test_an_answer_that_is_no_list_is_unreadable_not_empty(body: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        fetched(Reply(body))


def test_an_unreadable_answer_is_asked_for_again() -> None:
    answer, asked = fetched([Reply(b"[[17040"), Reply.json(hours(2))])

    assert len(answer.bars) == 2
    assert len(asked) == 2


def test_pages_that_do_not_get_on_are_unreadable() -> None:
    with pytest.raises(UnreadableAnswer):
        fetched(Reply.json([kline(ms(START))] * 1000), span=Span(START, START + timedelta(days=90)))


def of_the_vendor(name: str, shared_data: Path) -> Reply:
    told = orjson.loads((shared_data / "payloads/vendor_errors.json").read_bytes())["binance"][name]
    return Reply(HTML, told["status"]) if told["body"] == "HTML" else Reply.json(told["body"], told["status"])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("bad_symbol", UnknownAtSource),
        ("bad_interval", RequestRefused),
        ("rate_limit", RateLimited),
        ("banned", RateLimited),
        ("waf", NotEntitled),
        ("timeout", SourceUnavailable),
    ],
)
def test_recorded_refusals_have_their_errors(name: str, error: type[SourceError], shared_data: Path) -> None:
    with pytest.raises(error) as raised:
        fetched(of_the_vendor(name, shared_data))

    assert type(raised.value) is error
    assert "<" not in str(raised.value)


def test_a_ban_tells_how_long_it_lasts() -> None:
    with pytest.raises(RateLimited) as raised:
        fetched(Reply.json({"code": -1003, "msg": "IP banned"}, 418, {"retry-after": "900"}))

    assert raised.value.retry_after == 900


def test_a_country_that_is_barred_is_not_entitled() -> None:
    with pytest.raises(NotEntitled):
        fetched(Reply.json({"code": 0, "msg": "Service unavailable from a restricted location"}, 451))


def test_what_is_left_of_the_weight_is_told() -> None:
    answer, _ = fetched(Reply.json(hours(1), headers={"x-mbx-used-weight-1m": "42"}))

    assert answer.quota_remaining == 5958


def test_stocks_are_beyond_its_reach_and_so_is_the_time_before_its_market() -> None:
    source = binance.Binance("http://127.0.0.1:1")
    decade = Span(datetime(2010, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))

    assert source.reach(Series(Instrument("AAPL"), Timeframe.D1), decade, NOW) is None
    assert source.reach(HOURS, decade, NOW) == Span(binance.BEGINNING, decade.end)


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_pieces_are_the_span_without_gap_or_overlap(timeframe: Timeframe) -> None:
    span = Span(binance.BEGINNING, NOW)

    pieces = binance.Binance("http://127.0.0.1:1").pieces(Series(COIN, timeframe), span)

    assert (pieces[0].start, pieces[-1].end) == (span.start, span.end)
    assert all(one.end == next_.start for one, next_ in itertools.pairwise(pieces))


SETTLED = [(START - timedelta(hours=8), "0.0001"), (START, "0.0002"), (START + timedelta(hours=8), "-0.0003")]


def futures_host(request: Request) -> Reply:
    """Funding every eight hours; the statistics hour by hour, where the span is one of the last 30 days."""
    low, high = int(request.query["startTime"]), int(request.query["endTime"])
    if request.path == "/fapi/v1/fundingRate":
        rows = [{"symbol": "BTCUSDT", "fundingTime": ms(at) + 3, "fundingRate": rate} for at, rate in SETTLED]
        return Reply.json([row for row in rows if low <= int(str(row["fundingTime"])) <= high])
    stamps = range(-(-low // 3_600_000) * 3_600_000, high, 3_600_000)
    field = "sumOpenInterest" if "openInterest" in request.path else "longShortRatio"
    return Reply.json([{field: str(at / 3_600_000 - 473000), "timestamp": at} for at in stamps])


def test_inputs_are_those_last_known_at_the_close_of_a_bar() -> None:
    soon = START + timedelta(days=2)

    bars = fetched(exchange(hours(24)), futures=futures_host, now=soon)[0].bars

    # the settlement of 08:00 is booked some milliseconds late, so the bar that closes at 08:00 does not know it
    assert bars["funding_rate"].to_list() == [0.0002] * 8 + [-0.0003] * 16
    first_close = ms(START + timedelta(hours=1)) / 3_600_000 - 473000
    assert bars["open_interest"].to_list() == [first_close + hour for hour in range(24)]
    assert bars["long_short_ratio"].to_list() == bars["open_interest"].to_list()


def test_statistics_older_than_thirty_days_are_not_asked_and_null() -> None:
    asked: list[str] = []

    def host(request: Request) -> Reply:
        asked.append(request.path)
        return futures_host(request)

    bars = fetched(exchange(hours(24)), futures=host, now=START + timedelta(days=60))[0].bars

    assert asked == ["/fapi/v1/fundingRate"]
    assert bars["funding_rate"].null_count() == 0
    assert bars["open_interest"].null_count() == bars["long_short_ratio"].null_count() == 24


@pytest.mark.parametrize(
    "reply",
    [
        Reply.json({"code": 0, "msg": "restricted"}, 451),
        Reply(HTML, 403),
        Reply(b"", 404),
        Reply(b"", 500),
        Reply(b"[{", 200),
        Reply(stall=2.0),
        Reply(b'[{"fundingTime": 1}]', reset=True),
    ],
)
def test_a_futures_host_that_refuses_leaves_the_inputs_null_and_is_told_once(reply: Reply) -> None:
    with capture_logs() as told:
        answer, _ = fetched(exchange(hours(24)), futures=reply, now=START + timedelta(days=2))

    assert len(answer.bars) == 24
    inputs = answer.bars.select("funding_rate", "open_interest", "long_short_ratio")
    assert inputs.null_count().row(0) == (24, 24, 24)
    events = [line["input"] for line in told if line["event"] == "input_unavailable"]
    assert len(events) == len(set(events)) > 0


def test_an_input_that_went_silent_is_null_after_a_day() -> None:
    span = Span(START, START + timedelta(days=3))

    bars = fetched(exchange(hours(72)), span=span, futures=futures_host, now=START + timedelta(days=90))[0].bars

    last = SETTLED[-1][0] + timedelta(days=1)
    known = bars.filter(pl.col("funding_rate").is_not_null())
    assert known["time"].max() == last - timedelta(hours=1)
