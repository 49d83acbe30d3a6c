"""What to do about what is wrong: commands to be pasted as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from barhouse.model import Instrument, moment

Row = Mapping[str, Any]


def advice(instrument: Instrument, found: Sequence[Row]) -> Iterator[str]:
    """One line a kind of trouble, for the first of its kind."""
    name = f"{instrument.symbol} --class {instrument.asset_class}"
    first = {reason(row) if row["anomaly_type"] == "gap" else row["anomaly_type"]: row for row in reversed(found)}
    for key, row in first.items():
        yield from _line(key, name, row)


def reason(row: Row) -> str:
    """The reason of a gap, the verdict on an outlier; other kinds have none."""
    return str(next((row["evidence"][name] for name in ("reason", "verdict") if name in (row["evidence"] or ())), ""))


def _line(key: str, name: str, row: Row) -> Iterator[str]:
    match key:
        case "missing" | "vendor_empty":
            start, last = (moment(row["evidence"][end]) for end in ("first", "last"))
            stretch = f"--from {start:%Y-%m-%d} --to {last + timedelta(days=1):%Y-%m-%d}"
            yield f"barhouse backfill {name} --timeframe {row['timeframe']} {stretch} --refresh   (asks for it again)"
        case "quarantined":
            yield f"barhouse quarantine list {name}   (what came instead, and why it was turned away)"
        case "duplicate":
            yield f"barhouse duplicates clean {name} --dry-run   (what a cleanup would take out)"
        case "stale":
            yield f"barhouse backfill {name} --timeframe {row['timeframe']}   (brings what is overdue)"
        case "outlier":
            yield f"barhouse backfill {name} --timeframe {row['timeframe']} --refresh   (asks whether it was restated)"
            yield f"barhouse correct {name} --timeframe {row['timeframe']} {_fix(row)} --reason WHY --author YOU"
            yield f"barhouse quality acknowledge {row['id']} --author YOU   (if it is as it should be)"
        case _:
            yield f"barhouse quality acknowledge {row['id']} --author YOU   (once you have looked at it)"


def _fix(row: Row) -> str:
    """The bar and its field that a correction would name."""
    return f"{row['data_point_time']:%Y-%m-%dT%H:%MZ} {row['evidence']['field']}=VALUE"
