"""Bring the database at DATABASE_URL up to date, then verify its tables: `python scripts/run_migrations.py`."""

from __future__ import annotations

import sys

from barhouse.config import settings
from barhouse.errors import BarhouseError
from barhouse.features import registry
from barhouse.store.migrate import migrate, widths

TABLES = (
    "instrument",
    "series",
    "bar",
    "bar_feature",
    "market_data",
    "coverage",
    "backfill_state",
    "enrichment_fetch_log",
    "enrichment_compute_log",
    "data_quality_metrics",
    "data_corrections",
    "enrichment_status",
    "scheduler_execution_log",
    "feature_computation_failures",
    "feature_freshness",
    "symbol_computation_status",
    "backfill_state_persistent",
    "data_anomalies",
    "duplicate_records_log",
    "symbol_failure_tracking",
)


def main() -> int:
    """The exit status: 0 only if every migration and every table is there."""
    try:
        return run()
    except BarhouseError as flaw:
        print(f"✗ {flaw}", file=sys.stderr)
        return 1


def run() -> int:
    """Migrate, and say which tables there are."""
    url = settings().database_url
    if url is None:
        print("✗ Set DATABASE_URL; the embedded PostgreSQL is migrated whenever it starts", file=sys.stderr)
        return 2
    migrate(url.get_secret_value(), {name: f.sql_type for name, f in registry.items()}, report=print)
    return verify(widths(url.get_secret_value(), TABLES))


def verify(found: dict[str, int | None]) -> int:
    """Print each table with the number of its columns."""
    for table, columns in found.items():
        print(f"  ✗ {table} is missing" if columns is None else f"  ✓ {table} ({columns} columns)")
    if None in found.values():
        return 1
    print("✓ All migrations completed successfully")
    return 0


if __name__ == "__main__":
    sys.exit(main())
