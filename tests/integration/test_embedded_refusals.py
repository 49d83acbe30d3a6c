"""What hinders the embedded PostgreSQL is said with its mend, and nothing is lost by it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from barhouse.errors import EmbeddedServerError
from barhouse.store.embedded import running, start
from tests.integration.embedded_servers import Owner, as_root, ask, copy, python_for, small_disk

NAMELESS = 54321
"""A user id that no account has."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose only row is 7, to be copied."""
    data_dir = tmp_path_factory.mktemp("made") / "data"
    with running(data_dir) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    return data_dir


@pytest.fixture
def data_dir(made: Path, tmp_path: Path) -> Path:
    """A data directory of the test's own."""
    return copy(made, tmp_path / "data")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter and write to."""
    with tempfile.TemporaryDirectory(prefix="barhouse-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def refusal(data_dir: Path) -> str:
    """What is said instead of starting."""
    with pytest.raises(EmbeddedServerError) as refused:
        start(data_dir)
    return str(refused.value)


def kept(data_dir: Path) -> int:
    """The row that was there before."""
    with running(data_dir) as url:
        return int(ask(url, "SELECT number FROM kept"))


@as_root
def test_a_disk_too_small_for_a_new_cluster_is_full_and_left_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=12) as disk:
        assert "is full: free some space" in refusal(disk / "data")

        assert not (disk / "data" / "postgres").exists()
        assert not (disk / "data" / "postgres.new").exists()


@as_root
def test_a_disk_that_filled_up_serves_again_once_there_is_space(made: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=150) as disk:
        data_dir = copy(made, disk / "data")
        fill(disk / "ballast")
        assert "full" in refusal(data_dir)

        (disk / "ballast").unlink()
        assert kept(data_dir) == 7


@as_root
def test_a_read_only_disk_is_named_and_serves_again_when_it_can_be_written(made: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=150) as disk:
        data_dir = copy(made, disk / "data")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert "read-only" in refusal(data_dir)

        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        assert kept(data_dir) == 7


def test_a_cluster_of_another_major_version_is_not_touched(data_dir: Path) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")

    said = refusal(data_dir)

    assert "was made by PostgreSQL 17, this Barhouse brings 18" in said
    assert "pg_upgrade" in said
    (data_dir / "postgres" / "PG_VERSION").write_text("18\n")
    assert kept(data_dir) == 7


def test_the_data_directory_of_another_server_is_not_touched(data_dir: Path) -> None:
    assert "is itself the data directory of a PostgreSQL server" in refusal(data_dir / "postgres")


@as_root
def test_a_cluster_that_belongs_to_another_user_is_not_touched(data_dir: Path) -> None:
    os.chown(data_dir / "postgres", NAMELESS, NAMELESS)

    assert f"belongs to user id {NAMELESS}" in refusal(data_dir)


def test_a_folder_with_other_files_is_not_taken_for_a_cluster(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "postgres"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("irreplaceable")
    own(folder)

    assert "is not a data directory of PostgreSQL" in refusal(tmp_path / "data")
    assert (folder / "thesis.txt").read_text() == "irreplaceable"


def test_a_file_in_the_place_of_the_data_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    assert "a file is where a folder should be" in refusal(tmp_path / "data")


def test_a_damaged_configuration_is_told_in_the_words_of_postgresql(data_dir: Path) -> None:
    with (data_dir / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("shared_buffers = plenty\n")

    assert 'invalid value for parameter "shared_buffers": "plenty"' in refusal(data_dir)


@as_root
def test_a_user_id_without_a_name_is_told_how_to_get_one(open_folder: Path) -> None:
    python, environment = python_for(NAMELESS)
    command = [python, "-m", "tests.owner", str(open_folder / "data")]

    owner = Owner(open_folder, command=command, user=NAMELESS, group=NAMELESS, extra_groups=[], env=environment)

    said = owner.leave()[1]
    assert f"The user id {NAMELESS} has no name on this machine" in said
    assert "/etc/passwd" in said


@as_root
def test_a_user_that_may_not_write_there_is_told_so(open_folder: Path) -> None:
    open_folder.chmod(0o755)
    python, environment = python_for(NAMELESS)
    command = [python, "-m", "tests.owner", str(open_folder / "data")]

    owner = Owner(open_folder, command=command, user=NAMELESS, group=NAMELESS, extra_groups=[], env=environment)

    said = owner.leave()[1]
    assert "permission denied; run as the user it belongs to" in said


def fill(file: Path) -> None:
    """Take all the space that is left on a disk."""
    with file.open("wb", buffering=0) as ballast:
        while True:
            try:
                ballast.write(bytes(4096))
            except OSError:
                return


def own(folder: Path) -> None:
    """Give a folder to the account that runs the server."""
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
