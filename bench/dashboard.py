"""How fast the dashboard shows 500 symbols of 5 timeframes to a person with a browser."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from barhouse.flow.track import track
from barhouse.model import AssetClass, Instrument, Timeframe
from barhouse.store.postgres import Database
from bench.harness import RUNS, Figure, figure, warehouse
from bench.health import ANOMALIES, FETCHES
from bench.reading import serving

SYMBOLS = [f"CROWD{number:03}" for number in range(500)]
TIMEFRAMES = [Timeframe.M5, Timeframe.M30, Timeframe.H1, Timeframe.D1, Timeframe.W1]
CHROMIUM = Path(__file__).parents[1] / "scripts" / "chromium.sh"

BARS = """
INSERT INTO bar (instrument, timeframe, time, open, high, low, close, volume, source, extended, forming, validated,
                 quality_score)
SELECT s.instrument, s.timeframe, newest.time - length * n, 100 + n % 7, 110, 90, 101 + n % 5, 1000 + n, 2, false,
       false, true, 0.99
FROM series s
JOIN timeframe t ON t.code = s.timeframe
CROSS JOIN LATERAL (SELECT make_interval(mins => t.minutes) AS length) AS measured
CROSS JOIN LATERAL (SELECT date_bin(length, now(), '2001-01-01Z') AS time) AS newest
CROSS JOIN generate_series(1, 200) AS n
"""
"""200 bars a series up to now; 2001 began on a Monday, as weeks do."""

STORED = """
UPDATE series SET bars = told.bars, first_bar = told.first, last_bar = told.last, revision = 1, revised_at = now()
FROM (SELECT instrument, timeframe, count(*) AS bars, min(time) AS first, max(time) AS last
      FROM bar GROUP BY instrument, timeframe) AS told
WHERE (told.instrument, told.timeframe) = (series.instrument, series.timeframe)
"""

PAGES = (
    "",
    "/symbols",
    "/symbols/CROWD250?timeframe=1h",
    "/coverage",
    "/coverage/CROWD250?timeframe=1h",
    "/jobs",
    "/quality",
    "/quality/scores",
    "/settings",
    "/settings/schedules",
)
"""Below /dashboard."""


PATIENCE = 20_000
"""Milliseconds after which a click is taken for one that does nothing."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that people do on a page: a click on `what`, or a `value` typed into it, changes what is in `where`."""

    page: str
    what: str
    where: str = "main"
    value: str | None = None


ACTIONS = {
    "filter the heat map": Action("", "#heat-words", "#heat", "CROWD123"),
    "filter the symbols": Action("/symbols", "#filter", value="CROWD123"),
    "sort the symbols": Action("/symbols", "#series th:nth-child(4) a"),
    "turn the page of symbols": Action("/symbols", ".pager a"),
    "turn the page of anomalies": Action("/quality", ".pager a"),
    "turn the page of settings": Action("/settings", ".pager a"),
    "open the features": Action("/symbols/CROWD250?timeframe=1h", "#features-open", "#features"),
}

MOVES = {
    "switch the timeframe": Action("/symbols/CROWD250?timeframe=1h", "#timeframes a[href*='=1d']"),
    "open a tab of quality": Action("/quality", ".tabs a[href$=duplicates]"),
    "open a tab of settings": Action("/settings", ".tabs a[href$=schedules]"),
}
"""Clicks that lead to another page, of which the browser has everything but the page itself."""

SEEN = """
() => new Promise(done => {
  new PerformanceObserver(seen => {
    const [view] = performance.getEntriesByType("navigation");
    done(Math.max(view.loadEventEnd, seen.getEntries().at(-1).startTime));
  }).observe({type: "largest-contentful-paint", buffered: true});
})
"""
"""Milliseconds from the asking for a page to all of it, and to the paint of the largest thing on it."""

ANSWERED = """
([what, value, where, patience]) => new Promise((done, failed) => {
  setTimeout(() => failed(new Error(`${what} changed nothing in ${where}`)), patience);
  const begun = performance.now();
  new MutationObserver((_, changes) => {
    changes.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
  }).observe(document.querySelector(where), {childList: true, subtree: true, attributeFilter: ["hidden"]});
  const pressed = document.querySelector(what);
  if (value === null) pressed.click();
  else { pressed.value = value; pressed.dispatchEvent(new InputEvent("input", {bubbles: true})); }
})
"""
"""Milliseconds from a click, or a word typed, to the paint of what changed for it."""


def crowd(db: Database) -> None:
    """500 coins of 5 timeframes with half a million bars, 100,000 fetches and 20,000 open anomalies."""
    coins = [Instrument(symbol, AssetClass.CRYPTO) for symbol in SYMBOLS]
    track(db, coins, TIMEFRAMES, datetime.now(UTC) - timedelta(days=30))
    with db.connection() as connection:
        for statement in (BARS, STORED, FETCHES, ANOMALIES):
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")


def first_view(browser: Browser, url: str) -> float:
    """Milliseconds until somebody who never was here sees all of a page."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as somebody:
        page = somebody.new_page()
        page.goto(url, wait_until="load")
        return float(page.evaluate(SEEN))


def interaction(page: Page, address: str, action: Action) -> float:
    """Milliseconds from a click, or from the last letter typed, to the paint of what changes for it."""
    page.goto(f"{address}/dashboard{action.page}", wait_until="load")
    return float(page.evaluate(ANSWERED, [action.what, action.value, action.where, PATIENCE]))


def move(page: Page, address: str, action: Action) -> float:
    """Milliseconds from a click to all of the page that it leads to."""
    page.goto(f"{address}/dashboard{action.page}", wait_until="load")
    here = page.url
    page.click(action.what)
    page.wait_for_url(lambda url: url != here, wait_until="load")
    return float(page.evaluate(SEEN))


@figure
def dashboard_first_view() -> Figure:
    """Milliseconds to the first view of the slowest page with 500 symbols of 5 timeframes; aim: 1000.

    The browser has nothing of it yet. Beside it the page to sign in, which shows nothing but a field.
    """
    with _seen() as (browser, address):
        runs = [
            {page: first_view(browser, f"{address}{page}") for page in ("/signin", *(f"/dashboard{p}" for p in PAGES))}
            for _ in range(RUNS)
        ]
    return _worst("dashboard_first_view", _medians(runs), "/signin")


@figure
def dashboard_interaction() -> Figure:
    """Milliseconds of the slowest of what people do on a page with 500 symbols of 5 timeframes; aim: 200.

    Where a field waits for the next letter, that is in it. Beside it what asks the server for nothing.
    """
    with _seen() as (browser, address), browser.new_page() as page:
        runs = [
            {name: interaction(page, address, action) for name, action in ACTIONS.items()}
            | {name: move(page, address, action) for name, action in MOVES.items()}
            for _ in range(RUNS)
        ]
    return _worst("dashboard_interaction", _medians(runs), "open the features")


def _medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _worst(name: str, took: Mapping[str, float], ceiling: str) -> Figure:
    worst, top = max(took.values()), took[ceiling]
    return Figure(name, worst, "ms", top, worst / top, {what: round(each) for what, each in took.items()})


@contextmanager
def _seen() -> Iterator[tuple[Browser, str]]:
    """A browser, and the address of a warehouse with the crowd in it."""
    with warehouse() as db:
        crowd(db)
        with serving(db, "barhouse.api.app:create") as address, browsing() as browser:
            first_view(browser, f"{address}/dashboard")
            yield browser, address


@contextmanager
def browsing() -> Iterator[Browser]:
    """This machine's Chromium."""
    found = subprocess.run(["sh", str(CHROMIUM)], capture_output=True, text=True, check=True).stdout.strip()
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as started, started.chromium.launch(executable_path=found, args=arguments) as browser:
        yield browser
