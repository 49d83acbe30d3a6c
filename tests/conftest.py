"""What all tests share: real servers, and fresh databases on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from barhouse import DatabaseService
from barhouse.store.postgres import Database
from tests.servers import SERVERS, Server, home, migrated

Servers = Callable[[str], Server]

# The same examples each time, however long a busy machine takes: `make fuzz` is for others
settings.register_profile(
    "sure",
    derandomize="FUZZ" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sure")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "every_server: run on the embedded PostgreSQL and on Debian's; else the embedded one only"
    )
    # Nobody's file of settings is read by accident, here or in a child process
    os.environ["XDG_CONFIG_HOME"] = os.devnull
    os.environ.pop("BARHOUSE_CONFIG", None)
    # Else each of the many processes that tests start compiles all of Barhouse
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames and metafunc.definition.get_closest_marker("every_server"):
        metafunc.parametrize("server", list(SERVERS), indirect=True, scope="session")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers by name, each started when it is first asked for; they end with the session."""
    started: dict[str, Server] = {}
    with ExitStack() as stack:

        def server(name: str) -> Server:
            if name not in started:
                url = stack.enter_context(SERVERS[name](stack.enter_context(home())))
                started[name] = stack.enter_context(migrated(url))
            return started[name]

        yield server


@pytest.fixture(scope="session")
def server(servers: Servers, request: pytest.FixtureRequest) -> Server:
    """A PostgreSQL: the embedded one, or each of them under the mark `every_server`."""
    return servers(getattr(request, "param", "embedded-18"))


@pytest.fixture
def database_url(server: Server) -> Iterator[str]:
    """A migrated database of the test's own."""
    with server.database() as url:
        yield url


@pytest.fixture
def empty_database_url(server: Server) -> Iterator[str]:
    """A database of the test's own in which nothing was migrated."""
    with server.scratch() as url:
        yield url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """The same as the warehouse sees it."""
    with Database(database_url) as database:
        yield database


@pytest.fixture
def service(database_url: str) -> Iterator[DatabaseService]:
    """The same as scripts and notebooks see it."""
    with DatabaseService(database_url) as database:
        yield database


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real bars, calendars and recorded answers that lie beside the repository on some machines."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"There is no {folder.relative_to(folder.parents[2])} beside the repository")
    return folder
