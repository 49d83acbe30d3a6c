"""Bars from files and back into files."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest

from tests.contract.cli.conftest import Barhouse

DAYS = [date(2024, 3, day) for day in (4, 5, 6, 7, 8)]
BARS = [(10.0 + n, 11.0 + n, 9.0 + n, 10.5 + n, 1000.0 + n) for n in range(len(DAYS))]
HEADINGS = ("open", "high", "low", "close", "volume")

Row = Sequence[object]


def midnights(unit: int) -> list[int]:
    """The days as numbers, so many to a second."""
    return [int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * unit for day in DAYS]


def table(times: Sequence[object], heading: str = "date", names: Sequence[str] = HEADINGS) -> list[Row]:
    return [(heading, *names), *((time, *bar) for time, bar in zip(times, BARS, strict=True))]


def text(rows: Sequence[Row], separator: str = ",") -> bytes:
    lines = io.StringIO()
    csv.writer(lines, delimiter=separator).writerows(rows)
    return lines.getvalue().encode()


def newest_first(rows: Sequence[Row]) -> list[Row]:
    return [rows[0], *reversed(rows[1:])]


def mixed(rows: Sequence[Row]) -> list[Row]:
    return [rows[0], *rows[3:], *rows[1:3]]


def parquet(times: Sequence[object], heading: str) -> bytes:
    columns = {heading: times, **{name: [bar[n] for bar in BARS] for n, name in enumerate(HEADINGS)}}
    packed = io.BytesIO()
    pl.DataFrame(columns).write_parquet(packed)
    return packed.getvalue()


CAPITALS = ("Open", "High", "Low", "Close", "Volume")
SHORT = ("o", "h", "l", "c", "v")

LAYOUTS = {
    "dates": ("a.csv", text(table(DAYS))),
    "newest first, capitals": ("a.csv", text(newest_first(table(DAYS, "Date", CAPITALS)))),
    "mixed, ISO": ("a.csv", text(mixed(table([f"{day}T00:00:00Z" for day in DAYS], "timestamp")))),
    "seconds": ("a.csv", text(table(midnights(1), "t", SHORT))),
    "milliseconds": ("a.csv", text(table(midnights(1_000), "time"))),
    "microseconds": ("a.csv", text(table(midnights(1_000_000), "time"))),
    "semicolons": ("a.csv", text(table(DAYS), ";")),
    "packed": ("a.csv.gz", gzip.compress(text(table(DAYS)))),
    "parquet of dates": ("a.parquet", parquet(DAYS, "date")),
    "parquet of milliseconds": ("a.parquet", parquet(midnights(1_000), "timestamp")),
}


@pytest.fixture
def stored(database_url: str) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """The daily bars of a symbol, as SQL shows them."""
    with psycopg.connect(database_url, autocommit=True) as connection:

        def bars(symbol: str) -> list[tuple[object, ...]]:
            return connection.execute(
                "SELECT time, open, high, low, close, volume FROM market_data WHERE symbol = %s ORDER BY time", [symbol]
            ).fetchall()

        yield bars


Stored = Callable[[str], list[tuple[object, ...]]]

TRUTH = [(datetime(day.year, day.month, day.day, tzinfo=UTC), *bar) for day, bar in zip(DAYS, BARS, strict=True)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_is_understood_as_it_is(barhouse: Barhouse, stored: Stored, tmp_path: Path, layout: str) -> None:
    name, content = LAYOUTS[layout]
    (tmp_path / name).write_bytes(content)

    told = barhouse("import", tmp_path / name, "--symbol", "ACME")

    assert told.exit_code == 0, told.output
    assert "5 rows, 5 new, 0 restated, 0 known" in told.stdout
    assert stored("ACME") == TRUTH


def test_a_file_that_comes_again_changes_nothing(barhouse: Barhouse, stored: Stored, tmp_path: Path) -> None:
    file = tmp_path / "acme.csv"
    file.write_bytes(text(table(DAYS)))

    barhouse("import", file, "--symbol", "ACME")
    told = barhouse("import", file, "--symbol", "ACME")

    assert "5 rows, 0 new, 0 restated, 5 known" in told.stdout
    assert stored("ACME") == TRUTH


def test_rows_that_are_no_bars_are_told_with_their_reason(barhouse: Barhouse, stored: Stored, tmp_path: Path) -> None:
    file = tmp_path / "acme.csv"
    bad: list[Row] = [
        ("2024-03-11", 10, 9, 11, 10, 5),
        ("2024-03-12", 10, 11, 9, "n/a", 5),
        ("2024-03-10", 10, 11, 9, 10, 5),
        ("soon", 10, 11, 9, 10, 5),
    ]
    file.write_bytes(text([*table(DAYS), *bad]))

    told = barhouse("import", file, "--symbol", "ACME")
    again = barhouse("import", file, "--symbol", "ACME")

    assert told.exit_code == 0
    assert "9 rows, 5 new" in told.stdout
    assert "4 quarantined, 4 of them known" in again.stdout
    assert "4 quarantined" in told.stdout
    lines = told.stdout.splitlines()
    for day, reason in (("03-11", "high"), ("03-12", "close"), ("03-10", "grid"), ("soon", "unreadable_time")):
        assert any(day in line and reason in line for line in lines), told.stdout
    assert "such as 'n/a'" in told.stdout
    assert stored("ACME") == TRUTH


def test_a_file_of_nonsense_changes_nothing(barhouse: Barhouse, stored: Stored, tmp_path: Path) -> None:
    file = tmp_path / "acme.csv"
    file.write_text("<html>Not found</html>")

    told = barhouse("import", file, "--symbol", "ACME")

    assert told.exit_code == 2
    assert stored("ACME") == []


def test_inputs_of_coins_are_taken_by_their_names(barhouse: Barhouse, tmp_path: Path, database_url: str) -> None:
    hours = [datetime(2024, 3, 4, tzinfo=UTC) + timedelta(hours=n) for n in range(5)]
    rows = [
        [hour.isoformat(), *bar, 600, 400, 0.0001 * n] for n, (hour, bar) in enumerate(zip(hours, BARS, strict=True))
    ]
    file = tmp_path / "btc.csv"
    file.write_bytes(text([("time", *HEADINGS, "taker_buy_volume", "taker_sell_volume", "funding_rate"), *rows]))

    told = barhouse("import", file, "--symbol", "BTCUSDT", "--class", "crypto", "--timeframe", "1h")

    assert told.exit_code == 0, told.output
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT symbol, delta, funding_rate FROM market_data JOIN instrument i USING (symbol) "
            "JOIN bar_feature f ON f.instrument = i.id AND f.time = market_data.time ORDER BY f.time"
        ).fetchall()
    assert found == [("BTC", 200.0, pytest.approx(0.0001 * n)) for n in range(5)]


def test_splits_are_taken_from_a_file(barhouse: Barhouse, tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "splits.csv"
    file.write_text("date,ratio\n2024-03-06,2\n")

    told = barhouse("import", file, "--symbol", "ACME", "--actions")

    assert told.exit_code == 0, told.output
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT kind, effective, ratio FROM corporate_action").fetchall()
    assert found == [("split", date(2024, 3, 6), 2.0)]


@pytest.fixture
def acme(barhouse: Barhouse, tmp_path: Path) -> None:
    file = tmp_path / "acme.csv"
    file.write_bytes(text(table(DAYS)))
    assert barhouse("import", file, "--symbol", "ACME").exit_code == 0


@pytest.mark.usefixtures("acme")
def test_an_export_equals_the_store(barhouse: Barhouse, stored: Stored, tmp_path: Path) -> None:
    lines, packed = tmp_path / "acme.csv", tmp_path / "acme.parquet"

    told = [barhouse("export", "ACME", "--out", path) for path in (lines, packed)]

    assert [each.exit_code for each in told] == [0, 0]
    assert "5 bars of ACME 1d" in told[0].stderr
    columns = ["time", *HEADINGS]
    assert pl.read_csv(lines, try_parse_dates=True).select(columns).rows() == stored("ACME")
    assert pl.read_parquet(packed).select(columns).rows() == stored("ACME")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acme.csv", "acme.parquet"]


@pytest.mark.usefixtures("acme")
def test_an_export_comes_back_as_it_was(barhouse: Barhouse, stored: Stored, tmp_path: Path) -> None:
    for name in ("back.csv", "back.parquet"):
        barhouse("export", "ACME", "--out", tmp_path / name)
        symbol = name.replace(".", "").upper()

        told = barhouse("import", tmp_path / name, "--symbol", symbol)

        assert "5 new" in told.stdout, told.output
        assert stored(symbol) == stored("ACME")


@pytest.mark.usefixtures("acme")
def test_an_export_goes_to_standard_output_and_nothing_else_does(barhouse: Barhouse) -> None:
    told = barhouse("export", "ACME", "--from", "2024-03-05", "--to", "2024-03-07", "--features")

    rows = list(csv.DictReader(io.StringIO(told.stdout)))
    assert [row["time"] for row in rows] == ["2024-03-05T00:00:00Z", "2024-03-06T00:00:00Z"]
    assert float(rows[1]["return_1d"]) == pytest.approx(12.5 / 11.5 - 1)
    assert "delta" not in rows[0]
    assert told.stderr == ""


@pytest.mark.usefixtures("acme")
def test_an_export_that_cannot_be_written_leaves_the_old_file(barhouse: Barhouse, tmp_path: Path) -> None:
    told = barhouse("export", "ACME", "--out", tmp_path / "none" / "acme.csv")

    assert told.exit_code == 2
    assert "cannot be written: No such file or directory" in told.stderr


@pytest.mark.usefixtures("acme")
def test_bars_shows_the_newest_ones(barhouse: Barhouse) -> None:
    lines = barhouse("bars", "acme", "--last", "2").stdout.splitlines()
    features = barhouse("bars", "ACME", "-n", "3", "--features").stdout

    assert lines[0].startswith("ACME 1d stock")
    assert [line.split()[:6] for line in lines[2:]] == [
        ["2024-03-07", "13.00", "14.00", "12.00", "13.50", "1,003"],
        ["2024-03-08", "14.00", "15.00", "13.00", "14.50", "1,004"],
    ]
    assert "return_1d" in features
    assert "funding_rate_percentile" not in features


@pytest.mark.usefixtures("acme")
def test_a_timeframe_that_is_not_stored_names_those_that_are(barhouse: Barhouse) -> None:
    told = barhouse("bars", "ACME", "-t", "1h")

    assert told.exit_code == 2
    assert "there are 1d" in told.stderr


@pytest.mark.usefixtures("acme")
def test_longer_bars_are_built_from_those_that_are_stored(barhouse: Barhouse) -> None:
    shown = barhouse("bars", "ACME", "-t", "1w").stdout.splitlines()
    written = barhouse("export", "ACME", "-t", "1w", "--resample-from", "1d").stdout.splitlines()
    refused = barhouse("bars", "ACME", "-t", "1d", "--resample-from", "1w")

    assert shown[0].endswith("built from 1d bars")
    assert shown[2].split()[0] == written[1][:10] == "2024-03-04"
    assert "built_from" in written[0]
    assert refused.exit_code == 2


LONDON = "date,open,high,low,close,volume\n" + "".join(f"2022-05-{day},14,15,13,14,{day}\n" for day in (27, 30, 31))


def test_bars_stand_in_the_calendar_of_the_exchange_that_is_named(barhouse: Barhouse, tmp_path: Path) -> None:
    (tmp_path / "aet.csv").write_text(LONDON)  # New York was closed on 30 May 2022, London was not
    words = ("import", tmp_path / "aet.csv", "--symbol", "AET.L", "--exchange")

    unknown = barhouse(*words, "XNOPE")
    taken = barhouse(*words, "XLON")
    again = barhouse(*words, "XLON")
    moved = barhouse(*words, "XTKS")
    tracked = barhouse("track", "AET.L", "--exchange", "XNYS")

    assert (unknown.exit_code, "XNOPE" in unknown.output) == (2, True)
    assert (taken.exit_code, "3 new" in taken.output, "quarantined" in taken.output) == (0, True, False)
    assert (again.exit_code, "3 known" in again.output) == (0, True)
    assert [refused.exit_code for refused in (moved, tracked)] == [2, 2]
    assert "kept by the calendar of XLON" in tracked.output
