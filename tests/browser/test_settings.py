"""From nothing to twenty symbols, and schedules that stand still for a while."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from barhouse.model import Series
from tests.browser.system import System, running
from tests.chaos import market
from tests.servers import Server

FIRST = market.sold()[0].series
TWENTY: list[Series] = [each.series for each in market.sold()[10:30]]

NOTHING_YET = {
    "/dashboard": "Nothing is kept yet",
    "/dashboard/symbols": "Nothing is kept yet",
    "/dashboard/coverage": "Nothing is kept yet",
    "/dashboard/jobs": "Nothing was asked for yet",
    "/dashboard/quality": "wrong",
    "/dashboard/quality/duplicates": "Nothing was ever cleaned",
    "/dashboard/quality/quarantine": "No row waits for a decision",
    "/dashboard/settings": "Nothing is tracked yet",
    "/dashboard/settings/keys": "No key was made yet",
}
"""What pages say of an empty warehouse."""


@pytest.fixture
def fresh(server: Server, shelf: Path, tmp_path: Path) -> Iterator[System]:
    """A system in which nothing was ever tracked."""
    with running(server, shelf, tmp_path) as system:
        yield system


def bars(system: System, series: list[Series]) -> list[tuple[str, int]]:
    """How many bars of series are stored."""
    names = [each.instrument.symbol for each in series]
    return system.ask(
        "SELECT symbol, bars FROM series JOIN instrument ON id = instrument WHERE symbol = ANY(%s) ORDER BY 1", names
    )


def sold(series: list[Series]) -> list[tuple[str, int]]:
    """How many bars of series vendors have."""
    return [(each.series.instrument.symbol, len(each.bars)) for each in market.sold() if each.series in series]


def tracked(page: Page, series: list[Series]) -> Locator:
    """Track series by the form; what it answers."""
    form = page.get_by_test_id("track")
    form.get_by_label("Symbols, many at once").fill("\n".join(each.instrument.symbol for each in series))
    form.get_by_label("Since").fill(f"{min(map(market.since, series)):%Y-%m-%d}")
    form.get_by_role("button", name="Track").click()
    return page.get_by_test_id("tracked")


def test_an_empty_warehouse_leads_to_its_first_bars(page: Page, fresh: System) -> None:
    for path, words in NOTHING_YET.items():
        page.goto(fresh.address + path)
        expect(page.get_by_role("main")).to_contain_text(words)

    page.goto(f"{fresh.address}/dashboard")
    page.get_by_role("link", name="add symbols here").click()
    expect(tracked(page, [FIRST])).to_contain_text("1 series of 1 symbols")
    page.get_by_role("link", name="Their bars are being brought").click()
    expect(page.get_by_test_id("progress").locator("progress.good")).to_be_visible()
    assert bars(fresh, [FIRST]) == sold([FIRST])

    page.get_by_role("link", name=f"{FIRST.instrument.symbol} 1d").click()
    expect(page.get_by_label("The series").locator(".stat").nth(1)).to_contain_text(f"{sold([FIRST])[0][1]}")


def test_twenty_symbols_are_added_at_once(page: Page, system: System) -> None:
    page.goto(f"{system.address}/dashboard/settings")
    page.get_by_text("Track symbols").click()

    expect(tracked(page, TWENTY)).to_contain_text("20 series of 20 symbols")
    page.get_by_role("link", name="Their bars are being brought").click()
    expect(page.get_by_test_id("progress").locator("progress.good")).to_be_visible()
    assert bars(system, TWENTY) == sold(TWENTY)


def test_a_schedule_is_paused_and_goes_on(page: Page, system: System) -> None:
    page.goto(f"{system.address}/dashboard/settings/schedules")
    row = page.get_by_role("row", name=re.compile("^backfill "))

    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("paused")
    assert system.ask("SELECT paused_at IS NOT NULL FROM schedule WHERE name = 'backfill'") == [(True,)]

    row.get_by_role("button", name="Resume").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()
    expect(row).not_to_contain_text("paused")
    assert system.ask("SELECT paused_at IS NOT NULL FROM schedule WHERE name = 'backfill'") == [(False,)]
