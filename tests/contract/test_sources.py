"""What every source gives, whatever its protocol: right bars in right slots, and a typed error for all the rest."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from barhouse.errors import (
    NotEntitled,
    RateLimited,
    RequestRefused,
    SourceError,
    SourceUnavailable,
    Unauthorized,
    UnknownAtSource,
    UnreadableAnswer,
)
from barhouse.model import BARS, INSTANT, PRICES, Instrument, Series, Span, Timeframe
from barhouse.sources.base import Fetched
from tests.contract.market import NOW, SPAN, STOCK, Bar, calendar, expected
from tests.contract.protocols import KEY, POLYGON, PROTOCOLS, Protocol
from tests.vendors import HTML, Reply, Script, vendor

FIVE = {"time": INSTANT, **PRICES, "volume": pl.Float64()}
WEEK = Span(SPAN.start, SPAN.start + timedelta(days=7))
SERVED = [
    pytest.param(protocol, instrument, timeframe, id=f"{protocol.name}-{instrument.asset_class}-{timeframe}")
    for protocol in PROTOCOLS.values()
    for instrument in protocol.instruments
    for timeframe in Timeframe
]
each_vendor = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)


def fetched(
    protocol: Protocol,
    instrument: Instrument,
    timeframe: Timeframe,
    script: Script | Reply,
    asked: Span = SPAN,
    timeout: float = 20.0,
) -> Fetched:
    """What the source makes of its part of the two weeks when its host follows `script`."""
    series = Series(instrument, timeframe)

    async def run(url: str) -> Fetched:
        source = protocol.source(url, timeout)
        try:
            span = source.reach(series, asked, NOW)
            assert span is not None
            return await source.bars(series, span, calendar(instrument))
        finally:
            await source.close()

    with vendor(script) as host:
        return asyncio.run(run(host.url))


def quarters(protocol: Protocol, script: Script | Reply, timeout: float = 20.0) -> Fetched:
    """A week of quarters of an hour, which every vendor gives as they are and in one answer."""
    return fetched(protocol, protocol.instruments[0], Timeframe.M15, script, WEEK, timeout)


@lru_cache
def honest(name: str) -> Fetched:
    """What the vendor of that name gives when nothing is wrong."""
    return quarters(PROTOCOLS[name], PROTOCOLS[name].honest)


def frame(bars: list[Bar]) -> pl.DataFrame:
    """Bars made by pencil as a frame."""
    return pl.DataFrame([[getattr(bar, name) for name in FIVE] for bar in bars], schema=FIVE, orient="row")


@pytest.mark.parametrize(("protocol", "instrument", "timeframe"), SERVED)
def test_every_bar_of_the_market_lands_in_its_slot(
    protocol: Protocol, instrument: Instrument, timeframe: Timeframe
) -> None:
    got = fetched(protocol, instrument, timeframe, protocol.honest)

    assert got.bars.schema == {**BARS, "origin": pl.UInt32()}
    assert not got.bars["forming"].any()
    assert got.rejects.is_empty()
    regular = got.bars.filter(~pl.col("extended")).select(list(FIVE))
    assert_frame_equal(regular, frame(expected(instrument, timeframe)), abs_tol=1e-9)
    assert bool(got.bars["extended"].any()) == (instrument is STOCK and timeframe.intraday and protocol.extended)


@each_vendor
def test_an_empty_answer_is_empty_and_no_error(protocol: Protocol) -> None:
    got = quarters(protocol, Reply(protocol.empty))

    assert got.bars.is_empty()
    assert got.bars.schema == {**BARS, "origin": pl.UInt32()}
    assert got.rejects.is_empty()


@each_vendor
def test_the_bars_of_a_span_end_before_its_end(protocol: Protocol) -> None:
    got = quarters(protocol, protocol.honest)

    assert got.bars["time"].is_between(got.span.start, got.span.end, closed="left").all()


FAULTS = {
    "cut": (Reply(b'{"results": [1, 2, 3]}', cut=9), SourceUnavailable),
    "reset": (Reply(b"x" * 100_000, reset=True), SourceUnavailable),
    "stall": (Reply(b'{"a": 1}', stall=5), SourceUnavailable),
    "html": (Reply(HTML), UnreadableAnswer),
    "nothing": (Reply(b""), UnreadableAnswer),
    "not utf-8": (Reply(b'\xff\xfe{"status": "OK"}'), UnreadableAnswer),
    "deep": (Reply(b"[" * 100_000), UnreadableAnswer),
    **{f"shape {body!r}": (Reply(body), UnreadableAnswer) for body in (b"{}", b"7", b"null", b'"x"')},
    **{
        str(status): (Reply.json({"error": f"no {KEY}"}, status), error)
        for status, error in {
            400: RequestRefused,
            401: Unauthorized,
            403: NotEntitled,
            404: UnknownAtSource,
            418: RateLimited,
            422: RequestRefused,
            429: RateLimited,
            500: SourceUnavailable,
            503: SourceUnavailable,
        }.items()
    },
}


@each_vendor
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_typed_error(protocol: Protocol, fault: str) -> None:
    reply, error = FAULTS[fault]

    with pytest.raises(SourceError) as raised:
        quarters(protocol, reply, timeout=0.3)

    assert type(raised.value) is error
    assert raised.value.source == protocol.name


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_tells_the_key(fault: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError) as raised:
        quarters(POLYGON, FAULTS[fault][0], timeout=0.3)

    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert KEY not in "".join(capfd.readouterr())


@each_vendor
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_cut_off_json_is_unread_and_never_a_part(protocol: Protocol, kept: float) -> None:
    def cut(whole: bytes) -> bytes:
        return whole[: int(len(whole) * kept)]

    with pytest.raises(UnreadableAnswer):
        quarters(protocol, lambda request: Reply(cut(protocol.written(protocol.bars(request), request))))


NO_NUMBERS = [None, "", "abc", "NaN", "1,5", True, [1.5], {"a": 1}, float("nan"), float("inf"), -float("inf")]


@each_vendor
@pytest.mark.parametrize("junk", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize("column", ["open", "volume"])
def test_a_cell_that_is_no_number_is_null_and_its_neighbours_are_kept(
    protocol: Protocol, junk: object, column: str
) -> None:
    good = honest(protocol.name)

    spoilt = quarters(protocol, protocol.spoilt(lambda bars: [*bars[:3], bars[3].spoilt(**{column: junk}), *bars[4:]]))

    there = pl.col("origin") == 3
    assert_frame_equal(spoilt.bars.filter(~there), good.bars.filter(~there))
    row = good.bars.filter(there).with_columns(pl.lit(None, pl.Float64()).alias(column))
    assert_frame_equal(spoilt.bars.filter(there).select(list(FIVE)), row.select(list(FIVE)))
    assert spoilt.raw.height == good.raw.height


@each_vendor
def test_numbers_written_as_text_are_numbers(protocol: Protocol) -> None:
    good = honest(protocol.name)

    text = quarters(protocol, protocol.spoilt(lambda bars: [bars[0].spoilt(open=str(bars[0].open)), *bars[1:]]))

    assert_frame_equal(text.bars, good.bars)


@each_vendor
@pytest.mark.parametrize("junk", [None, "soon", True, -1, 10**30, [], {}, float("nan")], ids=repr)
def test_a_row_without_a_time_is_rejected_and_its_neighbours_are_kept(protocol: Protocol, junk: object) -> None:
    good = honest(protocol.name)

    spoilt = quarters(protocol, protocol.spoilt(lambda bars: [*bars[:3], bars[3].spoilt(time=junk), *bars[4:]]))

    assert_frame_equal(spoilt.bars, good.bars.filter(pl.col("origin") != 3))
    assert spoilt.rejects["time"].to_list() == [None]
    assert spoilt.rejects["payload"][0]


@each_vendor
def test_duplicates_and_disorder_come_through_as_they_came(protocol: Protocol) -> None:
    def shuffled(bars: list[Bar]) -> list[Bar]:
        return [*reversed(bars), bars[0], bars[1].spoilt(close=bars[1].open)]

    good = honest(protocol.name)
    got = quarters(protocol, protocol.spoilt(shuffled))

    assert got.bars.height == good.bars.height + 2
    assert_frame_equal(got.bars.unique("time", keep="first").sort("time").drop("origin"), good.bars.drop("origin"))
    assert got.bars.sort("origin")["close"][-1] == good.bars["open"][1]


@each_vendor
def test_rows_outside_the_asked_span_are_left_out(protocol: Protocol) -> None:
    def strayed(bars: list[Bar]) -> list[Bar]:
        month = timedelta(days=28)
        return [
            *(bar.spoilt(time=bar.time - month) for bar in bars[:2]),  # type: ignore[operator]
            *bars,
            *(bar.spoilt(time=bar.time + month) for bar in bars[:2]),  # type: ignore[operator]
        ]

    good = honest(protocol.name)
    got = quarters(protocol, protocol.spoilt(strayed))

    assert_frame_equal(got.bars.drop("origin"), good.bars.drop("origin"))


@each_vendor
def test_the_raw_row_of_a_bar_is_found_by_its_origin(protocol: Protocol) -> None:
    spoil: Callable[[list[Bar]], list[Bar]] = lambda bars: [bars[0].spoilt(open="12,5"), *bars[1:]]  # noqa: E731
    got = quarters(protocol, protocol.spoilt(spoil))

    assert "12,5" in str(got.raw.row(got.bars["origin"][0]))
