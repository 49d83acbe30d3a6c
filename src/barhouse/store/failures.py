"""How often a symbol has failed in a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import AssetClass, Instrument
from barhouse.store import instruments
from barhouse.store.postgres import Database
from barhouse.store.queries import queries

query = queries("failures")

ALARMING = 3
"""From so many failures in a row on somebody has to be told."""


def track_symbol_failure(
    db: Database, symbol: str, success: bool = False, asset_class: str | None = None
) -> dict[str, Any]:
    """Count a failure of a symbol, or end its row of failures by a success; how it stands now.

    `symbol, asset_class, consecutive_failures, last_failure_at, alert_sent, should_alert`: the last one from the third
    failure in a row on until an alert was delivered. AmbiguousSymbol (409), InvalidAssetClass (400).
    """
    kind = None if asset_class is None else AssetClass.of(asset_class)
    with db.transaction() as connection:
        [standing] = track(connection, {instruments.meant(connection, symbol, kind): success})
        return standing


def track(connection: Connection, succeeded: Mapping[Instrument, bool]) -> list[dict[str, Any]]:
    """The same for several instruments at once."""
    told = {
        "symbols": [instrument.symbol for instrument in succeeded],
        "classes": [instrument.asset_class for instrument in succeeded],
        "successes": list(succeeded.values()),
        "alarming": ALARMING,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.track, told).fetchall()
