"""A file as a table of cells: CSV, plain or packed, and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from barhouse.errors import UnreadableFile

SEPARATORS = "\t;|,"
"""In the order of trying: a comma may also be the decimal mark of a table with another separator."""
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
BROKEN = {"line": pl.UInt32, "text": pl.String}


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a file under its own headings; `headings` False where it has none and they are numbers.

    `broken` are the lines that have more cells than the others: nobody can tell which cell is which.
    Where a comma does not separate the cells, it may be the decimal mark.
    """

    cells: pl.DataFrame
    headings: bool = True
    separator: str = ","
    broken: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BROKEN))


def read(path: Path, columns: int) -> Table:
    """The cells of the file at `path`; UnreadableFile where it is no table of at least so many columns."""
    try:
        content = path.read_bytes()
        if content[:4] == b"PAR1":
            return Table(pl.read_parquet(io.BytesIO(content)))
        return _text(_plain(_unpacked(content)), columns)
    except (OSError, EOFError, csv.Error, zlib.error, zipfile.BadZipFile, pl.exceptions.PolarsError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0]
        raise UnreadableFile(f"{path.name} cannot be read: {reason}") from error


def _unpacked(content: bytes) -> bytes:
    """What is inside a gzip file, or inside a zip file that holds one file."""
    if content[:2] == b"\x1f\x8b":
        return gzip.decompress(content)
    if content[:4] != b"PK\x03\x04":
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise UnreadableFile(f"An archive of {len(names)} files; import them one by one")
        return archive.read(names[0])


def _plain(content: bytes) -> bytes:
    """The text in UTF-8, without a byte order mark."""
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if encoding:
        return content.decode(encoding, errors="replace").encode()
    if b"\0" in content[:4096]:
        raise UnreadableFile("A binary file that is no Parquet; CSV and Parquet are read")
    return content


def _text(content: bytes, columns: int) -> Table:
    """The cells of separated text; lines above the table, such as a web address, are left out."""
    lines = content[:65536].decode(errors="replace").splitlines()
    for separator in SEPARATORS:
        first = next((place for place, line in enumerate(lines) if line.count(separator) >= columns - 1), None)
        if first is not None:
            return cells(content, separator, first, headings=not _bare(lines[first], separator))
    raise UnreadableFile(f"No line with {columns} columns, separated by comma, semicolon, tab or bar")


def _bare(line: str, separator: str) -> bool:
    """Whether a line is a row of values already, so that there are no headings."""
    values = [value.strip().strip('"') for value in line.split(separator)]
    return sum(NUMBER.fullmatch(value) is not None for value in values) >= max(1, len(values) - 2)


def cells(content: bytes, separator: str, first: int, *, headings: bool) -> Table:
    """The cells from line `first` on, all as text."""
    try:
        frame = pl.read_csv(
            content,
            separator=separator,
            skip_lines=first,
            has_header=headings,
            infer_schema=False,
            encoding="utf8-lossy",
        )
    except pl.exceptions.ComputeError:
        return _ragged(content, separator, first, headings=headings)
    return Table(_named(frame).filter(~pl.all_horizontal(pl.all().is_null())), headings, separator)


def _ragged(content: bytes, separator: str, first: int, *, headings: bool) -> Table:
    """The same where some lines have too many cells, a thousands comma perhaps: those are set aside."""
    text = io.StringIO(content.decode(errors="replace"))
    rows = list(csv.reader(text, delimiter=separator))[first:]
    names = rows[0] if headings else [f"column_{number + 1}" for number in range(len(rows[0]))]
    body = list(enumerate(rows[1:] if headings else rows, first + headings + 1))
    kept = [row + [""] * (len(names) - len(row)) for _, row in body if row and len(row) <= len(names)]
    frame = pl.DataFrame(kept, schema=dict.fromkeys(_distinct(names), pl.String), orient="row")
    frame = frame.with_columns(pl.all().replace("", None))
    broken = [(line, separator.join(row)) for line, row in body if len(row) > len(names)]
    return Table(_named(frame), headings, separator, pl.DataFrame(broken, schema=BROKEN, orient="row"))


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.rename({name: name.strip() for name in frame.columns if name != name.strip()})


def _distinct(names: list[str]) -> list[str]:
    """Column names of which none comes twice."""
    return [name if name not in names[:place] else f"{name}_duplicated_{place}" for place, name in enumerate(names)]
