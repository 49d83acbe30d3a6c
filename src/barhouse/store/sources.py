"""What is known of the sources themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from psycopg import Connection

from barhouse.store.queries import queries

query = queries("sources")


def delay(connection: Connection, delays: Mapping[str, timedelta]) -> None:
    """Write down how long after its close each source has a bar, for those who count what is due."""
    connection.execute(query.delay, {"names": list(delays), "delays": list(delays.values())})
