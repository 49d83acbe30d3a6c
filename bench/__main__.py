"""`python -m bench` measures all figures, `python -m bench NAME` one."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.harness import Figure, registry

SUBJECTS = (
    "writing",
    "pipeline",
    "reading",
    "cleaning",
    "faults",
    "history",
    "judging",
    "resilience",
    "parallel",
    "books",
    "health",
    "backups",
    "jobs",
    "dashboard",
    "faces",
)
RESULTS = Path(__file__).parent / "results.json"


def main(names: list[str]) -> int:
    """Print one figure as JSON, or measure all, each in a process of its own, and write them down."""
    for subject in SUBJECTS:
        import_module(f"bench.{subject}")
    if unknown := [name for name in names if name not in registry]:
        print(f"No figure is called {', '.join(unknown)}; there are {', '.join(registry)}", file=sys.stderr)
        return 2
    for name in names:
        print(registry[name]().line(), flush=True)
    return 0 if names else everything()


def everything() -> int:
    """Measure all figures; the exit code says whether each could be measured."""
    figures, failed = [], []
    for name in registry:
        run = subprocess.run([sys.executable, "-m", "bench", name], stdout=subprocess.PIPE, text=True, check=False)
        if run.returncode:
            failed.append(name)
            continue
        figures.append(Figure(**json.loads(run.stdout.splitlines()[-1])))
        print(figures[-1].line(), flush=True)
    machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
    RESULTS.write_text(json.dumps({"machine": machine, "figures": [asdict(each) for each in figures]}, indent=1))
    Console().print(table(figures))
    if failed:
        print(f"Not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def table(figures: list[Figure]) -> Table:
    """The figures for people."""
    shown = Table("figure", "value", "unit", "ceiling", "ratio", title="Barhouse, beside its ceilings")
    for each in figures:
        shown.add_row(each.name, f"{each.value:,.4g}", each.unit, f"{each.ceiling:,.4g}", f"{each.ratio:.2f}")
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
