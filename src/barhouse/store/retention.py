"""Logs that may be forgotten: what nothing that can still be asked is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, sql

from barhouse.store.queries import queries

query = queries("retention")

BATCH = 20_000
"""Rows that go with one statement: about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Log:
    """A table whose old rows may go; what they are is told by the query of its name."""

    name: str
    table: str
    key: str = "id"


LOGS = (
    Log("fetches", "enrichment_fetch_log"),
    Log("computations", "enrichment_compute_log"),
    Log("failures", "feature_computation_failures"),
    Log("jobs", "job", "job_id"),
    Log("executions", "backfill_state_persistent"),
    Log("series_runs", "symbol_computation_status"),
    Log("runs", "scheduler_execution_log"),
    Log("health_runs", "health_run"),
    Log("deliveries", "alert_delivery"),
    Log("incidents", "alert_incident"),
    Log("anomalies", "data_anomalies"),
    Log("sends", "vendor_send"),
)
"""In the order in which they have to go: what tells of a thing before the thing."""


def forget(connection: Connection, log: Log, before: datetime) -> int:
    """Take out such rows, and say how many; a batch is kept as it goes, and nobody waits for more than that."""
    old = sql.SQL(getattr(query, log.name).decode())
    names = {"table": sql.Identifier(log.table), "key": sql.Identifier(log.key)}
    statement, gone = sql.SQL(query.forget.decode()).format(old=old, **names), 0
    while batch := connection.execute(statement, {"before": before, "most": BATCH}).rowcount:
        gone += batch
    return gone
