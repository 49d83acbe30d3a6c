"""Calendars of real exchanges, read once for all tests."""

from __future__ import annotations

import pytest

from barhouse.calendar import Calendar
from tests.unit.calendar.moments import known


@pytest.fixture(scope="session")
def new_york() -> Calendar:
    return known("XNYS")


@pytest.fixture(scope="session")
def clock() -> Calendar:
    return Calendar.always_open()
