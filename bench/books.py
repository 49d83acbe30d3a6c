"""How fast the books of the running system are kept."""

from __future__ import annotations

import psycopg

from barhouse.store.executions import create_backfill_state
from bench.harness import Figure, figure, medians, seconds, warehouse

STATES = 400

BARE = """
INSERT INTO bare (execution_id, symbol, asset_class, timeframe, status) VALUES (gen_random_uuid(), %s, 'stock', '1d',
    'pending')
RETURNING execution_id
"""


@figure
def state_create() -> Figure:
    """Median ms of creating the state of a series, beside an insert into a like table on an open connection."""
    with warehouse() as db, psycopg.connect(db.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (LIKE backfill_state_persistent INCLUDING ALL)")
        names = [f"BENCH{number:04}" for number in range(STATES)]
        pairs = [
            (
                seconds(lambda name=name: create_backfill_state(db, name)),  # type: ignore[misc]
                seconds(lambda name=name: connection.execute(BARE, [name]).fetchone()),  # type: ignore[misc]
            )
            for name in names
        ]
        mine, top, ratio = medians([(1000 * ours, 1000 * bare) for ours, bare in pairs[50:]])
        again = sorted(seconds(lambda name=name: create_backfill_state(db, name)) for name in names)  # type: ignore[misc]
        return Figure("state_create", mine, "ms", top, 1 / ratio, {"active_ms": round(1000 * again[STATES // 2], 3)})
