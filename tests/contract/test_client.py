"""What notebooks rely on: the same frames and errors over HTTP and straight from the database."""

from __future__ import annotations

import doctest
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime

import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal
from pydantic import SecretStr

from barhouse.api.app import create
from barhouse.api.vendor_side import served
from barhouse.client import Client
from barhouse.config import Settings
from barhouse.errors import (
    AmbiguousSymbol,
    BarhouseError,
    InvalidAssetClass,
    InvalidParameter,
    InvalidTimeframe,
    ServerUnavailable,
    UnknownRecord,
    UnknownSymbol,
)
from barhouse.features import registry
from tests.answers import real
from tests.servers import Server, free_port
from tests.vendors import HTML, Reply, vendor
from tests.warehouse import filled

FIVE = ["time", "open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def ways(server: Server) -> Iterator[dict[str, Client]]:
    with (
        filled(server) as url,
        served(create(Settings(database_url=SecretStr(url)))) as address,
        Client(address) as over_http,
        Client(database_url=url) as direct,
    ):
        yield {"over HTTP": over_http, "direct": direct}


@pytest.fixture(params=["over HTTP", "direct"])
def client(ways: dict[str, Client], request: pytest.FixtureRequest) -> Client:
    return ways[request.param]


def test_bars_come_as_they_were_kept(client: Client) -> None:
    assert_frame_equal(client.bars("AAPL").select(FIVE), real("AAPL").select(FIVE))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2012-01-03", "2012-01-05"),
        (date(2012, 1, 3), date(2012, 1, 5)),
        (datetime(2012, 1, 3, tzinfo=UTC), datetime(2012, 1, 4, 23, 59, tzinfo=UTC)),
        ("2012-01-02T19:00:00-05:00", "2012-01-04T00:00:01Z"),
    ],
)
def test_a_span_may_be_written_in_any_way(client: Client, start: str, end: str) -> None:
    assert client.bars("AAPL", "1d", start, end)["close"].to_list() == [411.23, 413.44]


def test_both_ways_give_the_same_frames(ways: dict[str, Client]) -> None:
    over_http, direct = ways.values()

    assert_frame_equal(over_http.bars("AAPL", features=True), direct.bars("AAPL", features=True))
    assert_frame_equal(over_http.bars("ODD", "1h", session="all"), direct.bars("ODD", "1h", session="all"))
    assert_frame_equal(over_http.bars("AAPL", start="2030-01-01"), direct.bars("AAPL", start="2030-01-01"))
    assert_frame_equal(over_http.features("AAPL"), direct.features("AAPL"))
    assert_frame_equal(over_http.symbols(), direct.symbols())
    assert over_http.status() | {"timestamp": None} == direct.status() | {"timestamp": None}


def test_bars_may_be_asked_to_be_good_enough(client: Client) -> None:
    assert client.bars("ODD", "1h", validated_only=True)["open"].to_list() == [10, 12, 13]
    assert client.bars("ODD", "1h", min_quality=0.95)["open"].to_list() == [10, 13]


def test_features_stand_beside_time_and_close(client: Client) -> None:
    assert client.features("AAPL").columns == ["time", "close", *registry]


def test_symbols_have_a_row_a_series(client: Client) -> None:
    [aapl] = client.symbols().filter(pl.col("symbol") == "AAPL").to_dicts()

    assert (aapl["timeframe"], aapl["bars"]) == ("1d", 3270)
    assert aapl["last_bar"] == datetime(2013, 3, 1, tzinfo=UTC)


def test_a_frame_goes_on_to_pandas(client: Client) -> None:
    pandas = client.bars("AAPL").to_pandas()

    assert pandas["close"].iloc[0] == real("AAPL")["close"][0]
    assert str(pandas["time"].dt.tz) == "UTC"


@pytest.mark.parametrize(
    ("symbol", "timeframe", "asset_class", "expected"),
    [
        ("NONE", "1d", None, UnknownSymbol),
        ("A/B?c", "1d", None, UnknownSymbol),
        ("AAPL", "2h", None, InvalidTimeframe),
        ("AAPL", "1d", "bond", InvalidAssetClass),
        ("BTC", "1d", None, AmbiguousSymbol),
    ],
)
def test_errors_are_the_same_either_way(
    ways: dict[str, Client], symbol: str, timeframe: str, asset_class: str | None, expected: type[BarhouseError]
) -> None:
    told = []
    for client in ways.values():
        with pytest.raises(expected) as raised:
            client.bars(symbol, timeframe, asset_class=asset_class)
        told.append(str(raised.value))

    assert told[0] == told[1]


def test_a_date_that_is_none_is_an_invalid_parameter(client: Client) -> None:
    with pytest.raises(InvalidParameter, match="is no date"):
        client.bars("AAPL", start="soon")


@pytest.mark.parametrize("quality", [-0.1, 1.1, float("nan")])
def test_a_quality_out_of_range_is_refused(client: Client, quality: float) -> None:
    with pytest.raises(InvalidParameter, match="min_quality"):
        client.bars("AAPL", min_quality=quality)


def test_a_server_that_is_not_there_is_named_with_the_mend() -> None:
    with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:\d+; `barhouse up` starts one"):
        Client(f"http://127.0.0.1:{free_port()}").status()


@pytest.mark.parametrize("reply", [Reply(HTML, 502), Reply(HTML, 200), Reply(b"{}", cut=1), Reply(b"{}", reset=True)])
def test_what_is_no_answer_of_barhouse_is_an_error(reply: Reply) -> None:
    with vendor(reply) as host, pytest.raises(BarhouseError):
        Client(host.url).status()
    with vendor(reply) as host, pytest.raises(BarhouseError):
        Client(host.url).bars("AAPL")


def test_importing_barhouse_loads_nothing_until_it_is_asked_for() -> None:
    script = "import sys, barhouse; assert 'polars' not in sys.modules; from barhouse import DatabaseService"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_several_symbols_and_built_bars_are_the_same_either_way(ways: dict[str, Client]) -> None:
    over_http, direct = ways.values()

    for asked in ({"adjust": "splits"}, {"features": True}, {"as_of": "2026-01-01"}):
        found = over_http.bars(["ETH", "AAPL"], **asked)
        assert_frame_equal(found, direct.bars(["ETH", "AAPL"], **asked))
        assert found.columns[:3] == ["symbol", "asset_class", "time"]
    assert_frame_equal(over_http.bars("AAPL", "1w"), direct.bars("AAPL", "1w"))
    assert set(direct.bars("AAPL", "1w")["built_from"]) == {"1d"}
    assert_frame_equal(
        over_http.bars(["AAPL"], "1w", resample_from="1d"), direct.bars(["AAPL"], "1w", resample_from="1d")
    )
    assert_frame_equal(over_http.quality("AAPL", 30), direct.quality("AAPL", 30))


def test_examples_are_true(client: Client) -> None:
    tried = doctest.DocTestFinder().find(Client, "Client", globs={"client": client})
    runner = doctest.DocTestRunner()
    for each in tried:
        runner.run(each)

    assert (runner.summarize(verbose=False).failed, runner.tries) == (0, 2)


def test_a_job_is_asked_for_and_waited_for(ways: dict[str, Client], server: Server) -> None:
    with server.database() as url, served(create(Settings(database_url=SecretStr(url)))) as address:
        ends = "UPDATE backfill_state_persistent SET status = 'completed', completed_at = now()"
        for client in (Client(address), Client(database_url=url)):
            with client, psycopg.connect(url, autocommit=True) as connection:
                job = client.trigger("KO", "1d")
                assert (job["status"], job["total"], client.job(job["job_id"])) == ("queued", 1, job)
                with pytest.raises(TimeoutError):
                    client.trigger("KO", "1d", wait=True, timeout=0.1)
                later = threading.Timer(1, connection.execute, [ends])
                later.start()
                assert client.trigger("KO", "1d", wait=True)["status"] == "completed"
                assert client.jobs().height == 0
                with pytest.raises(UnknownRecord):
                    client.job("4711")


def test_changes_come_as_they_happen_and_as_they_were_missed(server: Server) -> None:
    bar = "INSERT INTO market_data (symbol, asset_class, timeframe, time, open, high, low, close, volume, source) "
    with (
        server.database() as url,
        served(create(Settings(database_url=SecretStr(url)))) as address,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        connection.execute(f"{bar} VALUES ('KO', 'stock', '1d', '2024-01-02', 1, 1, 1, 1, 1, 'yahoo')")
        for number, client in enumerate((Client(address), Client(database_url=url)), 3):
            with client:
                told = "VALUES ('KO', 'stock', '1d', %s, 1, 1, 1, 1, 1, 'yahoo')"
                later = threading.Timer(3, connection.execute, [bar + told, [f"2024-01-0{number}"]])
                later.start()
                first = next(client.stream("KO"))
                connection.execute(bar + told, [f"2024-01-1{number + 2}"])
                missed = next(client.stream("KO", seen=first["id"]))
                assert (first["event"], first["symbol"], first["time"].day) == ("bar", "KO", number)
                assert (missed["time"].day, missed["close"], missed["source"]) == (12 + number, 1.0, "yahoo")
    with pytest.raises(ServerUnavailable):
        next(Client(f"http://127.0.0.1:{free_port()}").stream("KO"))
