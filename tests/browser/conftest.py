"""A real browser before a real Barhouse.

Playwright's objects end with this package, not with the session: while they live no other test of the same process
can run an event loop of its own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    Page,
    Playwright,
    ViewportSize,
    expect,
    sync_playwright,
)

from barhouse.model import Series
from tests.browser.complaints import Complaints
from tests.browser.system import System, running
from tests.chaos import market
from tests.integration.embedded_servers import REPOSITORY
from tests.servers import Server

WIDE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
QUALITY = ["", "/duplicates", "/quarantine", "/corrections", "/scores"]
SETTINGS = ["", "/schedules", "/alerts"]
RULED = ["/dashboard/settings/keys", "/dashboard/settings/configuration"]
"""Pages for admins."""
DASHBOARD = [
    "/dashboard",
    "/dashboard/jobs",
    "/dashboard/symbols",
    "/dashboard/symbols/DAYAE",
    "/dashboard/symbols/COINAB?timeframe=1h",
    "/dashboard/coverage",
    "/dashboard/coverage/DAYAE",
    *(f"/dashboard/quality{tab}" for tab in QUALITY),
    *(f"/dashboard/settings{tab}" for tab in SETTINGS),
]
"""Pages for everybody, of the system that runs for all tests."""
PATIENCE = 15_000
"""Milliseconds that an expectation or action gets on a busy machine."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium of this machine, not one that Playwright would download."""
    found = subprocess.run(["sh", "scripts/chromium.sh"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.fail(found.stderr)
    return found.stdout.strip()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], chromium: str) -> dict[str, Any]:
    """Root gets no sandbox from Chromium, and containers have little shared memory."""
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {**browser_type_launch_args, "executable_path": chromium, "args": arguments}


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Its server, while tests of this package run."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser_type(playwright: Playwright) -> BrowserType:
    """Chromium and no other."""
    return playwright.chromium


@pytest.fixture(scope="package")
def launch_browser(browser_type: BrowserType, browser_type_launch_args: dict[str, Any]) -> Callable[..., Browser]:
    """Starts a browser."""
    return lambda **more: browser_type.launch(**browser_type_launch_args, **more)


@pytest.fixture(scope="package")
def browser(launch_browser: Callable[..., Browser]) -> Iterator[Browser]:
    """One browser for all tests; each has a profile of its own."""
    with launch_browser() as started:
        yield started


@pytest.fixture(scope="package")
def browser_context_args() -> dict[str, Any]:
    """A wide window; what moves is still."""
    return {"viewport": WIDE, "reduced_motion": "reduce", "locale": "en-GB", "timezone_id": "America/New_York"}


@pytest.fixture
def complaints(context: BrowserContext) -> Iterator[Complaints]:
    """What the browser complains of; anything that the test did not expect fails it."""
    heard = Complaints(context)
    yield heard
    assert heard.unexpected() == []


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Page:
    """An empty page, which is listened to."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    return page


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty series that vendors sell."""
    return market.shelved(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="session")
def system(server: Server, shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One running system for all tests that do not mind what others left in it."""
    with running(server, shelf, tmp_path_factory.mktemp("system"), *SHOWN) as system:
        yield system


SHOWN: list[Series] = [each.series for each in (*market.sold()[3:6], market.sold()[30], market.sold()[40])]
"""Days of three stocks, half hours of one, hours of a coin: all of them up to date."""
