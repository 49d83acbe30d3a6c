"""What holds on every page: the theme, the keyboard, and what is said while the server is away."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.complaints import Complaints
from tests.browser.system import System


@pytest.fixture
def overview(page: Page, system: System) -> Page:
    page.goto(f"{system.address}/dashboard")
    return page


def test_a_theme_once_chosen_stays(overview: Page) -> None:
    overview.emulate_media(color_scheme="light")
    overview.get_by_role("button", name="Theme").click()
    overview.goto(overview.url.replace("/dashboard", "/signin"))

    expect(overview.locator("html")).to_have_attribute("data-theme", "dark")
    assert overview.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_the_first_stop_of_the_keyboard_leads_past_the_navigation(overview: Page) -> None:
    overview.keyboard.press("Tab")
    expect(overview.get_by_role("link", name="To the content")).to_be_focused()
    overview.keyboard.press("Enter")

    expect(overview.get_by_role("main")).to_be_focused()


def test_every_page_of_the_navigation_is_reached_and_marked_by_keyboard_alone(overview: Page) -> None:
    pages = overview.get_by_role("navigation", name="Pages")

    for name in pages.get_by_role("link").all_inner_texts():
        link = pages.get_by_role("link", name=name, exact=True)
        for _ in range(20):
            overview.keyboard.press("Tab")
            if link.evaluate("link => link === document.activeElement"):
                break
        overview.keyboard.press("Enter")
        expect(pages.locator("[aria-current=page]")).to_have_text(name)
        expect(overview.get_by_role("heading", level=1)).to_have_count(1)


def test_what_is_focused_is_seen(overview: Page) -> None:
    overview.keyboard.press("Tab")
    seen = "getComputedStyle(document.activeElement)"
    for _ in range(8):
        overview.keyboard.press("Tab")
        assert overview.evaluate(f"{seen}.outlineStyle") != "none", overview.evaluate(
            "document.activeElement.outerHTML"
        )


def test_a_page_says_that_the_server_is_away_and_goes_on_when_it_is_back(
    overview: Page, complaints: Complaints
) -> None:
    complaints.expect("ERR_INTERNET_DISCONNECTED|Failed to fetch")
    overview.context.set_offline(True)
    expect(overview.locator("#offline")).to_contain_text("away")

    overview.context.set_offline(False)
    expect(overview.locator("#offline")).to_be_hidden()


def test_a_failed_change_is_told_though_the_page_is_old(overview: Page) -> None:
    frame = overview.locator("script[src$='/frame.js']").get_attribute("src")
    overview.evaluate(f"import('{frame}').then(({{toast}}) => toast('Nothing <b>of that</b>', true))")

    expect(overview.get_by_role("alert")).to_have_text(re.compile(r"Nothing <b>of that</b>"))
    overview.get_by_role("button", name="Dismiss").click()
    expect(overview.get_by_role("alert")).to_have_count(0)
