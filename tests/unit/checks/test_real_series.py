"""The checks on real series, with the faults that their vendors left in."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from barhouse.calendar import Calendar, refreshed
from barhouse.checks import flag, sift
from barhouse.model import INSTANT, AssetClass, Timeframe
from tests.unit.checks.frames import FRAME, always_open, new_york, splits

STOCK, ETF, CRYPTO = AssetClass.STOCK, AssetClass.ETF, AssetClass.CRYPTO
M1, M5, H1, D1 = Timeframe.M1, Timeframe.M5, Timeframe.H1, Timeframe.D1

SOUND = [
    ("lean_equity/SPY.1d", ETF, D1),
    ("lean_equity/SPY.1h", ETF, H1),
    ("lean_equity/SPY.1m.20131004-20131011", ETF, M1),
    ("lean_equity/IBM.1d", STOCK, D1),
    ("lean_equity/IBM.1m.20131004-20131011", STOCK, M1),
    ("lean_equity/BAC.1m.20131004-20131011", STOCK, M1),
    ("market_prices/MSFT_D1", STOCK, D1),
    ("market_prices/MSFT_T1", STOCK, M1),
    ("market_prices/MSFTEXTRA_T5", STOCK, M5),
    ("bokeh/MSFT.1d", STOCK, D1),
    ("mplfinance/INTC.1d.1995-2004", STOCK, D1),
    ("lean_crypto/binance_BTCUSDT.1h", CRYPTO, H1),
    ("lean_crypto/coinbase_BTCUSD.1m", CRYPTO, M1),
    ("gym_trading_env/bitstamp_BTCUSD.1h", CRYPTO, H1),
]


def whole(rows: pl.DataFrame, times: pl.Series, instrument: int = 1) -> pl.DataFrame:
    """The rows of a file as a source would give them."""
    told = rows.with_columns(time=times, instrument=pl.lit(instrument), origin=pl.int_range(pl.len()))
    rest = {name: pl.lit(None) for name in FRAME if name not in told.columns}
    settled = told.with_columns(**rest).with_columns(extended=pl.lit(value=False), forming=pl.lit(value=False))
    return settled.select(pl.col(name).cast(kind) for name, kind in FRAME.items())


def bars(file: Path, calendar: Calendar, timeframe: Timeframe, instrument: int = 1) -> pl.DataFrame:
    rows = pl.read_csv(file)
    stamps = pl.from_epoch(rows["t_ms"], "ms").dt.replace_time_zone("UTC").cast(INSTANT)
    return whole(rows, calendar.canonical(stamps, timeframe), instrument)


def jumps(sound: pl.DataFrame, calendar: Calendar, *events: tuple[int, date, float]) -> list[date]:
    """The days on which daily stock bars open with a jump, given these splits."""
    judged = flag(
        sound,
        before=sound.clear(),
        asset_class=STOCK,
        timeframe=D1,
        calendar=calendar,
        splits=splits(*events),
    )
    return judged.filter(pl.col("flags").str.contains("open_jump"))["time"].dt.date().to_list()


@pytest.mark.parametrize(("name", "asset_class", "timeframe"), SOUND)
def test_no_real_bar_is_rejected(name: str, asset_class: AssetClass, timeframe: Timeframe, shared_data: Path) -> None:
    calendar = always_open() if asset_class is CRYPTO else new_york()
    rows = bars(shared_data / "bars" / f"{name}.csv.gz", calendar, timeframe)

    parts = sift(rows, calendar=calendar, timeframe=timeframe)

    assert parts.rejected.is_empty()
    assert parts.sound.drop("extended").equals(rows.sort("time").drop("extended"))


def test_of_fifty_stocks_only_the_day_that_yahoo_did_not_have_is_rejected(shared_data: Path) -> None:
    files = sorted((shared_data / "bars" / "stocknet").glob("*.csv.gz"))
    rows = pl.concat(bars(file, new_york(), D1, number) for number, file in enumerate(files))

    parts = sift(rows, calendar=new_york(), timeframe=D1)

    assert parts.sound.height == rows.height - 1
    rejected = parts.rejected.row(0, named=True)
    assert files[rejected["instrument"]].name == "REX.1d.csv.gz"
    assert (rejected["time"].date(), rejected["reason"]) == (date(2016, 6, 29), "missing_field")


def test_a_known_split_is_no_jump_and_a_crash_stays_one(shared_data: Path) -> None:
    ibm = bars(shared_data / "bars" / "lean_equity" / "IBM.1d.csv.gz", new_york(), D1)
    split, crash = date(1999, 5, 27), date(1999, 10, 21)

    unaware, aware = jumps(ibm, new_york()), jumps(ibm, new_york(), (1, split, 2.0))

    assert {split, crash} < set(unaware)
    assert [day for day in unaware if day != split] == aware


# Yahoo's prices, all in today's shares; on 2023-05-16 CNE returned 2.44 pounds a share, half its price
PAIRS = {
    "AET-L-1d-100x-error": [date(2022, 5, 9), date(2022, 5, 20)],
    "AET-L-1d-100x-error-fixed": [],
    "CNE-L-1d-bad-stock-split": [date(2023, 5, 9), date(2023, 5, 10), date(2023, 5, 16)],
    "CNE-L-1d-bad-stock-split-fixed": [date(2023, 5, 16)],
    "8TRA-DE-1d-missing-div-adjust": [],
}


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, Calendar]:
    return {"L": refreshed("XLON"), "DE": refreshed("XETR")}


@pytest.mark.parametrize("name", PAIRS)
def test_bars_in_another_unit_are_seen_where_they_begin_and_end(
    name: str, shared_data: Path, elsewhere: dict[str, Calendar]
) -> None:
    file = pl.read_csv(shared_data / "pairs" / f"{name}.csv.gz", infer_schema_length=None)
    days = file["Date"].str.slice(0, 10).str.to_date().cast(INSTANT)
    rows = whole(file.rename(str.lower), days)
    calendar = elsewhere[name.split("-")[1]]

    parts = sift(rows, calendar=calendar, timeframe=D1)

    assert parts.rejected.is_empty()
    assert jumps(parts.sound, calendar) == PAIRS[name]
