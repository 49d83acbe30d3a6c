"""All sorts of calls at once, for some seconds: none fails, and nothing is left of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.security.up import Up

REPOSITORY = Path(__file__).parents[2]


def test_mixed_traffic_meets_no_error_and_leaves_nothing(barhouse: Up) -> None:
    command = [sys.executable, "-m", "bench.mixing", barhouse.address, "8", "3"]

    told = json.loads(subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True).stdout)

    assert told["failures"] == []
    assert set(told["statuses"]) == {"200"}
    assert told["statuses"]["200"] > 10
