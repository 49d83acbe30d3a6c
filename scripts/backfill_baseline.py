"""The time of vendors and database in a backfill: `python scripts/backfill_baseline.py --vendor-side --latency 0.1`."""

from __future__ import annotations

import sys

from barhouse.cli.baseline import main

if __name__ == "__main__":
    sys.exit(main())
