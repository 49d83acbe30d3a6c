"""The faults of the vendor side as a client on the wire sees them, and the script that brings them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from barhouse.api.compat.frames import FrameShelf
from barhouse.api.faults import Script, registry, script
from barhouse.api.sample import sample
from barhouse.api.vendor_side import create, running, served
from barhouse.errors import SettingsError
from barhouse.model import AssetClass, Timeframe
from tests.contract.vendor_side.conftest import asker

POLYGON = "/v2/aggs/ticker/IBM/range/1/day/2013-01-02/2013-03-01?adjusted=false"
YAHOO = "/v8/finance/chart/IBM?interval=1d&period1=1357102800&period2=1362171600&events=div,splits"
BINANCE = "/api/v3/klines?symbol=BTCUSDT&interval=1d&startTime=1357084800000&limit=40"
VENDORS = {"polygon": POLYGON, "yahoo": YAHOO, "binance": BINANCE}


def shelf() -> FrameShelf:
    """A stock, and a coin that has its prices."""
    start, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (2012, 2014))
    bars = sample().bars("IBM", AssetClass.STOCK, Timeframe.D1, start, end)
    assert bars is not None
    return FrameShelf({("IBM", AssetClass.STOCK, Timeframe.D1): bars, ("BTC", AssetClass.CRYPTO, Timeframe.D1): bars})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create(shelf())) as address:
        yield address


Vendors = Callable[[str], AbstractContextManager[httpx.Client]]


@pytest.fixture
def vendors(url: str) -> Vendors:
    """Clients of the vendor side while it follows a script."""

    @contextmanager
    def following(told: str = "") -> Iterator[httpx.Client]:
        with asker(url) as client:
            assert client.put("/vendor-side/faults", content=told).status_code == 204
            yield client

    return following


def closes(vendor: str, answer: httpx.Response) -> list[tuple[int, float]]:
    """The stamps and closes of an answer, by what is known of each protocol."""
    body = answer.raise_for_status().json()
    if vendor == "polygon":
        return [(row["t"], row["c"]) for row in body.get("results", [])]
    if vendor == "binance":
        return [(row[0], float(row[4])) for row in body]
    [result] = body["chart"]["result"]
    return list(zip(result.get("timestamp", []), result["indicators"]["quote"][0].get("close", []), strict=True))


def test_without_a_script_nothing_happens(vendors: Vendors) -> None:
    with vendors("") as client:
        answer = client.get(POLYGON)

        assert len(closes("polygon", answer)) == 41
        assert abs(parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)) < timedelta(seconds=5)
        assert client.get("/vendor-side/faults").json() == {}


@pytest.mark.parametrize(
    ("told", "status", "retry_after"),
    [
        ("limited", 429, None),
        ("limited retry_after=1.5", 429, "1.5"),
        ("error", 503, None),
        ("error status=500", 500, None),
        ("html", 200, None),
        ("html status=502", 502, None),
        ("banned", 200, None),
        ("binance banned retry_after=3", 200, None),
    ],
)
def test_an_answer_is_replaced(vendors: Vendors, told: str, status: int, retry_after: str | None) -> None:
    with vendors(told) as client:
        answer = client.get(POLYGON)

    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
    assert answer.text.startswith("<!DOCTYPE html>") == told.startswith("html")


def test_binance_bars_an_address_for_a_while(vendors: Vendors) -> None:
    with vendors("banned") as client:
        answer = client.get(BINANCE)

    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (418, "120", -1003)


def test_the_time_to_come_back_may_be_a_date(vendors: Vendors) -> None:
    with vendors("limited retry_after=90 date=true") as client:
        told = parsedate_to_datetime(client.get(POLYGON).headers["retry-after"])

    assert timedelta(seconds=80) < told - datetime.now(UTC) < timedelta(seconds=100)


@pytest.mark.parametrize("after", ["", " after=0", " after=0.5"])
def test_a_connection_is_really_reset(vendors: Vendors, after: str) -> None:
    with vendors(f"reset{after}") as client, pytest.raises(httpx.ReadError) as failure:
        client.get(POLYGON)

    assert "Errno 104" in repr(failure.getrepr()) or "reset" in repr(failure.getrepr()).lower()


def test_a_body_is_cut(vendors: Vendors) -> None:
    with vendors("cut after=0.5") as client, pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        client.get(POLYGON)


def test_json_is_truncated_where_http_cannot_tell(vendors: Vendors) -> None:
    with vendors("truncated after=0.5") as client:
        answer = client.get(POLYGON)

    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(ValueError, match=r"delimiter|value|string|Expecting"):
        answer.json()


def test_an_answer_is_late_and_another_trickles(vendors: Vendors) -> None:
    with vendors("polygon latency seconds=0.3; yahoo trickle seconds=0.3 pieces=4") as client:
        client.get("/vendor-side/calls")
        began = time.perf_counter()
        client.get(POLYGON)
        late = time.perf_counter()
        answer = client.get(YAHOO)

        assert 0.3 <= late - began < 20
        assert 0.3 <= time.perf_counter() - late < 20
        assert len(closes("yahoo", answer)) == 41


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_answer_is_empty_in_the_vendors_own_words(vendors: Vendors, vendor: str) -> None:
    with vendors("empty") as client:
        assert closes(vendor, client.get(VENDORS[vendor])) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_some_bars_come_twice_the_old_version_first(vendors: Vendors, vendor: str) -> None:
    with vendors("") as client:
        told = closes(vendor, client.get(VENDORS[vendor]))
    with vendors("duplicates share=0.3 by=0.1") as client:
        doubled = closes(vendor, client.get(VENDORS[vendor]))

    assert dict(doubled) == dict(told)
    again = [row for row in doubled if row not in told]
    assert 0 < len(again) == len(doubled) - len(told) < len(told)
    assert all(close == pytest.approx(dict(told)[time] * 0.9) for time, close in again)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_bars_are_restated_each_time(vendors: Vendors, vendor: str) -> None:
    with vendors("") as client:
        told = closes(vendor, client.get(VENDORS[vendor]))
    with vendors("restated share=0.3 by=0.1 calls=2-") as client:
        first, second, third = (closes(vendor, client.get(VENDORS[vendor])) for _ in range(3))

    assert first == told
    assert second == third
    changed = {time: close / dict(told)[time] for time, close in second if dict(told)[time] != close}
    assert 0 < len(changed) < len(told)
    assert list(changed.values()) == pytest.approx([1.1] * len(changed))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_clock_that_is_ahead_tells_a_bar_of_the_future(vendors: Vendors, vendor: str) -> None:
    with vendors("skewed seconds=172800") as client:
        answer = client.get(VENDORS[vendor])
        stamp, _ = closes(vendor, answer)[-1]

    told = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
    assert timedelta(days=1.9) < told < timedelta(days=2.1)
    assert stamp / (1 if vendor == "yahoo" else 1000) > datetime.now(UTC).timestamp()


def statuses(client: httpx.Client, *targets: str) -> list[int]:
    return [client.get(target).status_code for target in targets]


def test_faults_come_by_the_count_of_calls(vendors: Vendors) -> None:
    with vendors("error every=3") as client:
        assert statuses(client, *[POLYGON] * 7) == [200, 200, 503, 200, 200, 503, 200]
    with vendors("error calls=2-3; polygon error status=500 last=1") as client:
        assert statuses(client, *[POLYGON] * 5) == [500, 503, 503, 200, 200]
        assert client.get("/vendor-side/faults").json() == {"error": 3}


def test_each_request_may_be_counted_by_itself_and_a_part_of_the_path_chooses(vendors: Vendors) -> None:
    other = POLYGON.replace("IBM", "MSFT")
    with vendors("error calls=2 each=yes path=/v2/aggs") as client:
        assert statuses(client, POLYGON, other, other, POLYGON, YAHOO, YAHOO) == [200, 200, 503, 503, 200, 200]


def test_the_same_seed_draws_the_same_lots_in_whatever_order_requests_come(vendors: Vendors) -> None:
    targets = [POLYGON.replace("01-02", f"01-{day:02}") for day in range(2, 22)] * 2

    def drawn(seed: int, *, backwards: bool = False) -> list[int]:
        with vendors(f"error chance=0.5; seed={seed}") as client, ThreadPoolExecutor(8) as many:
            asked = targets[:20][::-1] if backwards else targets[:20]
            first = dict(zip(asked, many.map(lambda target: client.get(target).status_code, asked), strict=True))
            second = dict(zip(asked, many.map(lambda target: client.get(target).status_code, asked), strict=True))
            return [first[target] for target in targets[:20]] + [second[target] for target in targets[:20]]

    assert drawn(7) == drawn(7, backwards=True) != drawn(8)
    assert 8 < drawn(7).count(503) < 32
    assert drawn(7)[:20] != drawn(7)[20:]


def test_a_running_vendor_side_takes_another_script(vendors: Vendors) -> None:
    with vendors("error") as client:
        assert client.put("/vendor-side/faults", content="html").status_code == 204
        assert statuses(client, POLYGON) == [200]
        assert client.get("/vendor-side/faults").json() == {"html": 1}
        refused = client.put("/vendor-side/faults", content="html colour=red")
        assert (refused.status_code, refused.json()["detail"].split(";")[0]) == (422, "html has no colour")
        assert client.put("/vendor-side/faults", content="").status_code == 204
        assert len(closes("polygon", client.get(POLYGON))) == 41


def test_a_child_process_follows_a_script_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "night.toml"
    file.write_text('seed = 3\n[[fault]]\nkind = "limited"\nvendor = "polygon"\nretry_after = 2\n', encoding="utf-8")

    with running(faults=str(file)) as url, asker(url) as client:
        assert client.get(POLYGON).headers["retry-after"] == "2"
        assert client.get(YAHOO).status_code == 200


def test_a_file_says_the_same_as_words(tmp_path: Path) -> None:
    file = tmp_path / "night.toml"
    file.write_text(
        'seed = 7\n[[fault]]\nkind = "limited"\nevery = 5\nretry_after = 1\ndate = true\n'
        '[[fault]]\nkind = "reset"\nvendor = "yahoo"\ncalls = "2-4"\nchance = 0.5\n',
        encoding="utf-8",
    )

    assert script(str(file)) == script(
        "limited every=5 retry_after=1 date=yes; yahoo reset calls=2-4 chance=.5; seed=7"
    )
    assert script("  ;") == Script()


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ("lateny", "No fault 'lateny'; known are latency"),
        ("error colour=red", "error has no colour; it has status, and calls, chance, each"),
        ("google error", "not 'google error'"),
        ("error vendor=google", "No vendor 'google'; there are polygon, binance, yahoo"),
        ("error html", "`[vendor] kind name=value …`, not 'error html'"),
        ("every=5", "`[vendor] kind name=value …`"),
        ("error chance=2", "chance is a share between 0 and 1, not 2"),
        ("error every=0", "every is a whole number from 1 on, not '0'"),
        ("error calls=5-3", "calls is a whole number from 5 on, not '3'"),
        ("latency seconds=soon", "seconds is a number, not 'soon'"),
        ("cut after=-1", "after is a share between 0 and 1"),
        ("limited date=perhaps", "date is true or false, not 'perhaps'"),
        ("error; seed=x", "seed is a number, not 'x'"),
        ("nowhere.toml", "nowhere.toml cannot be read"),
    ],
)
def test_a_script_that_cannot_be_read_says_why(told: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        script(told)

    assert complaint in str(refusal.value)


def test_a_wrong_file_says_why(tmp_path: Path) -> None:
    file = tmp_path / "night.toml"
    for content in ("seed = ", "faults = 3", "fault = 3", "[[fault]]\nkind = 'no'"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(SettingsError):
            script(str(file))


def test_every_fault_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "faults.md").read_text(encoding="utf-8")

    for fault in registry.values():
        assert f"`{fault.name}`" in page
        assert all(f"`{option}" in page for option in fault.options)
        assert fault.doc.split(":")[0].split(",")[0].split(" where")[0] in page.replace("\n", " ")


def test_the_other_calls_go_on_while_one_is_held_up(vendors: Vendors) -> None:
    with vendors("polygon latency seconds=0.5") as client:

        async def both() -> float:
            async with httpx.AsyncClient(base_url=client.base_url, headers=client.headers) as asking:
                slow = asyncio.create_task(asking.get(POLYGON))
                await asyncio.sleep(0.05)
                began = time.perf_counter()
                await asking.get(YAHOO)
                took = time.perf_counter() - began
                await slow
                return took

        assert asyncio.run(both()) < 0.4
