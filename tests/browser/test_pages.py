"""Every page: readable by everybody in both themes, on a phone too, and without a word to anybody else."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.axe import violations
from tests.browser.complaints import Complaints
from tests.browser.conftest import DASHBOARD, PHONE, RULED
from tests.browser.system import System

PAGES = [*DASHBOARD, *RULED, NOWHERE := "/dashboard/nowhere", "/signin"]
SLOWLY = 60_000
"""Milliseconds that Swagger UI gets to draw the whole API on a busy machine."""


@pytest.fixture(autouse=True)
def nothing_is_nowhere(complaints: Complaints) -> None:
    complaints.expect(f"status of 404 .*{NOWHERE}")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_read_and_used_by_everybody(page: Page, system: System, path: str) -> None:
    page.goto(system.address + path)

    assert page.locator("h1").count() == 1
    assert {theme: _in(page, theme) for theme in ("light", "dark")} == {"light": [], "dark": []}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_on_a_phone_and_can_be_used_there(page: Page, system: System, path: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(system.address + path)

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert violations(page) == []


def test_the_api_describes_itself_without_asking_elsewhere(page: Page, system: System) -> None:
    page.goto(f"{system.address}/docs")

    page.get_by_role("heading", name="Barhouse").wait_for(timeout=SLOWLY)
    page.get_by_text("/api/v1/historical/{symbol}").first.wait_for()


def _in(page: Page, theme: str) -> list[str]:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    return violations(page)
