"""Many bars as bytes: JSON by the page; CSV, NDJSON, Arrow and Parquet as streams of pages."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

READERS = ThreadPoolExecutor(8, "barhouse-pages")
"""Who read ahead for all streams: each new thread of a stream's own makes the allocator keep as much memory again."""

Stream = Callable[[Iterable[pl.DataFrame]], Iterator[bytes]]


def json_rows(frame: pl.DataFrame) -> bytes:
    """The rows of a frame as a JSON array; what is no finite number is null."""
    return _written(frame).write_json().encode()


def _written(frame: pl.DataFrame) -> pl.DataFrame:
    """With instants as RFC 3339 in UTC, ending in Z, and with a fraction of a second only where there is one."""
    whole, broken = (pl.col("time").dt.strftime(form) for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%.6fZ"))
    has_fraction = pl.col("time").dt.microsecond() != 0
    if frame.select(has_fraction.any()).item():
        whole = pl.when(has_fraction).then(broken).otherwise(whole)
    return frame.with_columns(whole)


def ahead(pages: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same pages, each next one being read while one is written and sent."""
    coming = READERS.submit(next, pages, None)
    try:
        while (page := coming.result()) is not None:
            coming = READERS.submit(next, pages, None)
            yield page
    finally:
        # A client that leaves ends this on the event loop, which waits for no page that is still being read
        coming.cancel()


def csv(pages: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """One table with a heading; what is not known is empty."""
    for number, page in enumerate(pages):
        yield _written(page).write_csv(include_header=number == 0).encode()


def ndjson(pages: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """A JSON object a line; what is no finite number is null."""
    for page in pages:
        yield _written(page).write_ndjson().encode()


def arrow(pages: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """An IPC stream, a batch a page."""
    return _encoded(pages, pa.ipc.new_stream)


def parquet(pages: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """A Parquet file, a row group a page."""
    return _encoded(pages, pq.ParquetWriter)


def _encoded(pages: Iterable[pl.DataFrame], open_writer: Callable[[Any, pa.Schema], Any]) -> Iterator[bytes]:
    """What a writer makes of the pages, handed out as soon as it is there."""
    sink, writer = Sink(), None
    for page in pages:
        table = page.to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or open_writer(sink, table.schema)
        writer.write_table(table)
        yield sink.taken()
    if writer:
        writer.close()
        yield sink.taken()


class Sink(io.RawIOBase):
    """Where a writer writes to, and what it wrote is taken from; positions count from the very beginning."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """How much was written so far."""
        return self._written

    def write(self, data: Any) -> int:
        """Keep a copy of what the writer says."""
        piece = bytes(data)
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        """What was written since this was last asked."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


FORMATS: dict[str, tuple[str, Stream]] = {
    "csv": ("text/csv; charset=utf-8", csv),
    "ndjson": ("application/x-ndjson", ndjson),
    "arrow": ("application/vnd.apache.arrow.stream", arrow),
    "parquet": ("application/vnd.apache.parquet", parquet),
}
"""The streamed formats: their media types, and who writes them."""
