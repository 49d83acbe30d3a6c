"""What the warehouse answers to questions that go wrong, and the shape of what it answers to others."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest

POLYGON, BINANCE, YAHOO = "/compat/polygon", "/compat/binance", "/compat/yahoo"
RANGE = "/v2/aggs/ticker/{stocksTicker}/range/{multiplier}/{timespan}/{from}/{to}"
AGGS = f"{POLYGON}/v2/aggs/ticker"
KLINES = f"{BINANCE}/api/v3/klines"


@pytest.fixture
def ask(barhouse: str) -> Iterator[httpx.Client]:
    """A client of the warehouse."""
    with httpx.Client(base_url=barhouse, timeout=30) as client:
        yield client


def schema(shared_data: Path, path: str) -> dict[str, Any]:
    """What the vendor's own OpenAPI says of an answer."""
    packed = shared_data / "payloads" / "polygon" / "openapi_subset.json.gz"
    paths = orjson.loads(gzip.decompress(packed.read_bytes()))["paths"]
    found: dict[str, Any] = paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return found


def flaws(value: Any, wanted: dict[str, Any], where: str = "") -> list[str]:
    """Where a value is not as a schema says; of schemas what the vendor's use: types, fields, items, allOf."""
    found = [flaw for part in wanted.get("allOf", []) for flaw in flaws(value, part, where)]
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)
    }  # fmt: skip
    kind = kinds.get(wanted.get("type", ""))
    if kind and not isinstance(value, kind):
        return [*found, f"{where}: {value!r} is no {wanted['type']}"]
    if isinstance(value, dict):
        fields = wanted.get("properties", {})
        found += [f"{where}.{name} is missing" for name in wanted.get("required", []) if name not in value]
        found += [flaw for n, v in value.items() if n in fields for flaw in flaws(v, fields[n], f"{where}.{n}")]
    if isinstance(value, list) and "items" in wanted:
        found += [
            flaw for place, each in enumerate(value) for flaw in flaws(each, wanted["items"], f"{where}[{place}]")
        ]
    return found


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("v2/aggs/ticker/AAPL/range/1/day/2005-01-01/2005-04-01", RANGE),
        ("v2/aggs/ticker/X:BTCUSD/range/1/hour/2024-03-04/2024-03-05", RANGE),
        ("v2/aggs/ticker/NOSUCH/range/1/day/2005-01-01/2005-04-01", RANGE),
        ("v3/reference/splits?ticker=AAPL", "/v3/reference/splits"),
        ("v3/reference/dividends?ticker=AAPL", "/v3/reference/dividends"),
        ("v3/reference/tickers", "/v3/reference/tickers"),
    ],
)  # fmt: skip
def test_polygons_answers_are_as_its_own_openapi_says(
    ask: httpx.Client, shared_data: Path, question: str, path: str
) -> None:
    answer = ask.get(f"{POLYGON}/{question}")

    assert answer.status_code == 200
    assert flaws(answer.json(), schema(shared_data, path)) == []


def test_the_day_before_today_has_the_recorded_shape(ask: httpx.Client, shared_data: Path) -> None:
    answer = ask.get(f"{AGGS}/SPY/prev").json()

    wanted = orjson.loads((shared_data / "payloads" / "polygon" / "v2_aggs_ticker_AAPL_prev.json").read_bytes())
    assert answer.keys() == wanted.keys()
    assert answer["results"][0].keys() == wanted["results"][0].keys()
    closes = datetime(2024, 3, 15, 20, tzinfo=UTC)
    assert (answer["results"][0]["T"], answer["results"][0]["t"]) == ("SPY", closes.timestamp() * 1000)


def test_a_key_in_the_address_is_refused_with_the_mend(ask: httpx.Client) -> None:
    answer = ask.get(f"{AGGS}/AAPL/range/1/day/2005-01-01/2005-04-01?apiKey=secret")

    assert answer.status_code == 401
    assert "Authorization: Bearer" in answer.json()["error"]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "question",
    [
        "AAPL/range/1/minute/2005-01-01/2005-04-01",
        "AAPL/range/1/day/1980-01-01/1980-04-01",
        "X:BTCUSD/range/1/hour/2020-01-01/2020-01-02",
    ],
)
def test_bars_that_were_never_read_are_not_told_as_none(ask: httpx.Client, question: str) -> None:
    answer = ask.get(f"{AGGS}/{question}")

    assert answer.status_code == 403
    assert answer.json()["status"] == "NOT_AUTHORIZED"
    assert "were read for that time" in answer.json()["message"]


def test_a_time_without_trade_that_was_read_has_no_results(ask: httpx.Client) -> None:
    answer = ask.get(f"{AGGS}/SPY/range/5/minute/2024-03-09/2024-03-10").json()

    assert (answer["status"], answer["resultsCount"]) == ("OK", 0)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("symbol=NOSUCH&interval=1h", -1121),
        ("interval=1h", -1102),
        ("symbol=BTCUSDT&interval=7m", -1120),
        ("symbol=BTCUSDT&interval=1m", -1120),
        ("symbol=BTCUSDT&interval=1h&startTime=now", -1100),
        (f"symbol=BTCUSDT&interval=1h&startTime={'9' * 5000}", -1100),
        ("symbol=BTCUSDT&interval=1h&limit=-", -1100),
    ],
)
def test_binance_refuses_in_its_own_codes(ask: httpx.Client, query: str, code: int) -> None:
    answer = ask.get(f"{KLINES}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    "path",
    [
        f"{AGGS}/AAPL/range/9999/year/1970-01-01/{'9' * 4400}",
        f"{AGGS}/AAPL/range/{'9' * 4400}/day/1970-01-01/2020-01-01",
        f"{AGGS}/AAPL/range/9999/year/-99999999999999999/99999999999999999",
        f"{AGGS}/AAPL/range/9999/hour/-99999999999999999/99999999999999999",
        f"{AGGS}/AAPL/range/1/day/2005-01-01/2005-02-01?limit={'9' * 4400}",
        f"{AGGS}/AAPL/range/1/day/2005-01-01/2005-02-01?cursor=%FF%00",
        f"{AGGS}/%00'--/range/1/day/2005-01-01/2005-02-01",
        f"{POLYGON}/v3/reference/splits?cursor=YQ&page_marker={'9' * 4400}",
        f"{YAHOO}/v8/finance/chart/AAPL?period1=-{'9' * 30}&period2={'9' * 30}",
        f"{YAHOO}/v8/finance/chart/AAPL?period1={'9' * 4400}",
        f"{YAHOO}/v8/finance/chart/AAPL?range={'9' * 400}y",
        f"{YAHOO}/v8/finance/chart/AAPL?range=999y&interval=3mo",
        f"{YAHOO}/v8/finance/chart/SPY?range=max&interval=5m",
        f"{KLINES}?symbol=BTCUSDT&interval=1M&startTime=-999999999999999999&endTime=999999999999999999",
        f"{KLINES}?symbol=BTCUSDT&interval=1h&startTime=5&endTime=1&limit=0",
    ],
)
def test_hostile_questions_are_answered_or_refused(ask: httpx.Client, path: str) -> None:
    assert ask.get(path).status_code in {200, 400, 403, 404, 422}


@pytest.fixture
def forming(filled: str) -> Iterator[datetime]:
    """The Monday of a week of BTC that is still forming; an older one was forming when it was read last."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday())
    with psycopg.connect(filled) as connection:
        connection.execute(
            "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source,"
            " validated, quality_score, forming) SELECT 'BTC', 'crypto', '1w', at, 1, 2, 0.5, 1.5, 3, 'binance', true,"
            " 1, true FROM unnest(%s::timestamptz[]) AS at",
            [[monday - timedelta(weeks=3), monday]],
        )
    yield monday
    with psycopg.connect(filled) as connection:
        connection.execute("DELETE FROM bar WHERE forming")


def test_the_forming_bar_is_given_only_while_it_forms(ask: httpx.Client, forming: datetime) -> None:
    rows = ask.get(f"{KLINES}?symbol=BTCUSDT&interval=1w&limit=3").json()

    newest_settled = datetime(2024, 3, 11, tzinfo=UTC)
    assert [row[0] for row in rows[-2:]] == [newest_settled.timestamp() * 1000, forming.timestamp() * 1000]
