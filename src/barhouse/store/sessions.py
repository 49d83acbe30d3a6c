"""The sessions of exchanges, kept so that nobody has to import a calendar library to know them."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from psycopg import Connection

from barhouse.calendar import Calendar
from barhouse.errors import UnknownCalendar
from barhouse.store.queries import queries

sql = queries("sessions")

LATELY = timedelta(days=30)
"""A new version of exchange-calendars may know closures that were announced since."""
AHEAD = timedelta(days=60)
AGAIN = timedelta(days=1)
"""How soon sessions are read again where the exchange publishes no more than a few weeks ahead."""


def load(connection: Connection, name: str) -> Calendar:
    """The calendar of the exchange `name` as it was saved; UnknownCalendar (422) if it never was."""
    zone = connection.execute(sql.zone, {"exchange": name}).fetchone()
    if zone is None:
        raise UnknownCalendar(name)
    rows = connection.execute(sql.all_of, {"exchange": name}, binary=True).fetchall()
    naive = {"date": pl.Date(), "open": pl.Datetime("us"), "close": pl.Datetime("us")}
    sessions = pl.DataFrame(rows, schema=naive, orient="row")
    return Calendar(name, zone[0], sessions.with_columns(pl.col("open", "close").dt.replace_time_zone("UTC")))


def fresh(connection: Connection, name: str) -> bool:
    """Whether the saved sessions of `name` can be used as they are: read within 30 days, known 60 days ahead."""
    limits = {"lately": LATELY, "ahead": AHEAD, "again": AGAIN}
    row = connection.execute(sql.fresh, {"exchange": name, **limits}).fetchone()
    return row is not None and row[0]


def save(connection: Connection, calendar: Calendar) -> None:
    """Keep the sessions of an exchange; within their stretch the ones that were there before give way."""
    dates = calendar.sessions["date"]
    naive = calendar.sessions.with_columns(pl.col("open", "close").dt.replace_time_zone(None))
    told = {
        "exchange": calendar.name,
        "zone": calendar.zone,
        "first": dates[0],
        "last": dates[-1],
        "dates": dates.to_list(),
        "opens": naive["open"].to_list(),
        "closes": naive["close"].to_list(),
    }
    for statement in (sql.keep_exchange, sql.drop_closed, sql.keep_sessions):
        connection.execute(statement, told)
