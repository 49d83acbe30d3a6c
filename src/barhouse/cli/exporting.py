"""`barhouse export`: bars for other programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Protocol

import polars as pl
import pyarrow.parquet as pq
import typer
from rich.console import Console

from barhouse.cli.options import (
    Adjusting,
    AsOf,
    Class,
    DataDir,
    Features,
    From,
    OneTimeframe,
    ResampleFrom,
    Symbol,
    To,
    configured,
)
from barhouse.cli.selecting import selected
from barhouse.errors import RequestError
from barhouse.flow.reads import pages
from barhouse.flow.warehouse import opened
from barhouse.model import Adjust
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection

STDOUT = "-"
INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Format(StrEnum):
    """What a file can be."""

    CSV = "csv"
    PARQUET = "parquet"


class Writer(Protocol):
    """Takes bars page by page."""

    def write(self, page: pl.DataFrame) -> None:
        """Add a page."""
        ...

    def close(self) -> None:
        """No more pages come."""
        ...


def export(
    symbol: Symbol,
    *,
    timeframe: OneTimeframe = "1d",
    start: From = None,
    end: To = None,
    kind: Annotated[
        Format | None, typer.Option("--format", "-f", help="Left out: as the file is called.", show_default=False)
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="Where to; - is standard output.")] = STDOUT,
    features: Features = False,
    extended: Annotated[bool, typer.Option(help="Also bars outside the regular session.")] = False,
    adjust: Adjusting = Adjust.NONE,
    as_of: AsOf = None,
    resample_from: ResampleFrom = None,
    asset: Class = None,
    data_dir: DataDir = None,
) -> None:
    """Write bars to a file, CSV or Parquet.

    Times are UTC. An export that breaks off leaves no half file behind.

    Example: [bold]barhouse export MSFT --out msft.parquet --from 2015-01-01 --features[/]
    """
    chosen = kind or _by_name(out)
    if chosen is Format.PARQUET and out == STDOUT:
        raise RequestError("Parquet needs a file: --out bars.parquet")
    with opened(configured(data_dir)) as db:
        wanted = selected(
            db,
            symbol,
            timeframe,
            asset,
            (start, end),
            with_features=features,
            extended=extended,
            adjust=adjust,
            as_of=as_of,
            resample_from=resample_from,
        )
        rows = _written(db, wanted, out, chosen)
    if out != STDOUT:
        Console(stderr=True).print(f"{rows:,} bars of {wanted.series} in {out}", highlight=False, soft_wrap=True)


def _written(db: Database, wanted: Selection, out: str, kind: Format) -> int:
    """How many bars were written to where they were wanted."""
    rows = 0
    with _target(out) as handle:
        writer = (Csv if kind is Format.CSV else Parquet)(handle)
        for page in pages(db, wanted):
            writer.write(page)
            rows += page.height
        writer.close()
    return rows


def _by_name(out: str) -> Format:
    return Format.PARQUET if Path(out).suffix in (".parquet", ".pq") else Format.CSV


@contextmanager
def _target(out: str) -> Iterator[IO[bytes]]:
    """Where the bytes go; a file appears under its name only when it is whole."""
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as handle:
            yield handle
        part.replace(path)
    except OSError as refusal:
        raise RequestError(f"{path} cannot be written: {refusal.strerror}") from refusal
    finally:
        part.unlink(missing_ok=True)


class Csv:
    """Lines under one heading."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._begun = False

    def write(self, page: pl.DataFrame) -> None:
        """Add a page."""
        page.write_csv(self._handle, include_header=not self._begun, datetime_format=INSTANT_FORMAT)
        self._begun = True

    def close(self) -> None:
        """Nothing is left to be written."""


class Parquet:
    """A row group a page."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._writer: pq.ParquetWriter | None = None

    def write(self, page: pl.DataFrame) -> None:
        """Add a page; the first one gives the schema."""
        table = page.to_arrow()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._handle, table.schema, compression="zstd")
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the index at the end."""
        if self._writer is not None:
            self._writer.close()
