"""What is an incident: thresholds by the contract, one for each root cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest

from barhouse.alerts import FACTS, decide
from barhouse.model import Incident

Row = tuple[str, str, float | None, int, str | None, Sequence[str], str | None]


def frame(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=FACTS, orient="row")


def rate(rule: str, value: float | None, events: int = 100) -> Row:
    return (rule, "all", value, events, None, [], None)


def failing(symbol: str, times: int = 3, explained_by: str | None = None) -> Row:
    return ("symbol_failing", f"{symbol} stock", times, 1, f"{symbol} {times} times", [f"{symbol} stock"], explained_by)


def opened(*rows: Row) -> list[Incident]:
    """What is opened where nothing was, as it is known afterwards."""
    return [replace(each, id=number) for number, each in enumerate(decide(frame(*rows), []).new)]


@pytest.mark.parametrize(
    ("rule", "good", "bad", "severity"),
    [
        ("fetch_success", 0.95, 0.949, "warning"),
        ("mean_quality", 0.85, 0.849, "warning"),
        ("compute_success", 0.95, 0.949, "critical"),
        ("run_failures", 0.20, 0.201, "critical"),
    ],
)
def test_a_rate_fires_beyond_its_threshold_and_with_ten_events(
    rule: str, good: float, bad: float, severity: str
) -> None:
    assert [(each.rule, each.severity) for each in opened(rate(rule, bad, 10))] == [(rule, severity)]
    assert opened(rate(rule, good)) == []
    assert opened(rate(rule, bad, 9)) == []
    assert opened(rate(rule, None, 0)) == []


@pytest.mark.parametrize("rule", ["overdue", "no_backfill"])
def test_a_day_is_not_too_long_but_more_is(rule: str) -> None:
    late = (rule, "AAPL stock 1d", 24.01, 1, "AAPL", ["AAPL stock"], None)

    assert [each.severity for each in opened(late)] == ["warning"]
    assert opened((*late[:2], 24.0, *late[3:])) == []


def test_an_alert_says_its_figures() -> None:
    [incident] = opened(rate("fetch_success", 0.5, 40))

    assert incident.message == "50 % of 40 fetches of a day succeeded"


def test_what_a_dead_vendor_explains_belongs_to_its_incident() -> None:
    down: Row = ("vendor_down", "polygon", 8, 2, "polygon: 503", [], None)
    symbols = [failing(f"S{number:03}", explained_by="polygon") for number in range(500)]

    [incident] = opened(down, *symbols)

    assert (incident.rule, incident.cause, len(incident.subjects)) == ("vendor_down", "polygon", 500)
    assert incident.message == "polygon fails: 8 fetches in a row, at last: polygon: 503"


def test_four_failures_or_a_single_symbol_do_not_make_a_vendor_dead() -> None:
    assert opened(("vendor_down", "polygon", 4, 2, None, [], None)) == []
    assert opened(("vendor_down", "polygon", 9, 1, None, [], None)) == []


def test_more_symbols_join_the_incident_of_their_vendor_without_another_one() -> None:
    down: Row = ("vendor_down", "polygon", 8, 2, "503", [], None)
    known = opened(down, failing("AAPL", explained_by="polygon"))

    decision = decide(frame(down, failing("MSFT", explained_by="polygon")), known)

    assert decision.new == decision.over == []
    assert [each.subjects for each in decision.changed] == [("AAPL stock", "MSFT stock")]


def test_symbols_that_begin_to_fail_together_are_one_incident_until_the_last_is_well() -> None:
    known = opened(failing("AAPL"), failing("MSFT"))
    assert [each.subjects for each in known] == [("AAPL stock", "MSFT stock")]

    later = decide(frame(failing("MSFT", 4), failing("SPY")), known)
    assert [each.subjects for each in later.new] == [("SPY stock",)]
    assert later.over == []
    assert decide(frame(), known).over == known


def test_a_symbol_that_fails_stays_an_incident_when_its_vendor_dies_too() -> None:
    known = opened(failing("AAPL"))

    assert decide(frame(failing("AAPL", 5, explained_by="polygon")), known).over == []


def test_where_nobody_can_tell_an_incident_stays() -> None:
    known = opened(rate("fetch_success", 0.5))

    assert decide(frame(rate("fetch_success", 1.0, 3)), known).over == []
    assert decide(frame(), known).over == []
    assert decide(frame(rate("fetch_success", 0.95)), known).over == known


def test_many_symbols_are_counted_not_all_named() -> None:
    [incident] = opened(*(failing(f"S{number}") for number in range(7)))

    assert incident.message.startswith("Symbols fail again and again: S0 3 times, S1 3 times")
    assert incident.message.endswith("S4 3 times and 2 more")
    assert len(incident.subjects) == 7
