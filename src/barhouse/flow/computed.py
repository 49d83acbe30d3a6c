"""What came of computing features, series by series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

import polars as pl

from barhouse.features import registry
from barhouse.model import AssetClass, Series
from barhouse.store import computations
from barhouse.store.computations import Computation
from barhouse.store.postgres import Database


@contextmanager
def recorded(db: Database, series: Iterable[Series], executions: Mapping[int, UUID]) -> Iterator[None]:
    """A computation of features that is written down where it fails, whatever becomes of the bars."""
    try:
        yield
    except (pl.exceptions.PolarsError, ArithmeticError, LookupError, ValueError) as cause:
        error = f"{type(cause).__name__}: {cause}"
        failed = [Computation(each, error=error, execution=executions.get(each.instrument.number)) for each in series]
        with db.connection() as connection:
            computations.log(connection, failed)
        raise


def computed(
    series: Iterable[Series], features: pl.DataFrame, seconds: float, executions: Mapping[int, UUID]
) -> dict[int, Computation]:
    """Of each series that has rows in `features` how many features came to a value, and which did not.

    Each has its share of the `seconds` that all took, by its rows.
    """
    told = features.group_by("instrument").agg(pl.len(), *(pl.col(name).is_not_null().any() for name in registry))
    found = {row["instrument"]: row for row in told.iter_rows(named=True)}
    return {
        key: _of(each, found[key], seconds * 1000 / features.height, executions.get(key))
        for each in series
        if (key := each.instrument.number) in found
    }


def _of(series: Series, row: dict[str, bool | int], milliseconds: float, execution: UUID | None) -> Computation:
    crypto = series.instrument.asset_class is AssetClass.CRYPTO
    there = [name for name in registry if row[name]]
    missing = [name for name, each in registry.items() if not row[name] and (crypto or not each.crypto_only)]
    took = round(row["len"] * milliseconds, 3)
    return Computation(series, len(there), missing, took, execution=execution)
