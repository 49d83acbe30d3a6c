"""Jobs as people see them: watched to their end, failing and coming back, with nothing to press for the news."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from barhouse.model import Series
from tests.browser.system import System
from tests.chaos import market

WATCHED: list[Series] = [each.series for each in market.sold()[6:9]]
STRUCK = market.sold()[9].series
AFTER_RETRIES = 60_000
"""Milliseconds until a series that fails has failed for good: it is tried again after 2, 4 and 8 seconds."""


@pytest.fixture
def vendors_mended(system: System) -> Iterator[None]:
    yield
    system.follow("")


def asked_for(page: Page, system: System, *series: Series) -> None:
    """Ask for all bars of series, by the form; the page of the job follows."""
    page.goto(f"{system.address}/dashboard/jobs")
    page.get_by_role("button", name="Ask for a job").click()
    form = page.get_by_role("dialog", name="Ask for a job")
    form.get_by_label("bring a span").check()
    form.get_by_label("Symbols").fill(", ".join(each.instrument.symbol for each in series))
    form.get_by_label("from", exact=True).fill(f"{min(map(market.since, series)):%Y-%m-%d}")
    form.get_by_label("read again").check()
    form.get_by_role("button", name="Ask").click()
    page.wait_for_url(re.compile("/dashboard/jobs/.{36}$"))


@pytest.mark.usefixtures("vendors_mended")
def test_a_backfill_is_watched_live_to_its_end(page: Page, system: System) -> None:
    system.track(WATCHED)
    system.follow("latency seconds=1.5")
    asked_for(page, system, *WATCHED)
    page.evaluate("window.isTheSamePage = true")

    expect(page.get_by_test_id("tasks").get_by_text("in progress").first).to_be_visible()
    expect(page.get_by_test_id("tasks").get_by_text("completed")).to_have_count(len(WATCHED))
    expect(page.get_by_test_id("progress")).to_contain_text("100 %")
    assert page.evaluate("window.isTheSamePage")
    assert system.ask(
        "SELECT symbol, bars FROM series JOIN instrument ON id = instrument WHERE symbol = ANY(%s) ORDER BY 1",
        [each.instrument.symbol for each in WATCHED],
    ) == [(each.series.instrument.symbol, len(each.bars)) for each in market.sold() if each.series in WATCHED]


@pytest.mark.usefixtures("vendors_mended")
def test_the_overview_turns_when_vendors_fail_says_why_and_turns_back(page: Page, system: System) -> None:
    system.track([STRUCK])
    overview = page.context.new_page()
    overview.goto(f"{system.address}/dashboard")
    expect(overview.get_by_test_id("verdict")).to_contain_text("All is well")

    system.follow("error status=500")
    asked_for(page, system, STRUCK)
    expect(page.get_by_test_id("progress").locator("progress.bad")).to_be_visible(timeout=AFTER_RETRIES)
    expect(overview.get_by_test_id("verdict")).not_to_contain_text("All is well")
    expect(overview.get_by_test_id("verdict").get_by_role("listitem").first).to_contain_text("failed")
    expect(page.locator("#pulse")).not_to_contain_text("healthy")

    system.follow("")
    page.get_by_role("button", name="Retry what failed").click()
    expect(page.get_by_test_id("progress").locator("progress.good")).to_be_visible()
    expect(overview.get_by_test_id("verdict")).to_contain_text("All is well")
