"""Backups as they lie on a disk: a folder with the dump in it and a manifest that says what must be there.

barhouse-20240131T020000Z/
    manifest.json     version, schema, counts and checksums, and the SHA-256 of each file; sealed by its own
    dump/             what pg_dump wrote in its directory format
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from barhouse.errors import Conflict, UnusableBackup
from barhouse.store.fingerprint import Count, Fingerprint

FORMAT = 1
"""The number of this way to lay a backup out."""

MANIFEST, DUMP = "manifest.json", "dump"

_NAME = re.compile(r"barhouse-\d{8}T\d{6}Z")
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself; `source` names the server and the database, `files` their bytes and SHA-256."""

    barhouse: str
    created_at: str
    source: Mapping[str, str]
    content: Fingerprint
    files: Mapping[str, tuple[int, str]]


@contextmanager
def written(folder: Path, now: datetime) -> Iterator[tuple[Path, Path]]:
    """A place for a backup, and the name that it has in `folder` once it is whole.

    The place is gone if anything goes wrong. Conflict (409) while another process writes there.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder):
        for left in folder.glob(f"barhouse-*{_PARTIAL}"):
            shutil.rmtree(left)
        final = folder / f"barhouse-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        if final.exists():
            raise Conflict(f"{final} is there already; try again in a second")
        partial = final.with_name(final.name + _PARTIAL)
        partial.mkdir(mode=0o700)
        try:
            yield partial, final
            partial.rename(final)
            _settle(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(f"Another backup is being written into {folder}; wait for it") from None
    finally:
        os.close(handle)


def _settle(path: Path) -> None:
    """Make a file, or the names in a folder, outlast a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a backup, durably."""
    told: dict[str, Any] = {"format": FORMAT, **asdict(manifest)}
    told["digest"] = _digest(told)
    path = folder / MANIFEST
    path.write_text(json.dumps(told, indent=1), encoding="utf-8")
    _settle(path)
    _settle(folder)


def _digest(told: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in told.items() if name != "digest"}
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def files(folder: Path) -> dict[str, tuple[int, str]]:
    """The files of the dump in a backup, each with its bytes and its SHA-256."""
    return {path.name: _weighed(path) for path in sorted((folder / DUMP).iterdir())}


def _weighed(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, file_digest(file, "sha256").hexdigest()


def size(folder: Path) -> int:
    """The bytes of the files in a folder; it may be growing, or not be there yet."""
    if not folder.is_dir():
        return 0
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())


def read(folder: Path) -> Manifest:
    """What a backup says of itself; UnusableBackup (422) says what is wrong with it."""
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnusableBackup(f"{folder} is no backup: there is no {MANIFEST} in it") from None
    except NotADirectoryError:
        raise UnusableBackup(f"{folder} is no backup: it is a file, a backup is a folder with a {MANIFEST}") from None
    except (ValueError, OSError) as cause:
        raise UnusableBackup(f"{path} cannot be read, the backup is damaged; take another one") from cause
    if not isinstance(told, dict) or "format" not in told or "digest" not in told:
        raise UnusableBackup(f"{path} is no manifest of a backup")
    if told["format"] != FORMAT:
        raise UnusableBackup(f"{folder} has the format {told['format']}, this Barhouse reads {FORMAT}: install a newer")
    if told["digest"] != _digest(told):
        raise UnusableBackup(f"{path} was changed after it had been written; take another backup")
    return _parsed(told)


def _parsed(told: Mapping[str, Any]) -> Manifest:
    content = told["content"]
    counts = {part: {name: Count(*count) for name, count in content[part].items()} for part in ("tables", "series")}
    return Manifest(
        barhouse=told["barhouse"],
        created_at=told["created_at"],
        source=told["source"],
        content=Fingerprint(content["ledger"], content["bytes"], content["server"], **counts),
        files={name: (weight, digest) for name, (weight, digest) in told["files"].items()},
    )


def check(folder: Path, manifest: Manifest, look: Callable[[int, int], object]) -> None:
    """See to it that each file is as it was written; UnusableBackup (422) names the first that is not."""
    total, done = sum(weight for weight, _ in manifest.files.values()), 0
    for name, (weight, digest) in manifest.files.items():
        path = folder / DUMP / name
        look(done, total)
        if not path.is_file():
            raise UnusableBackup(f"{path} is missing; take another backup")
        if path.stat().st_size != weight:
            raise UnusableBackup(f"{path} has {path.stat().st_size:,} bytes instead of {weight:,}; take another backup")
        if _weighed(path)[1] != digest:
            raise UnusableBackup(f"{path} was changed after it had been written; take another backup")
        done += weight
    look(total, total)


def rotate(folder: Path, keep: int) -> list[Path]:
    """Remove all whole backups in `folder` but the newest `keep`; those that were removed."""
    whole = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and (path / MANIFEST).is_file()]
    old = sorted(whole)[:-keep]
    for path in old:
        (path / MANIFEST).unlink()
        shutil.rmtree(path)
    return old
