"""What a fresh machine is told by `make`."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
debian_only = pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="asks for Debian's packages")


def fake(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout on a machine whose Python came without venv; its programs lie in `bin`."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "venv.sh", tmp_path / "scripts")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "touch"):
        (programs / name).symlink_to(str(shutil.which(name)))
    fake(programs, "python3", 'case "$2" in *ensurepip*) exit 1 ;; *executable*) echo python3 ;; esac')
    fake(programs, "apt-get", f'echo "$@" >> {tmp_path}/apt')
    return tmp_path


def set_up(checkout: Path, user: int) -> subprocess.CompletedProcess[str]:
    fake(checkout / "bin", "id", f"echo {user}")
    return subprocess.run(
        ["sh", "scripts/venv.sh", "run"],
        cwd=checkout,
        env={"PATH": str(checkout / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_alone_lists_what_can_be_done() -> None:
    told = subprocess.run(["make", "-s"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    assert {line.split()[1] for line in told.splitlines()} >= {"venv", "demo", "up", "test", "check", "bench"}


def test_every_target_is_listed_or_made_for_one_that_is() -> None:
    text = (REPOSITORY / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)

    assert phony is not None
    assert set(phony[1].split()) == set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


@debian_only
def test_a_user_without_venv_is_told_the_command(bare: Path) -> None:
    told = set_up(bare, user=1000)

    assert told.returncode == 1
    assert told.stderr == "Barhouse needs python3-venv: sudo apt-get install python3-venv\n"
    assert not (bare / "apt").exists()


@debian_only
def test_root_without_venv_has_it_installed(bare: Path) -> None:
    told = set_up(bare, user=0)

    assert (bare / "apt").read_text() == "update -qq\ninstall -y python3-venv\n"
    assert "has no venv module" in told.stderr


@debian_only
def test_a_machine_without_python_is_told_the_command(bare: Path) -> None:
    (bare / "bin" / "python3").unlink()

    told = set_up(bare, user=1000)

    assert told.returncode == 1
    assert told.stderr == "Barhouse needs python3 python3-venv: sudo apt-get install python3 python3-venv\n"


def test_a_python_that_is_too_old_is_none(bare: Path) -> None:
    fake(bare / "bin", "python3", "exit 1")
    fake(bare / "bin", "python3.11", 'echo python3.11; echo "$2" >> asked')

    set_up(bare, user=1000)

    assert (bare / "asked").read_text().splitlines()[-2:] == ["import ensurepip, venv", "venv"]


@pytest.fixture
def without_a_browser(tmp_path: Path) -> Path:
    """The programs of a machine that has no Chromium, and an apt-get that brings one."""
    for name in ("sh", "env"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    fake(tmp_path, "uname", "echo Linux")
    fake(tmp_path, "brought", "echo Chromium 156")
    fake(
        tmp_path,
        "apt-get",
        f'case $* in *" chromium") {shutil.which("cp")} {tmp_path}/brought {tmp_path}/chromium ;; esac',
    )
    return tmp_path


def look_for_a_browser(programs: Path, user: int, *words: str) -> subprocess.CompletedProcess[str]:
    fake(programs, "id", f"echo {user}")
    command = ["sh", str(REPOSITORY / "scripts" / "chromium.sh"), *words]
    return subprocess.run(command, env={"PATH": str(programs)}, capture_output=True, text=True, check=False)


@debian_only
def test_root_without_a_browser_has_debians_installed(without_a_browser: Path) -> None:
    told = look_for_a_browser(without_a_browser, 0, "install")

    assert (told.returncode, told.stdout) == (0, f"{without_a_browser}/chromium\n")


@debian_only
def test_a_user_without_a_browser_is_told_the_command(without_a_browser: Path) -> None:
    told = look_for_a_browser(without_a_browser, 1000, "install")

    assert told.returncode == 1
    assert "sudo apt-get install chromium" in told.stderr


@debian_only
def test_who_only_looks_for_a_browser_gets_none_installed(without_a_browser: Path) -> None:
    assert look_for_a_browser(without_a_browser, 0).returncode == 1
    assert not (without_a_browser / "chromium").exists()
