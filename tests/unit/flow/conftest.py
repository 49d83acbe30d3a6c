"""What the tests of flows share."""

from __future__ import annotations

import pytest

from barhouse.calendar import Calendar, refreshed


@pytest.fixture(scope="session")
def new_york() -> Calendar:
    return refreshed("XNYS")
