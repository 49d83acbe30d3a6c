"""People are told once of a cause, and when it is over: a real PostgreSQL, and a real receiver on the loopback."""

from __future__ import annotations

import hashlib
import hmac
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from barhouse.alerts import Channel, channels
from barhouse.errors import SettingsError
from barhouse.flow.alerting import deliver, tried
from barhouse.flow.health import health_run
from barhouse.model import Instrument
from barhouse.store import incidents
from barhouse.store.failures import track, track_symbol_failure
from barhouse.store.postgres import Database
from tests.receiver import Receiver, receiver

SECRET = SecretStr("between us")


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as there:
        yield there


def hooks(*addresses: str) -> list[Channel]:
    return list(channels(SecretStr(" ".join(addresses)), SECRET, private_networks=True))


def names_service(monkeypatch: pytest.MonkeyPatch, address: str) -> list[str]:
    """Let every name mean that address, as whoever owns the name can; who asks is told."""
    asked = []

    def found(host: str, port: int, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return asked


def executed(db: Database, statement: str, *parameters: object) -> None:
    with db.connection() as connection:
        connection.execute(statement.encode(), parameters)


def fail(db: Database, symbols: Iterable[str], times: int = 3) -> None:
    for _ in range(times):
        with db.transaction() as connection:
            track(connection, {Instrument(symbol): False for symbol in symbols})


def fetched(
    db: Database, symbols: Iterable[str], *, success: bool, source: str = "polygon", error: str | None = None
) -> None:
    for symbol in symbols:
        executed(
            db,
            "INSERT INTO enrichment_fetch_log (symbol, asset_class, timeframe, source, success, error_details,"
            " error_class) VALUES (%s, 'stock', '1d', %s, %s, %s, %s)",
            symbol,
            source,
            success,
            None if success else f"{source}: answered 503 five times",
            error,
        )


def run(db: Database, told: list[Channel]) -> dict[str, Any]:
    result = health_run(db)
    deliver(db, told)
    return result


def at_once(db: Database) -> None:
    """Let the time pass after which a message is tried again."""
    executed(db, "UPDATE alert_delivery SET next_try_at = now(), claimed_until = now()")


def test_a_webhook_is_signed_over_its_time_and_body(db: Database, there: Receiver) -> None:
    fail(db, ["AAPL"])

    assert run(db, hooks(there.url))["alerts_triggered"] == 1

    [(headers, body)] = there.posts
    stamp = headers["x-barhouse-timestamp"]
    # RFC 2104 by hand: H(key ^ opad, H(key ^ ipad, text)) with blocks of 64 bytes
    key = b"between us".ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + stamp.encode() + b"." + body).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()
    assert headers["x-barhouse-signature"] == f"sha256={outer}"
    assert hmac.compare_digest(outer, hmac.new(b"between us", f"{stamp}.".encode() + body, "sha256").hexdigest())
    assert abs(time.time() - int(stamp)) < 30
    [message] = there.messages
    assert headers["x-barhouse-delivery"] == message["id"]
    assert (message["event"], message["rule"], message["severity"]) == ("opened", "symbol_failing", "warning")
    assert message["subjects"] == ["AAPL stock"]


def test_a_symbol_should_alert_until_an_alert_was_delivered(db: Database, there: Receiver) -> None:
    fail(db, ["AAPL"], 2)
    assert run(db, hooks(there.url))["failed_symbols"] == 0
    assert track_symbol_failure(db, "AAPL")["should_alert"]

    there.answers.append(500)
    assert run(db, hooks(there.url))["failed_symbols"] == 1
    still = track_symbol_failure(db, "AAPL")
    assert (still["should_alert"], still["alert_sent"]) == (True, False)

    at_once(db)
    run(db, hooks(there.url))
    told = track_symbol_failure(db, "AAPL")
    assert (told["should_alert"], told["alert_sent"]) == (False, True)


def test_a_dead_vendor_is_one_alert_and_its_symbols_are_in_it(db: Database, there: Receiver) -> None:
    symbols = [f"S{number:03}" for number in range(40)]
    fetched(db, symbols, success=True)
    for _ in range(3):
        fetched(db, symbols, success=False)
    fail(db, symbols)

    result = run(db, hooks(there.url))

    assert (result["status"], result["failed_symbols"], result["alerts_triggered"]) == ("critical", 40, 1)
    [message] = there.messages
    assert (message["rule"], message["cause"], len(message["subjects"])) == ("vendor_down", "polygon", 40)
    assert not track_symbol_failure(db, "S007")["should_alert"]


def test_a_vendor_that_is_back_is_told_once_and_what_it_left_is_no_other_alert(db: Database, there: Receiver) -> None:
    symbols = ["AAPL", "MSFT", "SPY"]
    for _ in range(3):
        fetched(db, symbols, success=False)
    fail(db, symbols)
    run(db, hooks(there.url))

    fetched(db, ["AAPL"], success=True)
    over = run(db, hooks(there.url))

    # 1 of 10 fetches of the day succeeded, and two symbols still fail; their cause is over, and was told
    assert (over["status"], over["alerts_triggered"], over["failed_symbols"]) == ("healthy", 0, 3)
    assert [(each["event"], each["rule"]) for each in there.messages] == [
        ("opened", "vendor_down"),
        ("over", "vendor_down"),
    ]
    assert there.messages[0]["incident"] == there.messages[1]["incident"]
    run(db, hooks(there.url))
    assert len(there.posts) == 2


def test_symbols_that_nobody_has_are_no_vendor_that_is_down(db: Database, there: Receiver) -> None:
    fetched(db, [f"ZZ{number}" for number in range(9)], success=False, error="UnknownAtSource")

    run(db, hooks(there.url))

    assert "vendor_down" not in [each["rule"] for each in there.messages]


def test_the_other_vendors_failures_count(db: Database, there: Receiver) -> None:
    fetched(db, ["A", "B", "C"] * 3, success=False)
    fetched(db, ["A"] * 9, success=True, source="yahoo")
    fetched(db, ["A"], success=False, source="yahoo")

    run(db, hooks(there.url))

    # 9 of 10 at Yahoo; Polygon's are another cause
    assert sorted((each["rule"], each["message"]) for each in there.messages) == [
        ("fetch_success", "90 % of 10 fetches of a day succeeded"),
        ("vendor_down", "polygon fails: 9 fetches in a row, at last: polygon: answered 503 five times"),
    ]


def test_two_health_runs_at_once_tell_once(db: Database, there: Receiver) -> None:
    fail(db, ["AAPL", "MSFT"])
    told = hooks(there.url)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: run(db, told), range(6)))

    assert sum(result["alerts_triggered"] for result in results) == 1
    assert len(there.posts) == 1


def test_a_message_that_nobody_took_is_tried_again_under_its_id(db: Database, there: Receiver) -> None:
    there.answers += [503, 302]
    fail(db, ["AAPL"])
    told = hooks(there.url)

    run(db, told)
    assert deliver(db, told) == 0
    assert len(there.posts) == 1
    at_once(db)
    assert deliver(db, told) == 0
    at_once(db)
    assert deliver(db, told) == 1

    assert len({each["id"] for each in there.messages}) == 1
    [incident] = incidents.listed_incidents(db)
    [delivery] = incident["deliveries"]
    assert (incident["status"], delivery["status"], delivery["attempts"]) == ("delivered", "delivered", 3)


def test_it_is_tried_again_later_and_later(db: Database) -> None:
    fail(db, ["AAPL"])
    told = hooks("http://127.0.0.1:9/hook")
    waits = []
    for _ in range(9):
        run(db, told)
        with db.connection() as connection:
            [(wait,)] = connection.execute("SELECT extract(epoch FROM next_try_at - now())::int FROM alert_delivery")
        waits.append(wait)
        at_once(db)

    assert waits == pytest.approx([30, 60, 120, 240, 480, 960, 1920, 3600, 3600], abs=2)


def test_a_sender_that_dies_after_its_claim_loses_no_alert(db: Database, there: Receiver) -> None:
    fail(db, ["AAPL"])
    health_run(db)
    told = hooks(there.url)
    with db.connection() as connection:
        incidents.address(connection, [each.name for each in told])
    claimed = incidents.claim(db, [each.name for each in told])
    assert claimed is not None

    assert deliver(db, told) == 0
    at_once(db)
    assert deliver(db, told) == 1

    assert [each["id"] for each in there.messages] == [claimed.id]


def test_each_channel_is_told_once_whatever_the_other_does(db: Database, there: Receiver) -> None:
    fail(db, ["AAPL"])
    told = hooks(there.url, "http://127.0.0.1:9/hook")

    for _ in range(3):
        run(db, told)
        at_once(db)

    assert len(there.posts) == 1
    statuses = {each["status"]: each["attempts"] for each in incidents.listed_incidents(db)[0]["deliveries"]}
    assert statuses == {"delivered": 1, "waiting": 3}


def test_what_is_over_before_anybody_was_told_is_not_told(db: Database, there: Receiver) -> None:
    there.answers.append(503)
    fail(db, ["AAPL"])
    told = hooks(there.url)
    run(db, told)
    track_symbol_failure(db, "AAPL", success=True)

    run(db, told)
    at_once(db)
    deliver(db, told)

    assert len(there.posts) == 1
    [incident] = incidents.listed_incidents(db)
    assert (incident["status"], incident["delivered_at"]) == ("over", None)


def test_without_channels_an_incident_waits_for_one(db: Database, there: Receiver) -> None:
    fail(db, ["AAPL"])
    run(db, [])
    assert [each["status"] for each in incidents.listed_incidents(db)] == ["open"]

    run(db, hooks(there.url))

    assert [each["event"] for each in there.messages] == ["opened"]


def test_no_secret_of_an_address_is_told_anywhere(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    fail(db, ["AAPL"])
    told = [
        *hooks("http://127.0.0.1:9/s3cret?token=s3cret"),
        *channels(SecretStr("json://user:s3cret@127.0.0.1:9/"), None, private_networks=True),
    ]
    run(db, told)

    [incident] = incidents.listed_incidents(db)
    output = capsys.readouterr()
    for text in (repr(incident), repr(tried(told)), repr(told[:1]), output.out, output.err):
        assert "s3cret" not in text
        assert "between us" not in text
    assert {each["channel"].split("-")[0] for each in incident["deliveries"]} == {"webhook", "json"}


@pytest.mark.parametrize(
    ("addresses", "secret", "words"),
    [
        ("https://hooks.example/s3cret", None, "set BARHOUSE_ALERT_SECRET"),
        ("json://127.0.0.1/x, nothing-known://s3cret", None, "address 2"),
        ("s3cret", None, "address 1"),
        ("https://", "x", "address 1 is no URL"),
        ("https://127.0.0.1/s3cret", "x", "address 1 lies in a private network"),
        ("https://hooks.example/s3cret, http://[::ffff:10.0.0.7]/", "x", "address 2 lies in a private network"),
        ("http://localhost:8000/s3cret", "x", "BARHOUSE_ALERT_PRIVATE_NETWORKS"),
    ],
)
def test_an_address_that_cannot_be_used_is_named_by_its_place(addresses: str, secret: str | None, words: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        channels(SecretStr(addresses), SecretStr(secret) if secret else None)

    assert words in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_an_apprise_address_reaches_its_service(db: Database, there: Receiver) -> None:
    fail(db, ["AAPL"])

    run(db, list(channels(SecretStr(there.url.replace("http://", "json://")), None, private_networks=True)))

    [message] = there.messages
    assert message["title"] == "Barhouse: symbol failing (warning)"
    assert "AAPL stock" in message["message"]
    assert incidents.listed_incidents(db)[0]["delivered_at"] <= datetime.now(UTC)


@pytest.mark.parametrize("scheme", ["http", "json"])
def test_a_name_that_leads_into_a_private_network_is_not_called(
    there: Receiver, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_service(monkeypatch, "127.0.0.1")
    port = there.url.split(":")[2]
    told = channels(SecretStr(f"{scheme}://hooks.example:{port}"), SECRET)

    [(_, error)] = tried(told)

    assert error is not None
    assert "private network" in error
    assert there.messages == []


def test_a_webhook_calls_the_address_that_was_looked_at_and_asks_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, called = names_service(monkeypatch, "93.184.216.34"), []

    def connect(address: tuple[str, int], *_: object, **__: object) -> None:
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    [(_, error)] = tried(channels(SecretStr("https://hooks.example/x"), SECRET))

    assert asked == ["hooks.example"]
    assert called == [("93.184.216.34", 443)]
    assert error is not None
    assert error.endswith("ConnectError")
