"""What was found in the bars that have just come, in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from barhouse.cli.advice import there
from barhouse.flow.causes import EVERYTHING, Look
from barhouse.flow.findings import Findings, Rows
from barhouse.flow.sweep import sweep
from barhouse.model import Series
from barhouse.store.postgres import Database

NAMED = 3
"""Series that are named; the others are only counted."""


def judged(
    db: Database,
    series: Iterable[Series],
    looks: Collection[Look] = EVERYTHING,
    *,
    data_dir: Path | None = None,
    program: str = "barhouse",
) -> str:
    """Judge the instruments of some series; what is wrong with their bars, and which command tells more."""
    series = list(series)
    if not series:
        return "Judged: nothing, since nothing came."
    found = sweep(db, series, looks)
    parts = [_part(name, rows) for name, rows in _kinds(found).items() if rows]
    if not parts:
        return "Judged: nothing is wrong with these bars."
    symbol = next(row["symbol"] for rows in _kinds(found).values() for row in rows)
    return f"Judged: {', '.join(parts)}; [bold]{program} quality {symbol}{there(data_dir)}[/] tells why."


def counted(found: Findings) -> dict[str, int]:
    """How many there are of each kind, for a log."""
    return {name: len(rows) for name, rows in _kinds(found).items()}


def _kinds(found: Findings) -> dict[str, Rows]:
    return {
        "gaps": found.gaps,
        "outliers": found.outliers,
        "duplicates": found.duplicates,
        "overdue": found.stale,
        "not judged": found.failed,
    }


def _part(name: str, rows: Rows) -> str:
    of = Counter(f"{row['symbol']} {row['timeframe']}" for row in rows)
    named = ", ".join(series for series, _ in of.most_common(NAMED))
    more = f" and {len(of) - NAMED:,} more" if len(of) > NAMED else ""
    return f"{len(rows):,} {name.removesuffix('s') if len(rows) == 1 else name} ({named}{more})"
