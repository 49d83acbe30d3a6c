"""Polygon's own ways: what is asked, how pages go on, what an answer means."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import httpx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barhouse.calendar import Calendar
from barhouse.errors import NotEntitled, RateLimited, SourceError, Unauthorized, UnreadableAnswer
from barhouse.model import ACTIONS, INSTANT, AssetClass, Instrument, Series, Span, Timeframe
from barhouse.resilience.manager import guards
from barhouse.sources import decode, polygon_answers
from barhouse.sources.base import Fetched
from barhouse.sources.http import Http
from barhouse.sources.polygon import HOSTS, LIMIT, Polygon
from tests.contract.market import COIN, MONDAY, NOW, SPAN, STOCK, calendar, local
from tests.contract.protocols import KEY, POLYGON, QUICK
from tests.vendors import Reply, Request, Script, vendor

T = TypeVar("T")
DAILY = Series(STOCK, Timeframe.D1)
ROW = {"t": 1709528400000, "o": 1.5, "h": 2.5, "l": 1.0, "c": 2.0, "v": 7, "vw": 1.75, "n": 3}  # 2024-03-04
OK: dict[str, object] = {"status": "OK", "resultsCount": 1, "results": [ROW]}


def asked(url: str, question: Callable[[Polygon], Awaitable[T]]) -> T:
    """What `question` gets from a source whose host is at `url`."""

    async def run() -> T:
        source = Polygon(url, KEY, timeout=20, guard=guards("polygon", QUICK), clock=lambda: NOW)
        try:
            return await question(source)
        finally:
            await source.close()

    return asyncio.run(run())


def bars(
    script: Script | Reply | list[Reply], series: Series = DAILY, span: Span = SPAN
) -> tuple[Fetched, list[Request]]:
    """The bars that came, and the requests they took."""
    with vendor(script) as host:
        got = asked(host.url, lambda source: source.bars(series, span, calendar(series.instrument)))
        return got, host.requests


def actions(script: Script | Reply | list[Reply], span: Span = SPAN, instrument: Instrument = STOCK) -> pl.DataFrame:
    """The splits and dividends that came."""
    with vendor(script) as host:
        return asked(host.url, lambda source: source.actions(Series(instrument, Timeframe.D1), span))


def test_raw_prices_are_asked_for_and_the_key_stays_out_of_the_address() -> None:
    _, (request,) = bars(Reply.json(OK))

    assert request.path == "/v2/aggs/ticker/AAPL/range/1/day/2024-03-04/2024-03-17"
    assert request.query == {"adjusted": "false", "sort": "asc", "limit": "50000"}
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in request.target


@pytest.mark.parametrize(
    ("instrument", "timeframe", "path"),
    [
        (STOCK, Timeframe.M5, "AAPL/range/5/minute/1709510400000/1710719999999"),
        (STOCK, Timeframe.W1, "AAPL/range/1/week/2024-03-03/2024-03-23"),
        (STOCK, Timeframe.H1, "AAPL/range/30/minute/1709506800000/1710723599999"),
        (COIN, Timeframe.M1, "X:BTCUSD/range/1/minute/1709510400000/1710719999999"),
        (COIN, Timeframe.D1, "X:BTCUSD/range/1/hour/1709510400000/1710719999999"),
        (Instrument("BRK.B"), Timeframe.D1, "BRK.B/range/1/day/2024-03-04/2024-03-17"),
        (Instrument("BTCS"), Timeframe.D1, "BTCS/range/1/day/2024-03-04/2024-03-17"),
    ],
)
def test_a_span_is_asked_for_by_its_first_and_last_stamp(
    instrument: Instrument, timeframe: Timeframe, path: str
) -> None:
    _, (request,) = bars(Reply(POLYGON.empty), Series(instrument, timeframe))

    assert request.path.removeprefix("/v2/aggs/ticker/") == path


def test_a_span_that_cuts_through_slots_is_asked_for_in_whole_slots() -> None:
    cut = Span(datetime(2024, 3, 4, 15, 2, tzinfo=UTC), datetime(2024, 3, 4, 15, 31, tzinfo=UTC))

    got, _ = bars(POLYGON.honest, Series(STOCK, Timeframe.M15), cut)

    assert got.bars["time"].to_list() == [datetime(2024, 3, 4, 15, at, tzinfo=UTC) for at in (15, 30)]
    assert got.bars["volume"].to_list() == [45.0, 45.0]


def test_a_recorded_answer_lands_on_the_dates_of_its_sessions(shared_data: Path) -> None:
    recorded = shared_data / "payloads/polygon/v2_aggs_ticker_AAPL_range_1_day_2005-04-01_2005-04-04.json"
    april = Span(datetime(2005, 4, 1, tzinfo=UTC), datetime(2005, 4, 5, tzinfo=UTC))
    days = [date(2005, 4, 1), date(2005, 4, 4)]  # the clocks went forward between them
    opens = [datetime(2005, 4, 1, 14, 30, tzinfo=UTC), datetime(2005, 4, 4, 13, 30, tzinfo=UTC)]
    sessions = pl.DataFrame({"date": days, "open": opens, "close": [o + timedelta(hours=6.5) for o in opens]})
    open_days = Calendar("XNYS", "America/New_York", sessions.cast({"open": INSTANT, "close": INSTANT}))

    with vendor(Reply(recorded.read_bytes())) as host:
        got = asked(host.url, lambda source: source.bars(DAILY, april, open_days))

    assert got.bars["time"].dt.date().to_list() == days
    assert got.bars.select("open", "high", "low", "close", "volume", "vwap", "trades").rows() == [
        (1.5032, 1.5064, 1.4489, 1.4604, 642646396.0, 1.469, 82132.0),
        (1.4639, 1.4754, 1.4343, 1.4675, 578172308.0, 1.4589, 65543.0),
    ]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("no_key", Unauthorized),
        ("bad_key", Unauthorized),
        ("endpoint_not_in_plan", NotEntitled),
        ("date_not_in_plan", NotEntitled),
        ("rate_limit", RateLimited),
    ],
)
def test_a_recorded_error_has_its_meaning_and_the_vendors_words(
    name: str, error: type[SourceError], shared_data: Path
) -> None:
    recorded = json.loads((shared_data / "payloads/vendor_errors.json").read_text())["polygon"][name]
    words = recorded["body"].get("error") or recorded["body"]["message"]

    with pytest.raises(error) as raised:
        bars(Reply.json(recorded["body"], recorded["status"]))

    assert str(raised.value) == f"polygon: {recorded['status']} {words}"


def test_delayed_is_a_success() -> None:
    got, _ = bars(Reply.json({**OK, "status": "DELAYED"}))

    assert got.bars["close"].to_list() == [2.0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": "ERROR", "error": "no"}, UnreadableAnswer),
        ({"status": "NOT_AUTHORIZED", "message": "no"}, NotEntitled),
        ({"results": [ROW]}, UnreadableAnswer),
        ({"status": "OK", "resultsCount": 4}, UnreadableAnswer),
        ({"status": "OK", "results": {}}, UnreadableAnswer),
        ({"status": "OK", "results": "none"}, UnreadableAnswer),
        ({**OK, "next_url": 7}, UnreadableAnswer),
        ({**OK, "next_url": {"href": "x"}}, UnreadableAnswer),
    ],
)
def test_status_200_does_not_make_an_answer(answer: dict[str, object], error: type[SourceError]) -> None:
    with pytest.raises(error):
        bars(Reply.json(answer))


def test_pages_are_followed_to_their_end() -> None:
    def paged(request: Request) -> Reply:
        at = int(request.query.get("cursor", "0"))
        url = f"http://{request.headers['host']}/v2/aggs/ticker/AAPL/next?cursor={at + 1}"
        day = {**ROW, "t": ROW["t"] + at * 86_400_000, "o": "1.5" if at == 1 else 1.5}
        return Reply.json({**OK, "results": [day], "next_url": url if at < 2 else None})

    got, requests = bars(paged)

    assert got.bars["time"].dt.day().to_list() == [4, 5, 6]
    assert got.bars["open"].to_list() == [1.5, 1.5, 1.5]
    assert got.bars["origin"].to_list() == [0, 1, 2]
    assert (got.calls, len(requests)) == (3, 3)
    assert requests[-1].headers["authorization"] == f"Bearer {KEY}"


def test_an_empty_page_after_others_vouches_only_for_what_came_before() -> None:
    def broken_off(request: Request) -> Reply:
        url = f"http://{request.headers['host']}/v2/aggs/ticker/AAPL/next?cursor=1"
        first = {**OK, "results": [ROW, {**ROW, "t": ROW["t"] + 86_400_000}], "next_url": url}
        return Reply.json({"status": "OK", "resultsCount": 0} if "cursor" in request.query else first)

    got, _ = bars(broken_off)

    assert got.span == Span(SPAN.start, datetime(2024, 3, 6, tzinfo=UTC))
    assert got.bars["time"].dt.day().to_list() == [4, 5]


def test_an_empty_page_in_the_middle_of_a_built_bar_leaves_that_bar_out() -> None:
    half_hours = [{**ROW, "t": int(local(MONDAY, 10, 30 * at).timestamp() * 1000)} for at in range(2)]
    half_hours.append({**ROW, "t": int(local(MONDAY, 11).timestamp() * 1000)})

    def broken_off(request: Request) -> Reply:
        url = f"http://{request.headers['host']}/v2/aggs/ticker/AAPL/next?cursor=1"
        first = {**OK, "results": half_hours, "next_url": url}
        return Reply.json({"status": "OK", "resultsCount": 0} if "cursor" in request.query else first)

    got, _ = bars(broken_off, Series(STOCK, Timeframe.H1))

    assert got.bars["time"].to_list() == [local(MONDAY, 10)]
    assert got.span == Span(SPAN.start, local(MONDAY, 11))


def test_a_page_that_leads_to_itself_is_refused() -> None:
    with vendor(lambda request: Reply.json({**OK, "next_url": f"http://{request.headers['host']}/next"})) as host:
        with pytest.raises(UnreadableAnswer, match="no end"):
            asked(host.url, lambda source: source.bars(DAILY, SPAN, calendar(STOCK)))

        assert host.calls == 2


def test_pages_that_never_end_are_refused() -> None:
    def endless(request: Request) -> Reply:
        at = int(request.query.get("cursor", "0"))
        return Reply.json({**OK, "next_url": f"http://{request.headers['host']}/next?cursor={at + 1}"})

    with vendor(endless) as host:
        with pytest.raises(UnreadableAnswer, match="no end"):
            asked(host.url, lambda source: source.bars(DAILY, SPAN, calendar(STOCK)))

        assert host.calls < 30


def test_a_next_page_at_a_foreign_host_is_refused() -> None:
    with vendor(Reply.json(OK)) as foreign, pytest.raises(UnreadableAnswer):
        bars(Reply.json({**OK, "next_url": f"{foreign.url}/next"}))

    assert foreign.calls == 0


@pytest.mark.parametrize("base", sorted(HOSTS))
@pytest.mark.parametrize("next_host", sorted(HOSTS))
def test_both_hosts_are_one_vendor(base: str, next_host: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"host": request.url.host})

    http = Http("polygon", f"https://{base}", hosts=HOSTS, transport=httpx.MockTransport(answer))

    assert json.loads(asyncio.run(http.get(f"https://{next_host}/next")).content) == {"host": next_host}


def test_fields_that_did_not_come_are_null_and_others_are_ignored() -> None:
    row = {name: ROW[name] for name in ("t", "o", "h", "l", "c")} | {"otc": True, "x": {"y": [1]}}

    got, _ = bars(Reply.json({**OK, "results": [row]}))

    assert got.bars.select("close", "volume", "vwap", "trades").rows() == [(2.0, None, None, None)]


def test_a_half_hour_off_the_grid_is_set_aside_and_not_built_in() -> None:
    half = 1709564400000  # 10:00 in New York
    rows = [{**ROW, "t": half}, {**ROW, "t": half + 7 * 60_000, "h": 99}, {**ROW, "t": half + 30 * 60_000, "v": 1}]

    got, _ = bars(Reply.json({**OK, "results": rows}), Series(STOCK, Timeframe.H1))

    assert got.bars.select("high", "volume").rows() == [(2.5, 8.0)]
    assert got.rejects.select("time", "reason").rows() == [(datetime(2024, 3, 4, 15, 7, tzinfo=UTC), "off_grid")]
    assert json.loads(got.rejects["payload"][0])["h"] == 99


@pytest.mark.parametrize(
    ("instrument", "timeframe", "most"),
    [
        (STOCK, Timeframe.M1, timedelta(days=70)),
        (STOCK, Timeframe.H4, timedelta(days=70)),
        (STOCK, Timeframe.D1, timedelta(days=20_000)),
        (COIN, Timeframe.M1, timedelta(days=28)),
        (COIN, Timeframe.D1, timedelta(days=28)),
    ],
)
def test_a_piece_holds_no_more_base_bars_than_one_answer(
    instrument: Instrument, timeframe: Timeframe, most: timedelta
) -> None:
    source = Polygon("http://127.0.0.1:1", KEY)
    span = Span(datetime(2020, 1, 1, 9, 17, tzinfo=UTC), datetime(2024, 5, 5, 3, tzinfo=UTC))

    pieces = source.pieces(Series(instrument, timeframe), span)

    minutes = 1440 if instrument is COIN else 960 * 5 / 7
    assert (pieces[0].start, pieces[-1].end) == (span.start, span.end)
    assert all(one.end == two.start for one, two in pairwise(pieces))
    assert all(piece.duration <= most for piece in pieces)
    assert all(piece.end.weekday() == 0 for piece in pieces[:-1])
    assert not (timeframe.intraday or instrument is COIN) or most.days * minutes <= LIMIT


def test_what_lies_ahead_is_out_of_reach() -> None:
    source = Polygon("http://127.0.0.1:1", KEY)
    ahead = Span(NOW + timedelta(days=1), NOW + timedelta(days=2))

    assert source.reach(DAILY, ahead, NOW) is None
    assert source.reach(DAILY, Span(SPAN.start, ahead.end), NOW) == Span(SPAN.start, NOW)


SPLIT = {"ticker": "AAPL", "execution_date": "2024-03-05", "split_from": 1, "split_to": 4}
DIVIDEND = {"ticker": "AAPL", "ex_dividend_date": "2024-03-06", "cash_amount": 0.24, "currency": "USD"}


def events(splits: list[object], dividends: list[object]) -> Script:
    """A host with these splits and dividends."""

    def answer(request: Request) -> Reply:
        return Reply.json({"status": "OK", "results": splits if request.path.endswith("splits") else dividends})

    return answer


def test_splits_and_dividends_come_with_their_days() -> None:
    reverse = {**SPLIT, "execution_date": "2024-03-15", "split_from": 10, "split_to": 1}

    got = actions(events([SPLIT, reverse], [DIVIDEND]))

    assert got.schema == pl.Schema(ACTIONS)
    assert got.rows() == [
        ("split", date(2024, 3, 5), 4.0, None, None),
        ("split", date(2024, 3, 15), 0.1, None, None),
        ("dividend", date(2024, 3, 6), None, 0.24, "USD"),
    ]


def test_actions_outside_the_span_or_of_others_are_left_out() -> None:
    late, other = {**SPLIT, "execution_date": "2024-03-18"}, {**SPLIT, "ticker": "GOOG", "split_to": 20}

    assert actions(events([late, other, SPLIT, SPLIT], [])).rows() == [("split", date(2024, 3, 5), 4.0, None, None)]


@pytest.mark.parametrize(
    "bad",
    [
        {**SPLIT, "split_from": 0},
        {**SPLIT, "split_from": None},
        {**SPLIT, "split_to": -1},
        {**SPLIT, "split_to": True},
        {**SPLIT, "execution_date": "soon"},
        {"ticker": "AAPL"},
        7,
    ],
)
def test_a_list_with_an_unreadable_split_is_no_list(bad: object) -> None:
    with pytest.raises(UnreadableAnswer):
        actions(events([SPLIT, bad], []))


def test_a_coin_has_no_actions_and_nobody_is_asked() -> None:
    with vendor(events([SPLIT], [])) as host:
        got = asked(host.url, lambda source: source.actions(Series(COIN, Timeframe.D1), SPAN))

    assert got.is_empty()
    assert host.calls == 0


def test_recorded_splits_and_dividends_are_read(shared_data: Path) -> None:
    def recorded(request: Request) -> Reply:
        noun = request.path.rsplit("/", 1)[1]
        return Reply((shared_data / f"payloads/polygon/v3_reference_{noun}.json").read_bytes())

    ever = Span(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))

    assert actions(recorded, ever, Instrument("CIG.C"))["ratio"].to_list() == pytest.approx([4 / 3])
    assert actions(recorded, ever, Instrument("BRW"))["ratio"].to_list() == [0.5]
    assert actions(recorded, ever, Instrument("CSSEN"))["amount"].to_list()[0] == 0.59375


def test_every_parameter_is_one_that_the_vendor_documents(shared_data: Path) -> None:
    paths = json.loads(gzip.decompress((shared_data / "payloads/polygon/openapi_subset.json.gz").read_bytes()))["paths"]
    documented = {
        r"/v2/aggs/ticker/[^/]+/range/\d+/(minute|hour|day|week)/[^/]+/[^/]+": (
            "/v2/aggs/ticker/{stocksTicker}/range/{multiplier}/{timespan}/{from}/{to}"
        ),
        "/v3/reference/splits": "/v3/reference/splits",
        "/v3/reference/dividends": "/v3/reference/dividends",
    }

    with vendor(Reply(POLYGON.empty)) as host:
        asked(host.url, lambda source: source.bars(DAILY, SPAN, calendar(STOCK)))
        asked(host.url, lambda source: source.actions(DAILY, SPAN))

    for request, (pattern, path) in zip(host.requests, documented.items(), strict=True):
        known = {each["name"]: each["schema"] for each in paths[path]["get"]["parameters"] if each["in"] == "query"}
        assert re.fullmatch(pattern, request.path)
        assert set(request.query) <= set(known)
        assert int(request.query["limit"]) <= known["limit"].get("maximum", LIMIT)


CELLS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**60), 2**60))


@pytest.mark.parametrize("body", [b"[]", b"[7]", b"[[]]", b'[{"status": "OK"}]', b'{"chart": null}'])
def test_an_answer_of_another_shape_is_unread(body: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        polygon_answers.bars(body)


@given(st.lists(st.fixed_dictionaries({"t": st.integers(0, 8 * 10**12)} | dict.fromkeys("ohlcv", CELLS)), min_size=1))
def test_the_quick_and_the_careful_way_read_the_same(rows: list[dict[str, object]]) -> None:
    payload = json.dumps({"status": "OK", "results": rows}).encode()
    quick = decode.promised(payload, polygon_answers.ENVELOPE, "results", polygon_answers.NEEDED)
    raw, rejects = decode.texts(rows, list(polygon_answers.TAKEN))

    assert quick is not None
    assert rejects.is_empty()
    careful, _ = decode.measured(raw, polygon_answers.TAKEN, "ms")
    assert_frame_equal(decode.measured(quick[1], polygon_answers.TAKEN, "ms")[0], careful, check_exact=True)


def test_an_equity_named_like_a_coin_is_asked_for_as_a_share() -> None:
    _, (request,) = bars(Reply(POLYGON.empty), Series(Instrument("BTC", AssetClass.ETF), Timeframe.D1))

    assert "/ticker/BTC/" in request.path
