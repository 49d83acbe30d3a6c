"""How fast duplicates leave a million bars, beside reading these once."""

from __future__ import annotations

from barhouse.flow.cleanup import cleanup_duplicate_records
from barhouse.store.postgres import Database
from bench.data import MILLION, answers
from bench.harness import Figure, figure, in_turn, warehouse
from bench.writing import batches_of, keep_all

DOUBLED = """
INSERT INTO bar (instrument, timeframe, time, open, high, low, close, volume, fetch_id, source,
                 extended, forming, validated)
SELECT instrument, timeframe, time + interval '17 seconds', open, high, low, close * 1.001, volume, fetch_id, source,
       false, false, false
FROM (SELECT *, row_number() OVER (PARTITION BY instrument ORDER BY time) AS nth FROM bar
      WHERE date_part('second', time) = 0) AS bar
WHERE nth % 100 = 50
ON CONFLICT DO NOTHING
"""
"""What another tool wrote beside one bar in a hundred."""


def doubled(db: Database) -> None:
    """See to it that one slot in a hundred holds two bars."""
    with db.connection() as connection:
        connection.execute(DOUBLED.encode())
        connection.execute("TRUNCATE bar_stay, duplicate_records_log")
        connection.execute("ANALYZE bar")
        connection.execute("CHECKPOINT")


@figure
def cleanup_million() -> Figure:
    """Seconds to clean a million bars in 50 series, 1 % of them doubled, beside reading all of them as a frame."""
    with warehouse() as db:
        calendar, fetched = answers(db)
        keep_all(db, batches_of(calendar, fetched))
        removed = set[int]()
        mine, top, ratio = in_turn(
            lambda: removed.add(cleanup_duplicate_records(db)["total_records_removed"]),
            lambda: db.frame(b"SELECT * FROM bar ORDER BY instrument, timeframe, time"),
            before=lambda: doubled(db),
        )
        return Figure("cleanup_million", mine, "s", top, ratio, {"bars": MILLION, "removed": sorted(removed)})
