"""The warehouse, opened: its server runs, its schema is up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from barhouse import features
from barhouse.config import Settings
from barhouse.store.embedded import serving
from barhouse.store.migrate import migrate
from barhouse.store.postgres import Database

COLUMNS = {name: feature.sql_type for name, feature in features.registry.items()}
"""The columns that the features need, with their SQL types."""


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The warehouse of these settings: `DATABASE_URL` if there is one, else the embedded PostgreSQL of `data_dir`."""
    given = settings.database_url
    with serving(given.get_secret_value() if given else None, settings.data_dir) as url:
        migrate(url, COLUMNS)
        with Database(url) as db:
            yield db
