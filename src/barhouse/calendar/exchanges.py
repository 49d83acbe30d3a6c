"""What exchange-calendars knows of an exchange."""

from __future__ import annotations

from typing import Any

import polars as pl

from barhouse.calendar.sessions import SESSIONS, Calendar
from barhouse.errors import UnknownCalendar
from barhouse.model import ALWAYS_OPEN

BEGINNING = "1970-01-01"
"""Older holidays of New York are incomplete in exchange-calendars 4.13."""


def refreshed(name: str) -> Calendar:
    """The calendar of the exchange `name`, from 1970 or its own beginning to one year ahead.

    The first call takes seconds and 100 MB, the import of exchange-calendars. UnknownCalendar for a name that is none.
    """
    if name == ALWAYS_OPEN:
        return Calendar.always_open()
    known = _known(name)
    sessions = {"date": known.sessions, "open": known.opens, "close": known.closes}
    frame = pl.DataFrame({column: values.to_numpy("datetime64[us]") for column, values in sessions.items()})
    instants = pl.col("open", "close").dt.replace_time_zone("UTC")
    return Calendar(name, str(known.tz), frame.with_columns(instants).cast(SESSIONS))


def _known(name: str) -> Any:
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    try:
        return exchange_calendars.get_calendar(name, start=BEGINNING)
    except InvalidCalendarName:
        raise UnknownCalendar(name) from None
    except ValueError:
        # Some exchanges are known from a later day on, and refuse an earlier one
        bound = exchange_calendars.get_calendar(name).bound_min()
        return exchange_calendars.get_calendar(name, start=bound)
