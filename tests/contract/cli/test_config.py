"""`barhouse config`: what is set, by whom, and a file to begin with."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.contract.cli.conftest import Barhouse


def test_each_setting_is_shown_with_who_told_it(barhouse: Barhouse, tmp_path: Path) -> None:
    file = tmp_path / "barhouse.toml"
    file.write_text('polygon_api_key = "s3cr3t"\nstagger_seconds = 1.5\n', encoding="utf-8")
    file.chmod(0o600)

    shown = barhouse(
        "--config", file, "config", "show", "--json", "--data-dir", tmp_path, BARHOUSE_PORT="81", DATABASE_URL=None
    )

    told = {row["name"]: (row["value"], row["origin"]) for row in json.loads(shown.stdout)}
    assert told["polygon_api_key"] == ("***", str(file))
    assert told["stagger_seconds"] == (1.5, str(file))
    assert told["port"] == (81, "BARHOUSE_PORT")
    assert told["data_dir"] == (str(tmp_path), "--data-dir")
    assert told["retention_days.fetches"] == (90, "default")
    assert "s3cr3t" not in barhouse("--config", file, "config", "show").output


def test_a_file_is_begun_once_for_its_owner_alone_and_can_be_used(barhouse: Barhouse, tmp_path: Path) -> None:
    file = tmp_path / "barhouse" / "barhouse.toml"

    assert barhouse("config", "init", XDG_CONFIG_HOME=str(tmp_path)).exit_code == 0

    assert file.stat().st_mode & 0o777 == 0o600
    assert "it tells 0 settings" in barhouse("config", "check", file).output
    again = barhouse("config", "init", XDG_CONFIG_HOME=str(tmp_path))
    assert again.exit_code == 1 and "there already" in again.output


def test_a_file_that_cannot_be_written_is_an_error(barhouse: Barhouse) -> None:
    refused = barhouse("config", "init", f"{os.devnull}/barhouse.toml")

    assert refused.exit_code == 1 and "cannot be written" in refused.output


def test_a_file_that_cannot_be_used_ends_every_command_with_its_name(barhouse: Barhouse, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[vendors.polygn]\nattempts = 1\n", encoding="utf-8")

    for words in (("config", "check", file), ("--config", file, "status"), ("--config", file, "config", "show")):
        refused = barhouse(*words)
        assert refused.exit_code == 1 and "mine.toml" in refused.output
        assert "is vendors.polygon meant?" in refused.output


def test_a_doubtful_file_is_shown_with_the_doubt(barhouse: Barhouse, tmp_path: Path) -> None:
    file = tmp_path / "barhouse.toml"
    file.write_text('alert_secret = "s3cr3t"\n', encoding="utf-8")
    file.chmod(0o640)

    assert f"chmod 600 {file}" in " ".join(barhouse("config", "check", file).output.split())
    assert "holds alert_secret" in barhouse("config", "show", BARHOUSE_CONFIG=str(file)).output
