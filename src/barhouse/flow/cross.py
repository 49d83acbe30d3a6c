"""Bars of many instruments in one answer: as stored in one statement a page, else series by series."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import polars as pl

from barhouse.flow import instruments, reads
from barhouse.model import AssetClass, Instrument, Timeframe
from barhouse.store import cross
from barhouse.store import instruments as kept
from barhouse.store.postgres import Database
from barhouse.store.reading import MEASURED, PAGE, VERDICT, Selection

EVERY = "*"
"""What stands for all instruments that have such bars."""


def named(
    db: Database, symbols: Sequence[str], timeframe: Timeframe, asset_class: AssetClass | None
) -> list[Instrument]:
    """The instruments of these symbols, each once; `*` is all that have such bars, by symbol.

    UnknownSymbol (404) naming all that nobody keeps, AmbiguousSymbol (409).
    """
    if list(symbols) != [EVERY]:
        return instruments.find_all(db, symbols, asset_class)
    with db.connection() as connection:
        every = (each.instrument for each in kept.stored(connection) if each.timeframe is timeframe)
    return sorted(each for each in every if asset_class in (None, each.asset_class))


def revision(db: Database, wanted: Sequence[Selection]) -> str:
    """What changes with each write to one of the series."""
    with db.connection() as connection:
        found = cross.revisions(connection, [each.series for each in wanted])
    return blake2b(repr(found).encode(), digest_size=12).hexdigest()


def pages(
    db: Database, wanted: Sequence[Selection], size: int = PAGE, limit: int | None = None
) -> Iterator[pl.DataFrame]:
    """All bars of these selections, or the first `limit`: symbol, asset_class and the columns of the widest.

    Instrument after instrument, each oldest first, at most `size` at a time; an empty frame if there are none.
    """
    if not wanted:
        return iter([pl.DataFrame(schema={**cross.WHOSE, **MEASURED, **VERDICT})])
    if wanted[0].plain:
        return cross.pages(db, wanted, size, limit)
    return _one_by_one(db, wanted, size, sys.maxsize if limit is None else limit)


def _one_by_one(db: Database, wanted: Sequence[Selection], size: int, limit: int) -> Iterator[pl.DataFrame]:
    """Each series by itself, since each has its own actions and its own past."""
    like, left = cross.widest(wanted), limit
    for number, selection in enumerate(wanted):
        for page in reads.pages(db, selection, min(size, left), left):
            left -= page.height
            if page.height or number == 0:
                yield _as_widest(page, selection, like)
        if left <= 0:
            return


def _as_widest(page: pl.DataFrame, selection: Selection, like: Selection) -> pl.DataFrame:
    """A page of one series with the columns of the widest, null where this one has nothing for them."""
    absent = [name for name in like.columns if name not in page.columns]
    nulls = [pl.lit(None, like.schema.get(name, pl.Float64())).alias(name) for name in absent]
    bars = page.with_columns(nulls).select(like.columns)
    return cross.labelled(bars, [selection.series], pl.zeros(page.height, dtype=pl.Int64, eager=True))
