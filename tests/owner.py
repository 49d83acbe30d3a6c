"""A process that uses the embedded PostgreSQL, for tests that start several and kill them.

python -m tests.owner DATA_DIR           prints the URL, leaves when its input ends
python -m tests.owner DATA_DIR --write   keeps rows in `kept`, printing each once it is committed
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import psycopg

from barhouse.errors import EmbeddedServerError
from barhouse.store.embedded import running


def say(line: object) -> None:
    """Let the test know."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def write(url: str) -> None:
    """Commit numbers from 1 on, one a transaction, and print each."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (number int PRIMARY KEY)")
        for number in itertools.count(1):
            connection.execute("INSERT INTO kept VALUES (%s)", [number])
            say(number)


def main(data_dir: Path, *how: str) -> None:
    """Use the server until there is no more input."""
    try:
        with running(data_dir) as url:
            say(url)
            if how:
                write(url)
            sys.stdin.read()
    except EmbeddedServerError as refusal:
        sys.exit(f"refused: {refusal}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
