"""A file of settings: what it tells, what the environment tells against it, and what is wrong with it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from barhouse.config import choose, settings
from barhouse.config.loading import check, doubts, exposed
from barhouse.config.origins import known, origin
from barhouse.config.sample import sample
from barhouse.errors import SettingsError
from tests.unit.config.conftest import Reading


def test_the_environment_goes_before_the_file_and_that_before_the_default(reading: Reading) -> None:
    found = reading("port = 1\nbackfill_schedule_hour = 4\n", BARHOUSE_PORT="2")

    assert (found.port, found.backfill_schedule_hour, found.backfill_schedule_minute) == (2, 4, 0)


def test_each_setting_says_who_told_it(reading: Reading, tmp_path: Path) -> None:
    reading(
        "http_timeout = 5\n[alert_rules.overdue]\nthreshold = 48\n",
        backfill_schedule_hour="5",
        BARHOUSE_ALERT_RULES__OVERDUE__SEVERITY="critical",
        BARHOUSE_RETENTION_DAYS='{"fetches": 30}',
    )

    told = {each.name: origin(each) for each in known() if origin(each) != "default"}
    file = str(tmp_path / "barhouse.toml")
    assert told == {
        "http_timeout": file,
        "alert_rules.overdue.threshold": file,
        "backfill_schedule_hour": "backfill_schedule_hour",
        "alert_rules.overdue.severity": "BARHOUSE_ALERT_RULES__OVERDUE__SEVERITY",
        "retention_days.fetches": "BARHOUSE_RETENTION_DAYS",
    }


def test_a_section_told_in_part_keeps_its_other_defaults(reading: Reading) -> None:
    found = reading("[alert_rules.overdue]\nthreshold = 48\n", BARHOUSE_VENDORS__YAHOO__ATTEMPTS="2")

    rule = found.alert_rules.overdue
    assert (rule.threshold, rule.severity, rule.enabled) == (48, "warning", True)
    assert (found.vendors.yahoo.attempts, found.vendors.yahoo.recovery, found.vendors.polygon.attempts) == (2, 60, 5)


def test_symbols_are_a_list_or_words(reading: Reading) -> None:
    found = reading('critical_symbols = ["SPY", "BTC"]\nlarge_symbols = "AAPL, MSFT NVDA"\n')

    assert (found.critical_symbols, found.large_symbols) == (("SPY", "BTC"), ("AAPL", "MSFT", "NVDA"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_concurent_symbols = 2", "max_concurent_symbols .* is no setting; is max_concurrent_symbols meant"),
        ("[retention_days]\nfetch = 9", "retention_days.fetch .* is retention_days.fetches meant"),
        ("[retention]\nfetches = 9", "retention .* is retention_days meant"),
        ("[alert_rules.overdu]\nthreshold = 9", "is alert_rules.overdue meant"),
        ("port = 99999", "port .*less than or equal to 65535"),
        ("port = 'http'", "port .*valid integer"),
        ("vendors = 3", "vendors .*valid dictionary"),
        ("critical_symbols = [1]", "critical_symbols .*valid string"),
        ("stagger_seconds = inf", "stagger_seconds .*finite"),
        ("[vendors.polygon]\nattempts = 6", "vendors.polygon.attempts .*less than or equal to 5"),
        ("[retention_days]\nruns = 1", "retention_days.runs .*greater than or equal to 7"),
        ("health_schedule = '0 0 31 2 *'", "health_schedule .*never fires"),
        ("port =", "cannot be read: Invalid value"),
        ("port = 1\nport = 2", "cannot be read: Cannot overwrite"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_file(reading: Reading, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        reading(text)

    assert "barhouse.toml" in str(refused.value)


def test_what_a_variable_has_wrong_is_told_by_its_name(reading: Reading) -> None:
    with pytest.raises(SettingsError, match=re.escape("http_timeout (BARHOUSE_HTTP_TIMEOUT): Input should be")):
        reading(BARHOUSE_HTTP_TIMEOUT="soon")


def test_a_section_that_is_no_json_is_told_by_its_variable(reading: Reading) -> None:
    with pytest.raises(SettingsError, match=r"retention_days \(BARHOUSE_RETENTION_DAYS\)"):
        reading(BARHOUSE_RETENTION_DAYS="30")


def test_an_empty_variable_says_nothing_but_where_nothing_is_an_answer(reading: Reading) -> None:
    found = reading(
        "port = 3\n", BARHOUSE_PORT="", DATABASE_URL="", BARHOUSE_RETENTION_DAYS="", BARHOUSE_CRITICAL_SYMBOLS=""
    )

    assert (found.port, found.database_url, found.critical_symbols) == (3, None, ())
    assert found.retention_days.fetches == 90


def test_a_byte_order_mark_is_no_part_of_the_file(reading: Reading) -> None:
    assert reading("\ufeffport = 3\n").port == 3


def test_a_secret_of_the_file_is_used_and_not_shown(reading: Reading) -> None:
    found = reading('polygon_api_key = "s3cr3t"\n')

    assert found.polygon_api_key and found.polygon_api_key.get_secret_value() == "s3cr3t"
    assert "s3cr3t" not in repr(found)


def test_a_wrong_secret_is_not_told_by_the_refusal(reading: Reading) -> None:
    with pytest.raises(SettingsError) as refused:
        reading('polygon_api_key = ["s3cr3t"]\n')

    assert "s3cr3t" not in str(refused.value)


def test_a_secret_that_others_may_read_is_a_doubt(reading: Reading, tmp_path: Path) -> None:
    reading('alert_secret = "s3cr3t"\n')
    path = tmp_path / "barhouse.toml"
    path.chmod(0o644)

    assert exposed(path) == [f"{path} holds alert_secret, and others than its owner may read it: chmod 600 {path}"]
    path.chmod(0o600)
    assert exposed(path) == []


def test_a_variable_that_nothing_reads_is_a_doubt(reading: Reading) -> None:
    reading(BARHOUSE_PROT="3", BARHOUSE_VENDORS="{}")

    assert doubts() == ["BARHOUSE_PROT is a variable that nothing reads; is BARHOUSE_PORT meant?"]


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "absent.toml", "No such file"), (tmp_path, "Is a directory")):
        choose(path)
        with pytest.raises(SettingsError, match=words):
            settings()
    choose(None)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "barhouse.toml"
    path.write_bytes(b"\xff\xfe\x00p")

    with pytest.raises(SettingsError, match="no UTF-8 text"):
        check(path)


def test_a_file_in_the_working_directory_is_not_read_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "barhouse.toml").write_text('polygon_url = "https://stranger.example"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    choose(None)

    assert settings().polygon_url == "https://api.polygon.io"


def test_the_file_is_that_of_the_flag_else_of_the_variable_else_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BARHOUSE_PORT", raising=False)
    paths = [tmp_path / "barhouse" / "barhouse.toml", tmp_path / "variable.toml", tmp_path / "flag.toml"]
    paths[0].parent.mkdir()
    for port, path in enumerate(paths, 1):
        path.write_text(f"port = {port}\n", encoding="utf-8")

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    choose(None)
    assert settings().port == 1
    monkeypatch.setenv("BARHOUSE_CONFIG", str(paths[1]))
    choose(None)
    assert settings().port == 2
    choose(paths[2])
    assert settings().port == 3
    monkeypatch.setenv("BARHOUSE_CONFIG", os.devnull)
    choose(None)
    assert settings().port == 8000


def test_a_file_is_checked_without_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "barhouse.toml"
    path.write_text("host = '::1'\n[alert_rules.overdue]\nthreshold = 48\n", encoding="utf-8")
    monkeypatch.setenv("BARHOUSE_HOST", "0.0.0.0")

    found = check(path)

    assert (found.host, found.alert_rules.overdue.threshold, found.alert_rules.overdue.severity) == (
        "::1", 48, "warning",
    )  # fmt: skip


def test_the_sample_tells_nothing_and_all_of_it_are_the_defaults(tmp_path: Path) -> None:
    silent, told, nothing = tmp_path / "silent.toml", tmp_path / "told.toml", tmp_path / "nothing.toml"
    nothing.touch()
    silent.write_text(sample(), encoding="utf-8")
    told.write_text(re.sub(r"^# ([a-z_]+ = )", r"\1", sample(), flags=re.MULTILINE), encoding="utf-8")

    assert check(silent) == check(nothing)
    changed = {name for name, value in check(told) if value != getattr(check(nothing), name)}
    assert changed == {"api_key", "database_url", "polygon_api_key", "alert_urls", "alert_secret"}
    assert all(f"# {each.place[-1]} = " in sample() for each in known())
