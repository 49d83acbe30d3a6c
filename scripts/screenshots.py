"""Take a picture of each page of the dashboard, of the demo's data, dark and light, wide and on a phone.

`python -m scripts.screenshots`, in the folder of the repository, writes them into docs/images.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx
from PIL import Image
from playwright.sync_api import Browser, ViewportSize

from bench.dashboard import browsing
from bench.reading import until_it_answers
from tests.servers import free_port

COLOURS = 256
"""So many are enough for a page, and leave a quarter of its bytes."""

SLOWLY = "latency seconds=3"
"""So long the demo's vendors take, that a job can be seen at work."""

FORMER = ({"symbol": "MSFT"}, {"symbol": "NOPE"}, {"symbols": ["FB", "IBM"]})
"""Jobs that are over; of one of them no vendor knows the symbol."""

LATEST = {"symbols": ["AAPL", "GOOG", "IBM", "MSFT"]}
"""What works while the pages about jobs are taken."""

UNFINISHED = ("queued", "in_progress")

PAGES = {
    "jobs": "/dashboard/jobs",
    "overview": "/dashboard",
    "symbols": "/dashboard/symbols",
    "symbol": "/dashboard/symbols/AAPL",
    "coverage": "/dashboard/coverage/AAPL",
    "quality": "/dashboard/quality",
    "settings": "/dashboard/settings",
}
WINDOWS: dict[str, ViewportSize] = {"": {"width": 1280, "height": 900}, "-phone": {"width": 390, "height": 844}}
THEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")


def main(folder: Path) -> None:
    """All pictures, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with demo() as address, browsing() as browser:
        for wanted in FORMER:
            until_over(address, ask(address, wanted))
        put_away(address, "NOPE")
        for theme in THEMES:
            for suffix, window in WINDOWS.items():
                take(browser, address, folder, theme, suffix, window)


def take(
    browser: Browser, address: str, folder: Path, theme: Literal["dark", "light"], suffix: str, window: ViewportSize
) -> None:
    """Every page in one theme and window, the first ones while a job works."""
    job = ask(address, LATEST)
    with browser.new_context(viewport=window, color_scheme=theme, reduced_motion="reduce") as context:
        page = context.new_page()
        for name, path in PAGES.items():
            page.goto(f"{address}{path}", wait_until="networkidle")
            (folder / f"{name}{suffix}-{theme}.png").write_bytes(small(page.screenshot()))
    until_over(address, job)


def ask(address: str, wanted: Mapping[str, str | list[str]]) -> str:
    """The id of a job for the days of some symbols, which stay untracked: the demo's bars ended years ago."""
    asked = {**wanted, "timeframes": "1d"}
    answer = httpx.post(f"{address}/api/v1/enrichment/trigger", params=asked, timeout=60).raise_for_status()
    for symbol in wanted.get("symbols", [wanted.get("symbol")]):
        drop = f"{address}/api/v1/admin/symbols/{symbol}/timeframes"
        httpx.delete(drop, params={"timeframes": "1d"}, timeout=60).raise_for_status()
    return str(answer.json()["job_id"])


def put_away(address: str, symbol: str) -> None:
    """Have a symbol on no page but where its job is told."""
    httpx.delete(f"{address}/api/v1/admin/symbols/{symbol}", timeout=60).raise_for_status()


def until_over(address: str, job: str) -> None:
    """Wait for the end of a job."""
    while httpx.get(f"{address}/api/v1/enrichment/jobs/{job}", timeout=60).json()["status"] in UNFINISHED:
        time.sleep(0.5)


def small(picture: bytes) -> bytes:
    """The same picture in fewer colours and bytes."""
    told, few = io.BytesIO(), Image.open(io.BytesIO(picture)).convert("RGB")
    few.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(told, "PNG", optimize=True)
    return told.getvalue()


@contextmanager
def demo() -> Iterator[str]:
    """The demo with data of its own, as its address."""
    with tempfile.TemporaryDirectory(prefix="barhouse-screenshots-") as home:
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "barhouse.cli",
            "demo",
            "--port",
            str(port),
            "--data-dir",
            home,
            "--faults",
            SLOWLY,
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as program:  # noqa: S603
            try:
                address = f"http://127.0.0.1:{port}"
                until_it_answers(address)
                yield address
            finally:
                program.terminate()


if __name__ == "__main__":
    main(Path(__file__).parents[1] / "docs" / "images")
