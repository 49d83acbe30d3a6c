"""The log of computations: which features came out, which did not, how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection

from barhouse.model import Series
from barhouse.store.queries import queries

query = queries("computations")


@dataclass(frozen=True, slots=True)
class Computation:
    """The features of a series, computed: how many of them came to a value somewhere, which never did."""

    series: Series
    features: int = 0
    missing: Sequence[str] = ()
    milliseconds: float | None = None
    error: str | None = None
    execution: UUID | None = None
    """What it was computed for, None where nobody keeps books of it."""


def log(connection: Connection, computations: Sequence[Computation]) -> None:
    """Write down what came of some computations."""
    told = {
        "symbols": [each.series.instrument.symbol for each in computations],
        "classes": [each.series.instrument.asset_class for each in computations],
        "timeframes": [each.series.timeframe for each in computations],
        "computed": [each.features for each in computations],
        "missing": [",".join(each.missing) for each in computations],
        "milliseconds": [each.milliseconds for each in computations],
        "errors": [each.error for each in computations],
        "executions": [each.execution for each in computations],
    }
    connection.execute(query.log, told)
