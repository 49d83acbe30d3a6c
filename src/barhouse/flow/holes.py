"""Where a slot without a bar is a hole: in short bars only what nobody read, else all that is absent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl
from psycopg import Connection

from barhouse import features
from barhouse.flow.enrich import MOMENTS
from barhouse.model import Span, Timeframe
from barhouse.sources.base import Fetched
from barhouse.store import coverage


def read(connection: Connection, keys: Iterable[int], timeframe: Timeframe) -> pl.DataFrame | None:
    """What was ever read of some series (`coverage.READ`); None where that makes no difference to their features."""
    return coverage.read(connection, keys, timeframe) if timeframe.minutes <= features.LONGEST_QUIET else None


def closed(before: pl.DataFrame | None, fetched: Sequence[Fetched]) -> tuple[pl.DataFrame | None, pl.DataFrame]:
    """`before` with the spans of these answers, and from when on each series (instrument, time) has fewer holes."""
    if before is None:
        return None, pl.DataFrame(schema=MOMENTS)
    spans = [(each.series.instrument.number, each.span.start, each.span.end) for each in fetched]
    known = {key: _spans(before.filter(pl.col("instrument") == key)) for key, _, _ in spans}
    news = [(key, part.start) for key, start, end in spans for part in Span(start, end).without(known[key])]
    own = pl.DataFrame(spans, schema=coverage.READ, orient="row")
    return pl.concat([before, own]), pl.DataFrame(news, schema=MOMENTS, orient="row")


def _spans(stretches: pl.DataFrame) -> list[Span]:
    return [Span(start, end) for start, end in stretches.select("start", "end").iter_rows()]
