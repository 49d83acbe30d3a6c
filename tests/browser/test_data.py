"""What people do with data on the pages: duplicates cleaned and brought back, bars taken home as files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from tests.browser.system import System

DOUBLED, TAKEN = "DAYAF", "DAYAE"

TWICE = """
INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source, validated,
                         quality_score)
SELECT symbol, asset_class, timeframe, time + interval '14 hours 30 minutes', open, high, low, close, volume + 1,
       'elsewhere', false, 0.5
FROM market_data WHERE symbol = %s ORDER BY time DESC LIMIT 3
"""
"""Three days once more, stamped when the exchange opens."""

BARS = "SELECT time, open, high, low, close, volume, source, validated FROM market_data WHERE symbol = %s ORDER BY time"


def test_duplicates_are_previewed_cleaned_and_brought_back(page: Page, system: System) -> None:
    clean = system.ask(BARS, DOUBLED)
    system.ask(TWICE, DOUBLED)
    doubled = system.ask(BARS, DOUBLED)
    page.goto(f"{system.address}/dashboard/quality/duplicates?symbol={DOUBLED}")

    expect(page.get_by_test_id("preview")).to_contain_text("3 slots hold several bars: 3 would go")
    page.get_by_test_id("clean").click()
    page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(page.get_by_role("status").filter(has_text="3 bars taken out of 3 slots")).to_be_visible()
    expect(page.get_by_test_id("no-duplicates")).to_be_visible()
    assert system.ask(BARS, DOUBLED) == clean

    page.get_by_label("All rows of this page").check()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_test_id("preview")).to_contain_text("3 slots hold several bars")
    assert system.ask(BARS, DOUBLED) == doubled

    page.get_by_test_id("clean").click()
    page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(page.get_by_test_id("no-duplicates")).to_be_visible()


@pytest.mark.parametrize(("kind", "read"), [("csv", pl.read_csv), ("parquet", pl.read_parquet)])
def test_an_export_holds_the_bars_of_the_database(
    page: Page, system: System, kind: str, read: Callable[[Path], pl.DataFrame]
) -> None:
    page.goto(f"{system.address}/dashboard/symbols/{TAKEN}")
    with page.expect_download() as downloading:
        page.get_by_role("link", name=kind, exact=True).click()

    assert re.fullmatch(rf"{TAKEN}.*\.{kind}", downloading.value.suggested_filename)
    table = read(Path(downloading.value.path()))
    stored = system.ask("SELECT open, high, low, close, volume FROM market_data WHERE symbol = %s ORDER BY time", TAKEN)
    assert table.select("open", "high", "low", "close", "volume").rows() == stored
