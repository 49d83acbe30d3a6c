"""A backup of the warehouse: taken while it runs, tried before it counts."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from barhouse.config import Settings
from barhouse.errors import BackupFailed, Conflict, DatabaseUnavailable
from barhouse.model import instant
from barhouse.store import backups, databases, fingerprint, tools
from barhouse.store.backups import DUMP, Manifest
from barhouse.store.embedded import serving
from barhouse.store.fingerprint import Fingerprint
from barhouse.store.migrate import ledger
from barhouse.store.postgres import unavailable
from barhouse.store.server import state
from barhouse.store.tools import Tools

SPARE = 200 << 20
"""Bytes that stay free on the disk of an embedded PostgreSQL, whatever is tried there."""

Report = Callable[[str, int, int | None], object]
"""Is told what is done, how far that is, and of how much where that is known; bytes, or tables."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup that was made, and the older ones that had to go for it."""

    path: Path
    manifest: Manifest
    bytes: int
    verified: bool
    removed: list[Path]


def backup(
    settings: Settings, folder: Path, now: datetime, *, report: Report, verify: bool = True, keep: int | None = None
) -> Saved:
    """Write all that the warehouse holds, as it is at one instant, into `folder` under a name of its own.

    Others may go on writing meanwhile. With `verify` it is restored into a scratch database and compared. With `keep`
    only so many backups stay. BackupFailed, Conflict (409).
    """
    given = settings.database_url.get_secret_value() if settings.database_url else None
    embedded = settings.data_dir if given is None else None
    with in_words(folder), serving(given, settings.data_dir) as url, backups.written(folder, now) as (place, final):
        using = tools.tools(url, settings.data_dir)
        manifest = _write(using, url, place, now, report)
        if verify:
            require_room(embedded, manifest)
            with databases.administered(url) as admin, databases.scratch(admin, url) as scratch:
                loaded(using, scratch, place, manifest, report)
    removed = backups.rotate(folder, keep) if keep else []
    return Saved(final, manifest, backups.size(final / DUMP), verify, removed)


@contextmanager
def in_words(folder: Path) -> Iterator[None]:
    """Say in one line what PostgreSQL or the operating system refuses."""
    try:
        yield
    except psycopg.Error as cause:
        said = str(cause).partition("\n")[0]
        raise DatabaseUnavailable(unavailable(cause) or f"PostgreSQL refused: {said}") from cause
    except OSError as cause:
        raise BackupFailed(f"{cause.filename or folder} cannot be used: {cause.strerror}") from cause


def require_room(data_dir: Path | None, manifest: Manifest) -> None:
    """See to it that a copy fits beside what is in an embedded PostgreSQL: on a full disk that would stop for all."""
    if data_dir is None:
        return
    needed, free = 2 * manifest.content.bytes + SPARE, shutil.disk_usage(data_dir).free
    if needed > free:
        raise BackupFailed(
            f"A copy of the warehouse and its log need {needed / 1e6:,.0f} MB beside it, {free / 1e6:,.0f} MB are free "
            f"in {data_dir}: free some space"
        )


def _write(using: Tools, url: str, folder: Path, now: datetime, report: Report) -> Manifest:
    """Dump and count at the same time what one snapshot sees, and seal it with the manifest."""
    dumped = folder / DUMP
    with fingerprint.seen(url) as (connection, snapshot), ThreadPoolExecutor(1) as beside:
        if not ledger(connection):
            raise Conflict("There is no warehouse in this database: nothing was ever migrated there")
        look = _sized(report, "Written", dumped)
        dumping = beside.submit(tools.dump, using, url, dumped, snapshot, look)
        content = fingerprint.taken(connection, partial(report, "Counted"))
        dumping.result()
    size = backups.size(dumped)
    report("Written", size, size)
    manifest = Manifest(version("barhouse"), instant(now), _source(url), content, backups.files(folder))
    backups.seal(folder, manifest)
    return manifest


def _sized(report: Report, what: str, folder: Path) -> Callable[[], object]:
    return lambda: report(what, backups.size(folder), None)


def _source(url: str) -> dict[str, str]:
    told = conninfo_to_dict(url)
    where = str(told.get("host") or told.get("hostaddr") or "the local socket")
    return {"machine": socket.gethostname(), "server": where, "database": databases.name_of(url)}


def loaded(using: Tools, scratch: str, folder: Path, manifest: Manifest, report: Report) -> None:
    """Bring a backup into an empty database, and see to it that it holds what it held; BackupFailed if not."""
    total = manifest.content.bytes
    with psycopg.connect(scratch, autocommit=True) as watching:
        tools.load(using, scratch, folder / DUMP, lambda: report("Restored", min(state(watching).bytes, total), total))
    report("Restored", total, total)
    with fingerprint.seen(scratch) as (connection, _):
        found = fingerprint.taken(connection, partial(report, "Compared"))
    _require_same(manifest.content, found)


def _require_same(content: Fingerprint, found: Fingerprint) -> None:
    if differences := content.differences(found):
        more = f", and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise BackupFailed(f"What was restored is not what was there: {', '.join(differences[:3])}{more}")
