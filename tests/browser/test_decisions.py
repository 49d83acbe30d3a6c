"""What people decide and look up on the pages: rows that were turned away, and what was known at an earlier time."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.system import System

HELD, LOOKED_AT = "DAYAE", "COINAB"

NINTH = "SELECT time, open, high, low, close FROM market_data WHERE symbol = %s ORDER BY time DESC OFFSET 8 LIMIT 1"
TURNED_AWAY = """
WITH taken AS (
    DELETE FROM bar USING instrument i
    WHERE i.id = bar.instrument AND i.symbol = %s AND bar.timeframe = 7 AND bar.time = %s
    RETURNING bar.*
)
INSERT INTO quarantine (instrument, timeframe, time, source, reason, payload)
SELECT instrument, timeframe, time, 1, 'high_too_low', json_build_object(
           't', (extract(epoch FROM (time AT TIME ZONE 'UTC') AT TIME ZONE 'America/New_York') * 1000)::bigint,
           'o', open, 'h', high, 'l', low, 'c', close, 'v', volume)::text
FROM taken
"""
"""A day as Polygon tells it, in quarantine instead of among the bars."""

AGAIN = "SELECT time, open, high, low, close FROM market_data WHERE symbol = %s AND time = %s"


def test_a_row_in_quarantine_is_released_by_who_says_why(page: Page, system: System) -> None:
    [day] = system.ask(NINTH, HELD)
    system.ask(TURNED_AWAY, HELD, day[0])
    assert system.ask(AGAIN, HELD, day[0]) == []
    page.goto(f"{system.address}/dashboard/quality/quarantine?symbol={HELD}")

    page.get_by_label("All rows of this page").check()
    page.get_by_label("Reason").fill("the exchange printed it so")
    page.get_by_role("button", name="Release").click()

    expect(page.get_by_role("status").filter(has_text="1 released")).to_be_visible()
    assert system.ask(AGAIN, HELD, day[0]) == [day]


def test_a_chart_goes_back_to_what_was_known_and_forth_again(page: Page, system: System) -> None:
    page.goto(f"{system.address}/dashboard/symbols/{LOOKED_AT}?timeframe=1h")
    page.get_by_label("As known at").fill("2020-01-01T00:00:00")
    page.get_by_role("button", name="Show", exact=True).click()

    expect(page.get_by_role("status").filter(has_text="as they were known at 2020-01-01 00:00")).to_be_visible()
    expect(page.locator("#chart-state")).to_have_text("No bar was known then.")

    page.get_by_role("link", name="Now").click()
    expect(page).not_to_have_url(re.compile("as_of"))
    expect(page.locator("#chart-state")).to_have_text("")
