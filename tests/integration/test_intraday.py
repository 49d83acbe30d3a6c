"""Every timeframe end to end: real minutes, hours and days through the vendors' protocols, adapters, flow and store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from barhouse import features
from barhouse.api import vendor_side
from barhouse.api.compat.frames import FrameShelf
from barhouse.flow import imports
from barhouse.flow.backfill import Outcome, backfill
from barhouse.flow.plan import Wanted, plan
from barhouse.model import AssetClass, Instrument, Series, Span, Timeframe
from barhouse.sources.base import Source
from barhouse.sources.binance import Binance
from barhouse.sources.polygon import Polygon
from barhouse.sources.yahoo import Yahoo
from barhouse.store import instruments
from barhouse.store.postgres import Database

M1, M5, M15, M30, H1, H4, D1, W1 = Timeframe
FIVE = ["open", "high", "low", "close", "volume"]
WARM = {
    "volatility_20": 20,
    "volatility_50": 50,
    "atr": 14,
    "trend_direction": 19,
    "market_structure": 19,
    "rolling_volume_20": 19,
    "volume_ratio": 19,
    "volatility_regime": 99,
    "trend_regime": 49,
    "compression_regime": 68,
    "rolling_mean_10": 9,
    "rolling_slope_10": 9,
}
"""How many bars a feature is unknown at the beginning of a series without holes, and not once after."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """An instrument at a vendor: the files of real bars, by the timeframe they are of, and what is wanted of them."""

    source: str
    spelled: str
    instrument: Instrument
    files: Mapping[Timeframe, str]
    spans: Mapping[Timeframe, Span]
    last: Span
    """The latest of the spans."""

    @property
    def now(self) -> datetime:
        """The moment of asking: late enough that all that is wanted is settled."""
        return self.last.end + timedelta(hours=1)


SPY, BITCOIN = Instrument("SPY", AssetClass.ETF), Instrument("BTC", AssetClass.CRYPTO)
SPY_FILES = {M1: "lean_equity/SPY.1m.20131004-20131011", D1: "lean_equity/SPY.1d"}
WEEK = Span(utc("2013-10-03"), utc("2013-10-12"))
YEARS = Span(utc("2011-01-01"), utc("2013-10-12"))
SPY_SPANS = dict.fromkeys((M1, M5, M15, M30, H1, H4), WEEK) | dict.fromkeys((D1, W1), YEARS)
COINBASE, BITSTAMP = "lean_crypto/coinbase_BTCUSD.1m", "gym_trading_env/bitstamp_BTCUSD.1h"
QUIET = Span(utc("2016-10-07"), utc("2016-10-10"))
"""Days in which some minutes saw no trade."""
BUSY = Span(utc("2018-04-05"), utc("2018-04-07"))
WINTER = Span(utc("2021-07-01"), utc("2022-02-28"))
SHORT, LONG = (M1, M5, M15, M30, H1, H4), (H1, H4, D1, W1)

CASES = {
    "polygon-etf": Case("polygon", "SPY", SPY, SPY_FILES, SPY_SPANS, WEEK),
    "yahoo-etf": Case("yahoo", "SPY", SPY, SPY_FILES, SPY_SPANS, WEEK),
    "binance-minutes": Case("binance", "BTCUSDT", BITCOIN, {M1: COINBASE}, dict.fromkeys(SHORT, BUSY), BUSY),
    "binance-hours": Case("binance", "BTCUSDT", BITCOIN, {H1: BITSTAMP}, dict.fromkeys(LONG, WINTER), WINTER),
    "polygon-minutes": Case("polygon", "BTC-USD", BITCOIN, {M1: COINBASE}, dict.fromkeys(SHORT, QUIET), QUIET),
    "polygon-hours": Case("polygon", "BTC-USD", BITCOIN, {H1: BITSTAMP}, dict.fromkeys(LONG, WINTER), WINTER),
    "yahoo-hours": Case("yahoo", "BTC-USD", BITCOIN, {H1: BITSTAMP}, dict.fromkeys(LONG, WINTER), WINTER),
}


@pytest.mark.parametrize("name", CASES)
def test_every_timeframe_is_stored_as_the_vendor_traded_it(db: Database, shared_data: Path, name: str) -> None:
    case = CASES[name]
    real = {timeframe: read(shared_data, file, timeframe, case.now) for timeframe, file in case.files.items()}

    outcomes = {outcome.series.timeframe: outcome for outcome in brought(db, case, real)}

    for timeframe, span in case.spans.items():
        outcome, stored = outcomes[timeframe], bars_of(db, timeframe)
        finer = max((each for each in real if each.minutes <= timeframe.minutes), key=lambda each: each.minutes)
        expected = aggregated(real[finer], finer, timeframe, case.instrument.asset_class)
        expected = expected.filter(pl.col("time").is_between(span.start, span.end, closed="left"))
        assert (outcome.missing, outcome.errors, outcome.quarantined) == ([], [], 0), timeframe
        assert expected.height > 0, timeframe
        regular = stored.filter(~pl.col("extended"))
        exact = 1e-6 if name == "yahoo-hours" else 1e-9  # Yahoo's prices have single precision
        assert_frame_equal(regular.select("time", *FIVE), expected.select("time", *FIVE), rel_tol=exact)
        assert_features_are_known_where_warm(regular, timeframe)


def test_minutes_before_and_after_the_session_are_kept_apart(db: Database, shared_data: Path) -> None:
    case = CASES["polygon-etf"]
    real = read(shared_data, SPY_FILES[M1], M1, case.now)

    brought(db, case, {M1: real, D1: read(shared_data, SPY_FILES[D1], D1, case.now)})

    outside = real.filter(~in_session("time"))
    for timeframe in (M1, M5, M15, M30):
        stored = bars_of(db, timeframe).filter("extended")
        clock = outside.group_by(pl.col("time").dt.truncate(timeframe), maintain_order=True).agg(
            pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"), pl.sum("volume")
        )
        assert_frame_equal(stored.select("time", *FIVE), clock.select("time", *FIVE), rel_tol=1e-9)
        assert stored["rolling_mean_10"].null_count() == stored.height


def test_takers_of_a_coin_give_delta_and_ratio(db: Database, shared_data: Path) -> None:
    case = CASES["binance-minutes"]
    real = read(shared_data, COINBASE, M1, case.now)

    brought(db, case, {M1: real})

    for timeframe in case.spans:
        bought, volume = pl.col("taker_buy_volume"), pl.col("volume")
        stored = bars_of(db, timeframe)
        told = stored.select(delta=2 * bought - volume, buy_sell_ratio=bought / (volume - bought))
        known = told.with_columns(pl.when(pl.all().is_finite()).then(pl.all()))
        assert known["delta"].null_count() == 0
        assert_frame_equal(stored.select("delta", "buy_sell_ratio"), known, rel_tol=1e-6)


def test_a_file_with_all_inputs_makes_every_feature_known(db: Database, shared_data: Path, tmp_path: Path) -> None:
    rows = read(shared_data, BITSTAMP, H1, WINTER.end).tail(900)
    nth, closes = pl.int_range(pl.len()), pl.col("close")
    file = tmp_path / "bitcoin.csv"
    rows.with_columns(
        taker_sell_volume=pl.col("volume") - pl.col("taker_buy_volume"),
        open_interest=1e5 + nth,
        funding_rate=(nth // 8 % 13 - 6) * 1e-5,
        liquidations_long=(nth % 7).cast(pl.Float64),
        liquidations_short=(nth % 5).cast(pl.Float64),
        long_short_ratio=closes / closes.first(),
        exchange_inflow=10.0 - nth % 21,
    ).write_csv(file)

    taken = imports.take(db, file, Series(BITCOIN, H1), zone="UTC", now=WINTER.end)

    assert (taken.fetch.inserted, taken.fetch.quarantined) == (900, 0)
    stored = bars_of(db, H1)
    unknown = [name for name in features.registry if stored[name].null_count() == stored.height]
    assert unknown == []
    assert stored["funding_rate_percentile"].null_count() < 750


def read(shared_data: Path, file: str, timeframe: Timeframe, now: datetime) -> pl.DataFrame:
    """Real bars up to `now`; takers are made up, since no file of these has them."""
    rows = pl.read_csv(shared_data / "bars" / f"{file}.csv.gz", infer_schema=False).select(
        pl.from_epoch(pl.col("t_ms").cast(pl.Int64), "ms").dt.replace_time_zone("UTC").cast(pl.Datetime("us", "UTC")),
        pl.col(FIVE).cast(pl.Float64).round(8),
    )
    rows = rows.rename({"t_ms": "time"}).sort("time").filter(pl.col("time") < now)
    if timeframe is D1:
        rows = rows.with_columns(local("time").dt.date().cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    if file == BITSTAMP:
        rows = rows.with_columns((pl.col("volume") * 1e4).round())  # Yahoo's volumes are whole numbers
    share = ((pl.col("close") - pl.col("low")) / (pl.col("high") - pl.col("low"))).fill_nan(0.5) * 0.8 + 0.1
    return rows.with_columns(taker_buy_volume=(pl.col("volume") * share).round(8))


def brought(db: Database, case: Case, real: Mapping[Timeframe, pl.DataFrame]) -> list[Outcome]:
    """All that is wanted in a case, by a backfill at its moment."""
    asset_class = case.instrument.asset_class
    frames = {(case.spelled, asset_class, timeframe): rows for timeframe, rows in real.items()}
    with vendor_side.served(vendor_side.create(FrameShelf(frames, now=lambda: case.now))) as url:
        return asyncio.run(_brought(db, case, url))


async def _brought(db: Database, case: Case, url: str) -> list[Outcome]:
    makes: dict[str, Source] = {
        "polygon": Polygon(url, "k", clock=lambda: case.now),
        "yahoo": Yahoo(url, clock=lambda: case.now),
        "binance": Binance(url, clock=lambda: case.now),
    }
    try:
        with db.transaction() as connection:
            every = [instruments.add_series(connection, Series(case.instrument, each)) for each in case.spans]
        wanted = [Wanted(series, case.spans[series.timeframe]) for series in every]
        pieces = plan(db, {case.source: makes[case.source]}, wanted, case.now)
        return await backfill(db, pieces, now=case.now)
    finally:
        for source in makes.values():
            await source.close()


def bars_of(db: Database, timeframe: Timeframe) -> pl.DataFrame:
    """The stored settled bars of a timeframe with their features."""
    names = ", ".join(f"f.{name}" for name in features.registry)
    return db.frame(
        f"SELECT bar.time, {', '.join(f'bar.{name}' for name in FIVE)}, extended, taker_buy_volume, {names} "
        "FROM bar LEFT JOIN bar_feature f USING (instrument, timeframe, time) "
        f"WHERE timeframe = {timeframe.code} AND NOT forming ORDER BY time".encode()
    )


def local(time: str) -> pl.Expr:
    return pl.col(time).dt.convert_time_zone("America/New_York")


def in_session(time: str) -> pl.Expr:
    return local(time).dt.time().is_between(pl.time(9, 30), pl.time(16, 0), closed="left")


def aggregated(rows: pl.DataFrame, finer: Timeframe, timeframe: Timeframe, asset_class: AssetClass) -> pl.DataFrame:
    """The bars of `timeframe` by the clock of the market, without the calendar's help."""
    if asset_class is not AssetClass.CRYPTO and finer is M1:
        rows = rows.filter(in_session("time"))
    slot = pl.col("time").dt.truncate("1w" if timeframe is W1 else f"{timeframe.minutes}m")
    if timeframe is H1:
        slot = local("time").dt.truncate("1h").dt.convert_time_zone("UTC")
    if timeframe is H4 and asset_class is not AssetClass.CRYPTO:
        open_ = local("time").dt.truncate("1d").dt.offset_by("9h30m")
        slot = (open_ + (local("time") - open_).dt.total_minutes() // 240 * pl.duration(hours=4)).dt.convert_time_zone(
            "UTC"
        )
    return rows.group_by(slot.alias("time"), maintain_order=True).agg(
        pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"), pl.sum("volume")
    )


def assert_features_are_known_where_warm(bars: pl.DataFrame, timeframe: Timeframe) -> None:
    for name, warm in WARM.items():
        unknown = bars[name].is_null()
        assert unknown.to_list() == [at < warm for at in range(bars.height)], (timeframe, name)
    if timeframe.minutes <= 60:
        assert bars["return_1h"].null_count() < bars.height
    if timeframe is not W1:
        assert bars["return_1d"].null_count() < bars.height
