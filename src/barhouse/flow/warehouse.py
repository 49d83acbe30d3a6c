"""The warehouse, opened: its server runs, its schema is up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from barhouse import features
from barhouse.config import Settings
from barhouse.flow import sessions
from barhouse.flow.actions import reconsider
from barhouse.model import NEW_YORK
from barhouse.store.embedded import serving
from barhouse.store.migrate import agree, ledger, migrate
from barhouse.store.postgres import Database
from barhouse.store.watchdog import cluster_of

COLUMNS = {name: feature.sql_type for name, feature in features.registry.items()}
"""The columns that the features need, with their SQL types."""


@contextmanager
def opened(settings: Settings, *, is_hasty: bool = False) -> Iterator[Database]:
    """The warehouse of these settings: `DATABASE_URL` if there is one, else the embedded PostgreSQL of `data_dir`.

    Hasty is who would rather hear soon that it is away than wait until it is back.
    """
    given = settings.database_url.get_secret_value() if settings.database_url else None
    first = given is None and not cluster_of(settings.data_dir).exists()
    with _beside(first=first) as keep_sessions, serving(given, settings.data_dir) as url:
        migrate(url, COLUMNS)
        with Database(url, is_hasty=is_hasty) as db:
            keep_sessions(db)
            reconsider(db)
            yield db


def require_known(db: Database) -> None:
    """See to it that no newer Barhouse has changed the schema since; MigrationError says what to do if one has."""
    with db.connection() as connection:
        agree(ledger(connection))


@contextmanager
def _beside(*, first: bool) -> Iterator[Callable[[Database], None]]:
    """While a first database is made, the sessions of New York are read, which takes as long."""
    with sessions.ahead(NEW_YORK) if first else nullcontext(_nothing) as keep:
        yield keep


def _nothing(_: Database) -> None:
    """Nothing was read ahead."""
