"""Splits and dividends from files that people have."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from barhouse.errors import UnreadableFile
from barhouse.model import ACTIONS
from barhouse.sources import stamps, table
from barhouse.sources.headings import first

DATES = ("date", "effective", "effectivedate", "exdate", "executiondate", "exdividenddate")
RATIOS = ("ratio", "splitratio", "stocksplits", "stocksplit", "splits", "split", "splitcoefficient")
AMOUNTS = ("amount", "cashamount", "dividends", "dividend", "dividendamount")
NEW_SHARES, OLD_SHARES = ("splitto", "numerator"), ("splitfrom", "denominator")
PARTS = r"^([\d.]+)\s*(?::|/|-?\s*for\s*-?)\s*([\d.]+)$"
"""4:1, 4/1 and 4-for-1 all give four shares for one."""


def read_actions(path: Path) -> pl.DataFrame:
    """The splits and dividends (`model.ACTIONS`) in the CSV or Parquet file at `path`, by date.

    Columns are date and ratio, or date and amount, or all three; an empty or zero cell is no action.
    UnreadableFile where a row cannot be read: an action that goes missing would spoil all bars before it.
    """
    cells = table.read(path, columns=2).cells
    date = _column(cells, DATES)
    if date is None:
        raise UnreadableFile(f"No column for the date; found {', '.join(cells.columns)}")
    days = stamps.read(cells[date], "UTC").wall.dt.date().alias("effective")
    found = [_splits(cells, days, path), _dividends(cells, days, path)]
    if not any(len(frame.columns) for frame in found):
        raise UnreadableFile(f"No column for a ratio or an amount; found {', '.join(cells.columns)}")
    whole = pl.concat([frame for frame in found if len(frame.columns)], how="diagonal")
    missing = [pl.lit(None, kind).alias(name) for name, kind in ACTIONS.items() if name not in whole.columns]
    return whole.with_columns(*missing).select(*ACTIONS).cast(pl.Schema(ACTIONS)).sort("effective", "kind")


def _column(cells: pl.DataFrame, names: tuple[str, ...]) -> str | None:
    return first(cells.columns, names)


def _splits(cells: pl.DataFrame, days: pl.Series, path: Path) -> pl.DataFrame:
    new, old = _column(cells, NEW_SHARES), _column(cells, OLD_SHARES)
    if new and old:
        return _sound(cells, days, cells[new].cast(pl.String) + ":" + cells[old].cast(pl.String), "ratio", path)
    ratio = _column(cells, RATIOS)
    return pl.DataFrame() if ratio is None else _sound(cells, days, cells[ratio], "ratio", path)


def _dividends(cells: pl.DataFrame, days: pl.Series, path: Path) -> pl.DataFrame:
    amount = _column(cells, AMOUNTS)
    return pl.DataFrame() if amount is None else _sound(cells, days, cells[amount], "amount", path)


def _sound(cells: pl.DataFrame, days: pl.Series, told: pl.Series, what: str, path: Path) -> pl.DataFrame:
    """The actions of one kind; UnreadableFile naming the first row that is none."""
    text = told.cast(pl.String).str.strip_chars(" $")
    rows = pl.DataFrame({"effective": days, "text": text, what: _number(text)}).with_row_index("row")
    rows = rows.filter(pl.col("text").is_not_null() & (pl.col("text") != ""), pl.col(what).ne_missing(0.0))
    sound = (pl.col(what) > 0) & pl.col(what).is_finite() & pl.col("effective").is_not_null()
    if len(bad := rows.filter(~sound.fill_null(False))):
        raise UnreadableFile(f"{path.name}, row {bad['row'][0] + 1}: no {what} {bad['text'][0]!r} on a day can be read")
    currency = first(cells.columns, ("currency",))
    kind = "split" if what == "ratio" else "dividend"
    rows = rows.with_columns(kind=pl.lit(kind))
    if kind == "dividend" and currency:
        rows = rows.with_columns(currency=cells[currency].gather(rows["row"]))
    return rows.drop("row", "text")


def _number(text: pl.Series) -> pl.Series:
    parts = [text.str.extract(PARTS, place).cast(pl.Float64, strict=False) for place in (1, 2)]
    plain = text.cast(pl.Float64, strict=False)
    return plain.zip_with(plain.is_not_null(), parts[0] / parts[1])
