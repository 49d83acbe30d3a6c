"""What holds for every command: help at once, one line for an error, a status that scripts can go by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from barhouse.cli.commands import VERBS
from tests.contract.cli.conftest import NOWHERE, Barhouse
from tests.vendors import Reply, vendor

KEY = "pk_never_shown_4711"


def test_help_imports_nothing_heavy() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "barhouse.cli", "--help"], capture_output=True, text=True, check=True
    )

    imported = {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"polars", "psycopg", "pydantic", "fastapi", "structlog"}
    assert all(f" {verb} " in told.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_commands_says_what_each_one_says_of_itself(barhouse: Barhouse, verb: str) -> None:
    told = " ".join(barhouse(verb, "--help").stdout.split())

    assert VERBS[verb].summary in told
    assert f"Example: barhouse {verb}" in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["bars", "NOPE"], "'NOPE' is not tracked"),
        (["bars", "AAPL", "-t", "7m"], "Invalid timeframes: ['7m']"),
        (["track", "BTC", "--class", "coin"], "Invalid asset class: 'coin'"),
        (["backfill", "AAPL", "--from", "yesterday"], "'yesterday' is no date"),
        (["backfill", "AAPL", "--from", "2024-01-02", "--to", "2024-01-01"], "ends before it starts"),
        (["backfill", "AAPL", "--source", "reuters"], "'reuters' is not configured"),
        (["backfill"], "Nothing is tracked"),
        (["export", "NOPE"], "'NOPE' is not tracked"),
        (["export", "AAPL", "--format", "parquet"], "needs a file"),
        (["import", "/nowhere/spy.csv", "--symbol", "SPY"], "spy.csv cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_request_is_one_line_and_status_2(barhouse: Barhouse, words: list[str], complaint: str) -> None:
    told = barhouse(*words)

    assert told.exit_code == 2
    assert told.stdout == ""
    assert told.stderr.startswith("error ")
    assert complaint in told.stderr
    assert told.stderr.count("\n") == 1


def test_usage_errors_are_status_2(barhouse: Barhouse) -> None:
    assert barhouse("bars").exit_code == 2
    assert barhouse("sell").exit_code == 2
    assert barhouse("bars", "AAPL", "--nonsense").exit_code == 2


def test_what_the_operator_has_to_mend_is_status_1(barhouse: Barhouse, tmp_path: Path) -> None:
    away = barhouse("status", DATABASE_URL="postgresql://reader:hush@127.0.0.1:9/bars")
    wrong = barhouse("status", BARHOUSE_PORT="many")
    blocked = barhouse("status", "--data-dir", "/dev/null/bars", DATABASE_URL=None)

    for told in (away, wrong, blocked):
        assert told.exit_code == 1
        assert told.stderr.startswith("error ")
        assert told.stderr.count("\n") == 1
        assert "hush" not in told.output


def test_a_backfill_that_misses_something_is_status_1_and_names_it(barhouse: Barhouse) -> None:
    with vendor(Reply(b'{"error": "not here"}', status=404)) as away:
        told = barhouse("backfill", "AAPL", "--from", "2024-01-02", "--to", "2024-02-01", BARHOUSE_YAHOO_URL=away.url)

    assert told.exit_code == 1
    assert "2024-01-02 to 2024-02-01" in told.stdout
    assert "yahoo: 404 not here" in told.stdout


def test_a_key_is_never_shown(barhouse: Barhouse) -> None:
    refusal = Reply.json({"status": "ERROR", "error": f"Unknown API Key {KEY}"}, status=401)
    with vendor(refusal) as strict, vendor(Reply(status=404)) as other:
        urls = {"BARHOUSE_POLYGON_URL": strict.url, "BARHOUSE_YAHOO_URL": other.url, "BARHOUSE_BINANCE_URL": other.url}
        told = [
            barhouse(*words, POLYGON_API_KEY=KEY, **urls)
            for words in (["backfill", "AAPL", "--from", "2024-01-02"], ["status"], ["doctor"], ["track", "AAPL"])
        ]

    assert [each.exit_code for each in told] == [1, 0, 1, 0]
    assert "401" in told[0].output
    assert not any(KEY in each.output for each in told)


def test_a_source_that_is_named_is_the_only_one_asked(barhouse: Barhouse) -> None:
    with vendor(Reply(status=404)) as yahoo, vendor(Reply(status=404)) as polygon:
        barhouse(
            *("backfill", "AAPL", "--from", "2024-01-02", "--to", "2024-02-01", "--source", "polygon"),
            POLYGON_API_KEY=KEY,
            BARHOUSE_POLYGON_URL=polygon.url,
            BARHOUSE_YAHOO_URL=yahoo.url,
        )

    assert polygon.calls == 1
    assert yahoo.calls == 0


def test_untracking_keeps_the_bars_and_fetches_nothing(barhouse: Barhouse) -> None:
    barhouse("track", "AAPL", "MSFT", "-t", "1d", "-t", "1h")

    part = barhouse("untrack", "AAPL", "-t", "1h")
    whole = barhouse("untrack", "msft")

    assert "in 1h: AAPL (stock); their bars stay" in part.stdout
    assert "any more: MSFT (stock); their bars stay" in whole.stdout
    assert "'NONE' is not tracked" in barhouse("untrack", "NONE").stderr


def test_tracking_says_what_no_source_can_reach(barhouse: Barhouse) -> None:
    told = barhouse("track", "AAPL", "brk-b", "-t", "1d", "-t", "15m", "--since", "2015-01-01")

    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert "AAPL 1d (stock) since 2015-01-01: from yahoo" in lines
    assert "BRK.B 1d (stock) since 2015-01-01: from yahoo" in lines
    assert "AAPL 15m (stock) since 2015-01-01: from yahoo" in lines
    beyond = [line for line in lines if "beyond their reach" in line]
    assert len(beyond) == 2
    assert all(line.startswith("  2015-01-01 to ") and "POLYGON_API_KEY" in line for line in beyond)


def test_a_coin_is_a_coin_however_it_is_written_and_a_stock_unless_told(barhouse: Barhouse) -> None:
    told = [barhouse("track", symbol, "--class", "crypto").stdout for symbol in ("BTC", "BTC-USD", "btcusdt")]
    stock = barhouse("track", "ETH-USD").stdout

    assert all(each.startswith("BTC 1d (crypto) since ") and "from binance then yahoo" in each for each in told)
    assert "--class crypto" in stock
    assert barhouse("status").stdout.count("BTC 1d") == 1


def test_status_tells_what_failed_and_what_was_not_read(barhouse: Barhouse) -> None:
    barhouse("track", "AAPL", "--since", "2024-01-02")
    with vendor(Reply(status=404)) as away:
        barhouse("backfill", "AAPL", "--from", "2024-01-02", "--to", "2024-02-01", BARHOUSE_YAHOO_URL=away.url)

    told = barhouse("status").stdout

    assert "failed 2024-01-02 to 2024-02-01" in told
    assert "not read 2024-02-01 to " in told
    assert "sources: binance, yahoo" in told


def test_an_empty_warehouse_says_how_to_begin(barhouse: Barhouse) -> None:
    told = barhouse("status", BARHOUSE_YAHOO_URL=NOWHERE)

    assert told.exit_code == 0
    assert "barhouse track AAPL" in told.stdout
