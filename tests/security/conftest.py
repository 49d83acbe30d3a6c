"""One Barhouse for all who are rude to it: whatever they do, it serves the next one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.up import Up, up
from tests.servers import Server
from tests.warehouse import filled


@pytest.fixture(scope="session")
def barhouse(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A Barhouse that runs over a warehouse with some bars, with short patience; no key exists."""
    with filled(server) as url, up(url, tmp_path_factory.mktemp("up"), patience=1.0) as running:
        yield running
