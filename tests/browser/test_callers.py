"""What a key that may only read is shown, and that nobody's words become a part of the page."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from barhouse.flow.keys import create_key, delete_key
from barhouse.store.keys import Role
from barhouse.store.postgres import Database
from tests.browser.complaints import Complaints
from tests.browser.conftest import DASHBOARD
from tests.browser.system import System, until

CHANGES = "main :is([hx-post], [hx-put], [hx-patch], [hx-delete], form[method=post])"
"""Whatever asks the server to change something."""


@pytest.fixture
def reader(system: System) -> Iterator[str]:
    """A key that may only read; while it exists nobody comes in without one."""
    with Database(system.database_url) as db:
        made = create_key(db, "reader", role=Role.READ, by="test")
        until("closed door", lambda: _status(system) == 401)
        yield made.text
        delete_key(db, "reader", by="test")
        until("open door", lambda: _status(system) == 200)


def test_who_has_only_a_key_to_read_signs_in_and_sees_no_button_that_changes_anything(
    page: Page, system: System, reader: str, complaints: Complaints
) -> None:
    complaints.expect("status of 401 .*/signin")
    page.goto(f"{system.address}/dashboard/symbols")
    page.get_by_label("Key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()

    page.get_by_label("Key").fill(reader)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{system.address}/dashboard/symbols")

    for path in DASHBOARD:
        page.goto(system.address + path)
        assert page.locator(CHANGES).count() == 0, path


@pytest.mark.parametrize(
    "path", ["/dashboard/jobs", "/dashboard/settings/keys", "/api/v1/enrichment/trigger?symbol=DAYAE"]
)
def test_what_a_reader_asks_to_be_changed_is_refused(
    page: Page, system: System, reader: str, complaints: Complaints, path: str
) -> None:
    complaints.expect("status of 403")
    page.goto(f"{system.address}/signin")
    page.get_by_label("Key").fill(reader)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{system.address}/dashboard")

    assert page.evaluate("path => fetch(path, {method: 'POST'}).then(answer => answer.status)", path) == 403


def _status(system: System) -> int:
    return httpx.get(f"{system.address}/api/v1/symbols", trust_env=False).status_code
