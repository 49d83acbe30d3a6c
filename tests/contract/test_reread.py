"""A row that was set aside is read as the answer was that it came in."""

from __future__ import annotations

import json
from fractions import Fraction

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from barhouse.model import BARS, Instrument, Series, Timeframe
from barhouse.sources import binance, polygon, yahoo
from barhouse.sources.base import Fetched
from barhouse.sources.reread import reread
from barhouse.sources.splits import combined
from tests.contract.market import COIN, NOW, calendar
from tests.contract.protocols import PROTOCOLS, Protocol
from tests.contract.test_sources import fetched

BUILT = {
    "polygon": (polygon.EXCHANGE_FROM, polygon.CRYPTO_FROM),
    "yahoo": (yahoo.EXCHANGE_FROM, yahoo.CRYPTO_FROM),
    "binance": ({}, {}),
}
SERVED = [
    pytest.param(protocol, instrument, timeframe, id=f"{protocol.name}-{instrument.asset_class}-{timeframe}")
    for protocol in PROTOCOLS.values()
    for instrument in protocol.instruments
    for timeframe in (Timeframe.M15, Timeframe.H1, Timeframe.D1, Timeframe.W1)
]


def again(got: Fetched) -> pl.DataFrame:
    """The bars of all rows of an answer, read from what the quarantine would keep of them."""
    payloads = [json.dumps(row, default=str) for row in got.raw.iter_rows(named=True)]
    times = pl.Series([None] * len(payloads), dtype=BARS["time"])
    told = got.actions.filter(pl.col("kind") == "split").select("effective", "ratio").iter_rows()
    ratio = combined((day, Fraction(shares)) for day, shares in told)
    return reread(got.source, payloads, times, got.series, calendar(got.series.instrument), ratios=ratio, now=NOW)


@pytest.mark.parametrize(("protocol", "instrument", "timeframe"), SERVED)
def test_a_kept_row_gives_the_bar_that_its_answer_gave(
    protocol: Protocol, instrument: Instrument, timeframe: Timeframe
) -> None:
    got = fetched(protocol, instrument, timeframe, protocol.honest)

    read = again(got).filter(pl.col("time").is_between(got.span.start, got.span.end, closed="left"))

    if timeframe in BUILT[protocol.name][instrument.asset_class is COIN.asset_class]:
        assert read.is_empty(), "a row that is but a part of a bar is none"
    else:
        names = [name for name in BARS if name not in FUTURES]
        assert read.height
        assert_frame_equal(read.select(names), got.bars.select(names))


FUTURES = ("open_interest", "funding_rate", "long_short_ratio")
"""What is joined from other answers is not in the row."""


@pytest.mark.parametrize(
    "payload", [None, "", "[1, 2]", "{", '"words"', '{"t": "soon", "o": 1}', '{"other": 1}', "12;x"]
)
@pytest.mark.parametrize("source", ["polygon", "yahoo", "binance", "file", "elsewhere", None])
def test_what_nobody_can_read_is_no_bar(source: str | None, payload: str | None) -> None:
    series = Series(COIN, Timeframe.D1)
    times = pl.Series([None], dtype=BARS["time"])

    read = reread(source, [payload], times, series, calendar(COIN), ratios={}, now=NOW)

    assert read.is_empty()
    assert read.schema == {**BARS, "origin": pl.UInt32()}


def test_a_kline_that_was_cut_short_is_still_none() -> None:
    got = fetched(PROTOCOLS[binance.NAME], COIN, Timeframe.H1, PROTOCOLS[binance.NAME].honest)
    close = pl.col("close_time").cast(pl.Int64) - 60_000
    short = got.raw.head(3).with_columns(close_time=pl.when(pl.int_range(3) == 1).then(close).otherwise("close_time"))

    payloads = [json.dumps(row) for row in short.iter_rows(named=True)]
    times = pl.Series([None] * 3, dtype=BARS["time"])
    read = reread("binance", payloads, times, got.series, calendar(COIN), ratios={}, now=NOW)

    assert read["origin"].to_list() == [0, 2]
