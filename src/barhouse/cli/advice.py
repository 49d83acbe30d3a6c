"""What to do about what is wrong: commands to be pasted as they are."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from barhouse.model import Instrument, Timeframe, moment

Row = Mapping[str, Any]


def advice(instrument: Instrument, found: Sequence[Row], data_dir: Path | None = None) -> Iterator[str]:
    """One line a kind of trouble, for the first of its kind."""
    name = f"{shlex.quote(instrument.symbol)} --class {instrument.asset_class}"
    first = {reason(row) if row["anomaly_type"] == "gap" else row["anomaly_type"]: row for row in reversed(found)}
    for key, row in first.items():
        yield from (f"barhouse {command}{there(data_dir)}   ({why})" for command, why in _lines(key, name, row))


def there(data_dir: Path | None) -> str:
    """What a command needs to find the same bars; nothing where the settings lead there without being told."""
    return "" if data_dir is None else f" --data-dir {short(data_dir)}"


def short(path: Path) -> str:
    """A path as people type it: from here, or from home."""
    for base, sign in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return sign + shlex.quote(str(path.relative_to(base)))
    return shlex.quote(str(path))


def reason(row: Row) -> str:
    """The reason of a gap, the verdict on an outlier; other kinds have none."""
    return str(next((row["evidence"][name] for name in ("reason", "verdict") if name in (row["evidence"] or ())), ""))


def _lines(key: str, name: str, row: Row) -> Iterator[tuple[str, str]]:
    """Commands for one row, each with what it does."""
    bars = f"{name} --timeframe {row['timeframe']}"
    match key:
        case "missing" | "vendor_empty":
            first, last = (moment(row["evidence"][end]) for end in ("first", "last"))
            yield f"backfill {bars} {_stretch(first, last, row)} --refresh", "asks for it again"
        case "quarantined":
            yield f"quarantine list {name}", "what came instead, and why it was turned away"
        case "duplicate":
            yield f"duplicates clean {name} --dry-run", "what a cleanup would take out"
        case "stale":
            yield f"backfill {bars}", "brings what is overdue"
        case "outlier":
            time = row["data_point_time"]
            yield f"backfill {bars} {_stretch(time, time, row)} --refresh", "asks whether it was restated"
            yield f"correct {bars} {_fix(row)} --reason WHY --author YOU", "once you know what it was"
            yield f"quality acknowledge {row['id']} --author YOU", "if it is as it should be"
        case _:
            yield f"quality acknowledge {row['id']} --author YOU", "once you have looked at it"


def _stretch(first: datetime, last: datetime, row: Row) -> str:
    """The whole days of some bars."""
    length = max(Timeframe.of(row["timeframe"]).duration, timedelta(days=1))
    return f"--from {first.astimezone(UTC):%Y-%m-%d} --to {last.astimezone(UTC) + length:%Y-%m-%d}"


def _fix(row: Row) -> str:
    """The bar and its field that a correction would name."""
    return f"{row['data_point_time'].astimezone(UTC):%Y-%m-%dT%H:%MZ} {row['evidence']['field']}=VALUE"
