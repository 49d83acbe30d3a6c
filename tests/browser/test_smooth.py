"""A crowd of series: 500 symbols of 5 timeframes, and pages answer at once all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from barhouse.store.postgres import Database
from bench.dashboard import ACTIONS, PAGES, crowd, first_view, interaction
from bench.reading import serving
from tests.servers import Server

PATIENCE = 10_000
"""Milliseconds on a machine that does other things as well; what it takes in quiet `python -m bench` says."""


@pytest.fixture(scope="module")
def crowded(server: Server) -> Iterator[str]:
    """The address of a warehouse with a crowd of series."""
    with server.database() as url, Database(url) as db:
        crowd(db)
        with serving(db, "barhouse.api.app:create") as address:
            yield address


def test_a_crowd_is_seen_at_once_and_every_page_answers_at_once(browser: Browser, page: Page, crowded: str) -> None:
    views = {path: first_view(browser, f"{crowded}/dashboard{path}") for path in PAGES}
    answers = {name: interaction(page, crowded, action) for name, action in ACTIONS.items()}

    assert {what: took for what, took in (views | answers).items() if took > PATIENCE} == {}
