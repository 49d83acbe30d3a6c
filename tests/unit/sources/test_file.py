"""Files that people have become bars, with a report of what was taken, or are refused with the mend."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from barhouse.calendar import Calendar
from barhouse.errors import UnreadableFile
from barhouse.model import AssetClass, Instrument, Series, Timeframe
from barhouse.sources import file
from barhouse.sources.base import Fetched

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STOCK = Series(Instrument("AAPL"), Timeframe.D1)
COIN = Series(Instrument("BTC", AssetClass.CRYPTO), Timeframe.H1)
ROW = "2021-07-19 00:00:00,1,2,0.5,1.5,100"


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    return tmp_path / "bars.csv"


def coins(path: Path, content: str | bytes) -> tuple[Fetched, file.Report]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file.read(path, COIN, Calendar.always_open(), now=NOW)


@pytest.mark.parametrize(
    "headings",
    [
        "time,open,high,low,close,volume",
        "t,o,h,l,c,v",
        "Date,Open,High,Low,Close,Volume",
        "timestamp,Open,High,Low,Close,Volume_(BTC)",
        "<DATETIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        "\ufeffopen_time,open,high,low,close,volume",
        ",open,high,low,close,volume",
    ],
)
def test_columns_are_known_by_the_names_that_people_give_them(a_file: Path, headings: str) -> None:
    fetched, _ = coins(a_file, f"{headings}\n{ROW}\n")

    assert fetched.bars.row(0)[:6] == (datetime(2021, 7, 19, tzinfo=UTC), 1.0, 2.0, 0.5, 1.5, 100.0)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(a_file: Path, separator: str) -> None:
    text = f"time,open,high,low,close,volume\n{ROW}\n".replace(",", separator)

    assert coins(a_file, text)[0].bars["close"].to_list() == [1.5]


def test_a_decimal_comma_is_read_where_the_separator_is_another(a_file: Path) -> None:
    fetched, _ = coins(a_file, "time;open;high;low;close;volume\n2021-07-19;1,5;2,5;0,5;1,25;10\n")

    assert fetched.bars.row(0)[1:6] == (1.5, 2.5, 0.5, 1.25, 10.0)


def test_missing_columns_are_named_with_those_that_are_there(a_file: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"No column for low, volume; found 'time', 'open', 'high', 'close'"):
        coins(a_file, "time,open,high,close,foo,bar\n2021-07-19,1,2,3,4,5\n")


def test_binance_dumps_need_no_headings(a_file: Path, shared_data: Path) -> None:
    payload = (shared_data / "payloads/binance/klines_documented_example.json").read_text()
    line = ",".join(cell.strip(' "') for cell in payload.replace("\n", "").strip("[] ").split(","))
    weekly = Series(COIN.instrument, Timeframe.W1)
    a_file.write_text(line + "\n")

    fetched, report = file.read(a_file, weekly, Calendar.always_open(), now=NOW)

    bar = fetched.bars.row(0, named=True)
    assert bar["time"] == datetime(2017, 7, 3, tzinfo=UTC)
    assert (bar["open"], bar["volume"], bar["trades"]) == (0.0163479, 148976.11427815, 308)
    assert (bar["taker_buy_volume"], bar["quote_volume"]) == (1756.87402397, 2434.19055334)
    assert bar["taker_sell_volume"] == pytest.approx(148976.11427815 - 1756.87402397)
    assert report.columns["trades"] == "column_8"


def test_columns_without_headings_must_look_like_a_bar(a_file: Path) -> None:
    coinbase = "1626652800,0.5,2,1,1.5,100\n"  # time, low, high, open, close, volume

    with pytest.raises(UnreadableFile, match="not open, high, low, close"):
        coins(a_file, coinbase * 3)


def test_inputs_of_features_are_taken_by_their_names(a_file: Path) -> None:
    text = "time,open,high,low,close,volume,funding_rate,open_interest,taker_sell_volume\n" + ROW + ",0.0001,7,40\n"

    bar = coins(a_file, text)[0].bars.row(0, named=True)

    assert (bar["funding_rate"], bar["open_interest"], bar["taker_sell_volume"]) == (0.0001, 7.0, 40.0)
    assert bar["long_short_ratio"] is None


def test_a_row_whose_time_is_unreadable_is_kept_for_the_quarantine(a_file: Path) -> None:
    fetched, report = coins(a_file, f"time,open,high,low,close,volume\n{ROW}\nsoon,1,2,3,4,5\n")

    assert len(fetched.bars) == 1
    assert fetched.rejects["reason"].to_list() == ["unreadable_time"]
    assert '"time":"soon"' in fetched.rejects["payload"][0]
    assert report.rows == 2


def test_a_row_with_too_many_cells_is_kept_for_the_quarantine(a_file: Path) -> None:
    shifted = "2021-07-19 01:00:00,1,2,0.5,1.5,1,000"  # a thousands comma

    fetched, report = coins(a_file, f"time,open,high,low,close,volume\n{ROW}\n{shifted}\n")

    assert len(fetched.bars) == 1
    assert fetched.rejects.select("reason", "payload").row(0) == ("unreadable_row", shifted)
    assert report.rows == 2


def test_a_cell_that_is_no_number_leaves_its_field_null_and_is_told(a_file: Path) -> None:
    text = f"time,open,high,low,close,volume\n{ROW}\n2021-07-19 01:00:00,1,2,0.5,n/a,\n"

    fetched, report = coins(a_file, text)

    assert fetched.bars.select("close", "volume").row(1) == (None, None)
    assert report.notes == ["1 cells of 'close' are no numbers, such as 'n/a'"]


def test_volume_and_turnover_that_changed_places_are_put_right_by_the_price(a_file: Path) -> None:
    rows = (
        "2018-05-15 06:00:00,8733,8796,8707,8740,4906603.14,559.93\n2022-03-01,43221,43626,43185,43312,52.056,2254677\n"
    )

    fetched, report = coins(a_file, "time,open,high,low,close,Volume BTC,Volume USD\n" + rows)

    assert fetched.bars.sort("time")["volume"].to_list() == [559.93, 52.056]
    assert fetched.bars.sort("time")["quote_volume"].to_list() == [4906603.14, 2254677.0]
    assert "1 rows" in report.notes[0]


def test_naive_times_are_utc_unless_told_and_the_report_says_so(a_file: Path, new_york: Calendar) -> None:
    minutes = Series(STOCK.instrument, Timeframe.M1)
    a_file.write_text("time,open,high,low,close,volume\n2021-07-19 09:30:00,1,2,0.5,1.5,100\n")

    utc, told = file.read(a_file, minutes, new_york, now=NOW)
    local, _ = file.read(a_file, minutes, new_york, now=NOW, zone="America/New_York")

    assert told.time_format == "date and time without zone, read as UTC"
    assert utc.bars["extended"].to_list() == [True]
    assert local.bars["time"].to_list() == [datetime(2021, 7, 19, 13, 30, tzinfo=UTC)]
    assert local.bars["extended"].to_list() == [False]


@pytest.mark.parametrize(
    "stamp", ["2021-07-19", "1626667200000", "2021-07-19 00:00:00-04:00", "2021-07-19T13:30:00Z", "07/19/2021"]
)
def test_a_day_of_an_exchange_lands_in_its_session(a_file: Path, new_york: Calendar, stamp: str) -> None:
    a_file.write_text(f"Date,Open,High,Low,Close,Adj Close,Volume\n{stamp},1,2,0.5,1.5,1.4,100\n")

    fetched, report = file.read(a_file, STOCK, new_york, now=NOW)

    assert fetched.bars["time"].to_list() == [datetime(2021, 7, 19, tzinfo=UTC)]
    assert report.notes == ["'Adj Close' not taken: prices adjusted for dividends are not kept"]


def test_midnight_of_another_zone_is_no_day_of_a_coin(a_file: Path) -> None:
    daily = Series(COIN.instrument, Timeframe.D1)
    a_file.write_text("Date,Open,High,Low,Close,Volume\n2021-07-19 00:00:00+02:00,1,2,0.5,1.5,100\n")

    fetched, report = file.read(a_file, daily, Calendar.always_open(), now=NOW)

    assert fetched.bars["time"].to_list() == [datetime(2021, 7, 18, 22, tzinfo=UTC)]
    assert "off the grid" in report.notes[0]


def test_a_clock_beside_the_date_belongs_to_it(a_file: Path) -> None:
    text = "Date,Time,Open,High,Low,Close,Volume\n2021.07.19,05:00,1,2,0.5,1.5,100\n"

    assert coins(a_file, text)[0].bars["time"].to_list() == [datetime(2021, 7, 19, 5, tzinfo=UTC)]


def test_a_file_may_be_packed_and_begin_with_other_lines(tmp_path: Path) -> None:
    text = f"https://www.example.com\ntime,open,high,low,close,volume\n{ROW}\n".encode()
    packed, archive = tmp_path / "bars.csv.gz", tmp_path / "bars.zip"
    packed.write_bytes(gzip.compress(text))
    with zipfile.ZipFile(archive, "w") as inside:
        inside.writestr("bars.csv", text)

    for path in (packed, archive):
        assert len(file.read(path, COIN, Calendar.always_open(), now=NOW)[0].bars) == 1


def test_the_three_headings_of_yfinance_are_understood(a_file: Path, new_york: Calendar) -> None:
    top = "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
    a_file.write_text(top + "2021-07-19,1.5,2,0.5,1,100\n")

    fetched, _ = file.read(a_file, STOCK, new_york, now=NOW)

    assert fetched.bars.row(0)[:6] == (datetime(2021, 7, 19, tzinfo=UTC), 1.0, 2.0, 0.5, 1.5, 100.0)
    assert fetched.rejects["reason"].to_list() == ["unreadable_time"] * 2


def test_parquet_is_read_as_it_is(tmp_path: Path, new_york: Calendar) -> None:
    path = tmp_path / "bars.parquet"
    prices = {"open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 100}
    pl.DataFrame({"date": [date(2021, 7, 19)], **{name: [value] for name, value in prices.items()}}).write_parquet(path)

    fetched, report = file.read(path, STOCK, new_york, now=NOW)

    assert fetched.bars.row(0)[:6] == (datetime(2021, 7, 19, tzinfo=UTC), 1.0, 2.0, 0.5, 1.5, 100.0)
    assert report.time_format == "date"


@pytest.mark.parametrize(
    "content", [b"", b"time,open\n1,2\n", b"\x1f\x8bnot gzip", b"PAR1not parquet", b"\x00\x01\x02" * 9]
)
def test_what_is_no_table_of_bars_is_refused(a_file: Path, content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        coins(a_file, content)


def test_a_file_that_is_not_there_is_refused_with_its_name_only(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"^gone\.csv cannot be read: No such file or directory$"):
        file.read(tmp_path / "gone.csv", COIN, Calendar.always_open(), now=NOW)


def test_a_table_without_rows_is_refused(a_file: Path) -> None:
    with pytest.raises(UnreadableFile, match="No row with a readable time"):
        coins(a_file, "time,open,high,low,close,volume\n")


def test_minutes_are_not_taken_for_hours(a_file: Path) -> None:
    rows = "".join(f"2021-07-19 0{minute // 60}:{minute % 60:02}:00,1,2,0.5,1.5,1\n" for minute in range(120))

    with pytest.raises(UnreadableFile, match="bars of 1m, not of 1h"):
        coins(a_file, "time,open,high,low,close,volume\n" + rows)


def test_a_bar_that_has_not_closed_is_forming(a_file: Path) -> None:
    a_file.write_text(f"time,open,high,low,close,volume\n{ROW}\n2021-07-19 01:00:00,1,2,0.5,1.5,1\n")

    fetched, _ = file.read(a_file, COIN, Calendar.always_open(), now=datetime(2021, 7, 19, 1, 59, tzinfo=UTC))

    assert fetched.bars["forming"].to_list() == [False, True]


def test_the_order_of_the_rows_is_kept_and_told(a_file: Path) -> None:
    rows = "2021-07-19 02:00:00,1,2,0.5,1.5,1\n2021-07-19 01:00:00,1,2,0.5,1.5,2\n"

    fetched, report = coins(a_file, "time,open,high,low,close,volume\n" + rows)

    assert fetched.bars["volume"].to_list() == [1.0, 2.0]
    assert fetched.bars["origin"].to_list() == [0, 1]
    assert report.order == "newest first"


REAL = {
    "lean_equity/SPY.1d": (5849, "oldest first", "stock"),
    "lean_equity/SPY.1h": (40832, "oldest first", "stock"),
    "lean_equity/SPY.1m.20131004-20131011": (4839, "oldest first", "stock"),
    "gym_trading_env/bitstamp_BTCUSD.1h": (33259, "newest first", "crypto"),
    "lean_crypto/coinbase_ETHUSD.1m": (5329, "oldest first", "crypto"),
    "mplfinance/INTC.1d.1995-2004": (2335, "oldest first", "stock"),
    "stocknet/AAPL.1d": (1258, "oldest first", "stock"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_whole_and_stand_on_the_grid(name: str, shared_data: Path, new_york: Calendar) -> None:
    count, order, kind = REAL[name]
    timeframe = Timeframe.of(name.split(".")[1])
    series = Series(Instrument("X", AssetClass(kind)), timeframe)
    calendar = Calendar.always_open() if kind == "crypto" else new_york

    fetched, report = file.read(shared_data / "bars" / f"{name}.csv.gz", series, calendar, now=NOW)

    assert (len(fetched.bars), len(fetched.rejects), report.order) == (count, 0, order)
    assert calendar.located(fetched.bars, timeframe)["on_grid"].all()
    assert fetched.bars.select("open", "high", "low", "close", "volume").null_count().sum_horizontal().item() == 0


def test_every_volume_of_the_real_swapped_file_ends_in_bitcoins(shared_data: Path) -> None:
    path = shared_data / "bars/gym_trading_env/bitstamp_BTCUSD.1h.csv.gz"

    bars = file.read(path, COIN, Calendar.always_open(), now=NOW)[0].bars.filter(pl.col("volume") > 0)

    # nobody traded ten thousand dollars' worth of coins an hour at less than a tenth or more than ten times the price
    implied = bars["quote_volume"] / bars["volume"]
    assert (implied / bars["close"]).is_between(0.9, 1.1).all()
