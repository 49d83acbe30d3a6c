"""`python -m barhouse.calendar XNYS` writes the sessions of an exchange, with its zone, as Arrow to standard output."""

from __future__ import annotations

import sys

import polars as pl

from barhouse.calendar.exchanges import refreshed
from barhouse.errors import UnknownCalendar

UNKNOWN = 3
"""The exit status for an exchange that exchange-calendars does not know."""


def main(name: str) -> int:
    """Write the sessions of `name`; the exit status."""
    try:
        calendar = refreshed(name)
    except UnknownCalendar as unknown:
        sys.stderr.write(f"{unknown}\n")
        return UNKNOWN
    calendar.sessions.with_columns(zone=pl.lit(calendar.zone)).write_ipc(sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
