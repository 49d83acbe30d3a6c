"""The series of the warehouse by the page, filtered and sorted: what is stored of each, and what is not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

from barhouse.store.queries import queries
from barhouse.store.reading import NEWEST

query = queries("catalogue")

STORED = ("symbol", "asset_class", "code", "bars", "first_bar", "last_bar", "faults")
"""What `series` are sorted by."""
ABSENT = ("symbol", "asset_class", "code", "bars", "absent", "missing", "failed", "unreachable", "read_at")
"""What `holes` are sorted by."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which series are to be listed, all of them where it is None, and which page of them."""

    text: str | None = None
    """What their symbols hold, in any case."""
    timeframe: str | None = None
    asset_class: str | None = None
    order: str = "symbol"
    """A column that the list can be sorted by."""
    descending: bool = False
    limit: int = 50
    offset: int = 0


def series(connection: Connection, listing: Listing, closes: int) -> list[dict[str, Any]]:
    """A page of series with what is stored of each, its open `faults`, and its last `closes`; `found` counts them all.

    `symbol, asset_class, exchange, active, timeframe, tracked, bars, first_bar, last_bar, faults, quality_score` (the
    mean of the newest bars), `closes, found`
    """
    return _listed(connection, query.series, listing, closes=closes, newest=NEWEST)


def holes(connection: Connection, listing: Listing) -> list[dict[str, Any]]:
    """A page of series with what is absent in each; `found` counts them all.

    `symbol, asset_class, exchange, timeframe, tracked, bars, first_bar, last_bar, read_at, gaps`, absent bars
    (`missing, vendor_empty, quarantined, absent`), stretches of asking (`failed, unreachable`), the `reason` of a
    failure, `found`
    """
    return _listed(connection, query.holes, listing)


def _listed(connection: Connection, template: bytes, listing: Listing, **more: int) -> list[dict[str, Any]]:
    way = sql.SQL("DESC" if listing.descending else "ASC")
    order = sql.SQL("{} {} NULLS LAST").format(sql.Identifier(listing.order), way)
    statement = sql.SQL(template.decode()).format(order=order)
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, asdict(listing) | more).fetchall()
