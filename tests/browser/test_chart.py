"""What a chart and a calendar tell of a series, by the keyboard alone, and a hole that is filled from them."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from barhouse.flow.correct import correct
from barhouse.store.postgres import Database
from tests.browser.system import System, until
from tests.chaos import market

SYMBOL = market.sold()[3].series.instrument.symbol
NEWEST = "SELECT time, open FROM market_data WHERE symbol = %s ORDER BY time DESC LIMIT 10"
COUNT = "SELECT count(*) FROM market_data WHERE symbol = %s"
TAKE_OUT = """
DELETE FROM bar USING instrument i WHERE i.id = bar.instrument AND i.symbol = %s AND bar.time = ANY(%s)
"""


@pytest.fixture
def absent(system: System) -> list[datetime]:
    """Two days that were taken out, the seventh and the sixth before the last one; the fourth was corrected."""
    newest = system.ask(NEWEST, SYMBOL)
    days = [time for time, _ in reversed(newest[5:7])]
    system.ask(TAKE_OUT, SYMBOL, days)
    with Database(system.database_url) as db:
        time, price = newest[3]
        correct(db, SYMBOL, time, {"close": price}, reason="<b>read twice</b>", author="ada")
    return days


def test_a_chart_and_a_calendar_tell_of_a_hole_that_one_press_fills(
    page: Page, system: System, absent: list[datetime]
) -> None:
    page.goto(f"{system.address}/dashboard/symbols/{SYMBOL}")
    chart, spoken = page.get_by_test_id("chart"), page.locator("#spoken")
    expect(page.locator("#chart-state")).to_be_empty()
    chart.focus()
    page.keyboard.press("End")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(spoken).to_contain_text("<b>read twice</b>; ada")
    expect(page.locator("#told")).to_contain_text("close:")
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    expect(spoken).to_contain_text(f"{absent[1]:%Y-%m-%d}: missing")

    page.goto(f"{system.address}/dashboard/coverage/{SYMBOL}")
    there = system.ask(COUNT, SYMBOL)[0][0]
    row = page.locator(f"#stretches tr[data-first='{absent[0]:%Y-%m-%d}'][data-last='{absent[1]:%Y-%m-%d}']")
    expect(row).to_contain_text("missing2")
    row.get_by_role("button").press("Enter")
    page.get_by_role("status").get_by_role("link", name="the job").click()

    expect(page).to_have_url(re.compile(r"/dashboard/jobs/[0-9a-f-]{36}$"))
    until("bars in the hole", lambda: system.ask(COUNT, SYMBOL)[0][0] == there + 2)
    page.goto(f"{system.address}/dashboard/coverage/{SYMBOL}")
    expect(row).to_have_count(0)


def test_a_calendar_is_walked_with_the_keyboard(page: Page, system: System) -> None:
    page.goto(f"{system.address}/dashboard/coverage/{SYMBOL}")
    page.get_by_test_id("calendar").focus()
    for key in ("Home", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)

    [(first,)] = system.ask("SELECT min(time) FROM market_data WHERE symbol = %s", SYMBOL)
    expect(page.locator("#day")).to_have_text(f"{first:%Y-%m-%d}: present, 1 of 1 bar")
    page.keyboard.press("Enter")
    expect(page.locator("#backfill [name=start]")).to_have_value(f"{first:%Y-%m-%d}")
    expect(page.get_by_test_id("backfill").get_by_role("button")).to_be_focused()


def test_a_feature_is_drawn_in_a_pane_then_over_the_price_then_not(page: Page, system: System) -> None:
    page.goto(f"{system.address}/dashboard/symbols/{SYMBOL}")
    page.get_by_role("button", name="Features").click()
    panes = page.get_by_test_id("chart").locator("table tr:has(canvas)")
    expect(page.locator("#chart-state")).to_be_empty()
    alone = panes.count()

    atr = page.get_by_role("button", name="atr")
    for how, more in (("atr · pane", 1), ("atr · overlay", 0), ("atr", 0)):
        atr.click()
        expect(atr).to_have_text(how)
        expect(page.locator("#chart-state")).to_be_empty()
        assert (panes.count() > alone) is bool(more)
