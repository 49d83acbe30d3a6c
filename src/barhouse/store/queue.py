"""The queue: it carries tasks to workers; how they stand, only their executions say."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from psycopg import Connection

from barhouse.store.queries import queries

query = queries("queue")

SCHEMA = "barhouse_queue"
"""Where the tables of the queue are."""
QUEUE = "barhouse"
TASK = "bring"
"""The one task: to bring the series of an execution."""

LOCK = int.from_bytes(b"recovery", "big")


def deliver(connection: Connection, executions: Collection[UUID] | None = None) -> None:
    """Hand to the queue what nobody is at of some executions, or of all that jobs want; once, however often asked."""
    told = {"executions": None if executions is None else list(executions), "queue": QUEUE, "task": TASK}
    connection.execute(query.deliver, told)


def alone(connection: Connection) -> bool:
    """Whether nobody else recovers what was lost just now; then nobody does until the transaction ends."""
    row = connection.execute(query.alone, {"lock": LOCK}).fetchone()
    return bool(row and row[0])


def revive(connection: Connection, stalled: timedelta) -> None:
    """Put back what workers took up that give no sign of life, of themselves or of their work, for so long."""
    connection.execute(query.revive, {"stalled": stalled})
