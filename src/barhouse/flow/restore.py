"""A backup put in the place of the warehouse: tried first, swapped in at the end, so that a failure changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
from psycopg import Connection

from barhouse.errors import Conflict, MigrationError
from barhouse.flow.backup import Report, in_words, loaded, require_room
from barhouse.flow.warehouse import COLUMNS
from barhouse.store import backups, databases, executions, queue, tools
from barhouse.store.backups import Manifest
from barhouse.store.databases import Holdings
from barhouse.store.embedded import serving
from barhouse.store.migrate import agree, migrate

NOTHING = Holdings(bars=False, anything=False)


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that is the warehouse now; `aside` is the name of the database that was there before, if it is kept."""

    database: str
    aside: str | None
    manifest: Manifest


def restore(
    folder: Path, database_url: str | None, data_dir: Path, *, report: Report, replace: bool = False
) -> Restored:
    """Make a backup the warehouse at `database_url`, or the embedded one in `data_dir`.

    It is read, restored beside what is there, compared and brought to this Barhouse's schema before it takes the
    place. What was there is kept under another name if a user had left anything in it; bars are replaced only with
    `replace`. UnusableBackup (422), Conflict (409), MigrationError for a newer schema, BackupFailed.
    """
    manifest = backups.read(folder)
    _require_known(manifest.content.ledger, manifest.barhouse)
    backups.check(folder, manifest, partial(report, "Checked"))
    with in_words(folder), serving(database_url, data_dir) as url, databases.administered(url) as admin:
        name = databases.name_of(url)
        _require_free(admin, url, name, replace=replace)
        require_room(data_dir if database_url is None else None, manifest)
        with databases.scratch(admin, url) as scratch:
            loaded(tools.tools(scratch, data_dir), scratch, folder, manifest, report)
            _revive(scratch)
            aside = _swap(admin, url, name, replace=replace)
    return Restored(name, aside, manifest)


def _require_known(ledger: Mapping[str, str], written_by: str) -> None:
    try:
        agree(ledger)
    except MigrationError as cause:
        raise MigrationError(f"The backup is of Barhouse {written_by}: {cause}. Nothing was changed") from cause


def _require_free(admin: Connection, url: str, name: str, *, replace: bool) -> Holdings:
    """What is in the database that is to be replaced, which nobody may be using."""
    if not databases.exists(admin, name):
        return NOTHING
    if found := databases.users(admin, name):
        raise databases.in_use(name, found)
    held = databases.holdings(url)
    if held.bars and not replace:
        raise Conflict(
            f"The database {name} has bars; with --replace the backup takes its place, "
            "and what is there is kept under another name"
        )
    return held


def _revive(url: str) -> None:
    """Bring the schema up to date, and take the work out of the hands of workers that are no more."""
    migrate(url, COLUMNS)
    with psycopg.connect(url) as connection:
        executions.orphan(connection)
        queue.revive(connection, timedelta())
    databases.analyze(url)


def _swap(admin: Connection, url: str, name: str, *, replace: bool) -> str | None:
    """Put the scratch database in the place of `name`; the name under which that is kept, if it is."""
    held = _require_free(admin, url, name, replace=replace)
    if not databases.exists(admin, name):
        databases.swap(admin, name, None)
        return None
    aside = f"{name}_before_{datetime.now(UTC):%Y%m%dT%H%M%S}".lower()
    databases.swap(admin, name, aside)
    if held.anything:
        return aside
    databases.drop(admin, aside)
    return None
