"""The name by which scripts know the baseline of a backfill: it calls `backfill_baseline.py`."""

from __future__ import annotations

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("backfill_baseline.py")), run_name="__main__")
