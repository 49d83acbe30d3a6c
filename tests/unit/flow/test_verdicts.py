"""Who is believed about splits and dividends: the prices first, then the order of the sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from barhouse.flow.conflicts import conflicts
from barhouse.flow.verdicts import Claim, claims, on_dividends, on_splits
from barhouse.model import AssetClass, Timeframe
from barhouse.sources.order import precedence
from barhouse.store.actions import Days, Move

STOCK = precedence(AssetClass.STOCK)
AAPL = date(2020, 8, 31)
numbers = count(1)


def tells(source: str, ratio: float, day: date = AAPL) -> dict[str, Any]:
    return {"id": next(numbers), "source": source, "kind": "split", "effective": day, "ratio": ratio}


def pays(source: str, amount: float, day: date) -> dict[str, Any]:
    return {"id": next(numbers), "source": source, "kind": "dividend", "effective": day, "amount": amount}


def move(day: date, previous: float, opened: float, close: float, timeframe: Timeframe = Timeframe.D1) -> Move:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Move(timeframe.code, day, midnight - timedelta(days=3), previous, midnight, opened, close)


REAL = move(AAPL, 499.23, 127.58, 129.04)
"""What AAPL really did across its 4:1: the closes of 28 August and the session of 31 August 2020."""


def applied(told: Sequence[dict[str, Any]], moves: Sequence[Move] = ()) -> set[tuple[str, float, date]]:
    verdicts = list(on_splits(claims(told, moves, STOCK), {}))
    accepted = {verdict.action for verdict in verdicts if verdict.standing == "accepted"}
    assert len(verdicts) == len(told)
    return {(row["source"], row["ratio"], row["effective"]) for row in told if row["id"] in accepted}


def test_prices_choose_between_two_ratios_whoever_tells_them() -> None:
    told = [tells("polygon", 2.0), tells("yahoo", 4.0)]

    assert applied(told, [REAL]) == {("yahoo", 4.0, AAPL)}


def test_prices_choose_between_two_days() -> None:
    friday = date(2020, 8, 28)
    told = [tells("polygon", 4.0, friday), tells("yahoo", 4.0)]

    found = applied(told, [REAL, move(friday, 500.04, 504.05, 499.23)])

    assert found == {("yahoo", 4.0, AAPL)}


def test_without_bars_the_order_decides_and_a_file_comes_first() -> None:
    told = [tells("yahoo", 4.0), tells("polygon", 3.0), tells("file", 2.0)]

    assert applied(told) == {("file", 2.0, AAPL)}
    assert applied(told[:2]) == {("polygon", 3.0, AAPL)}


def test_a_split_without_any_jump_is_not_applied_even_if_all_tell_it() -> None:
    quiet = move(AAPL, 125.0, 127.58, 129.04)

    assert applied([tells("polygon", 4.0)], [quiet]) == set()
    assert applied([tells("polygon", 4.0), tells("yahoo", 4.0)], [quiet]) == set()


def test_what_prices_cannot_show_is_believed() -> None:
    """A stock dividend of 5 %: less than what a session moves."""
    assert applied([tells("yahoo", 1.05)], [move(AAPL, 100.0, 99.0, 101.0)]) == {("yahoo", 1.05, AAPL)}


def test_a_split_on_a_day_of_a_crash_is_still_seen() -> None:
    assert applied([tells("yahoo", 2.0)], [move(AAPL, 100.0, 38.0, 39.0)]) == {("yahoo", 2.0, AAPL)}


def test_a_bad_tick_at_the_open_does_not_deny_a_split() -> None:
    assert applied([tells("yahoo", 4.0)], [move(AAPL, 499.23, 0.01, 129.04)]) == {("yahoo", 4.0, AAPL)}


def test_a_reverse_split_is_seen_upwards() -> None:
    told = [tells("polygon", 8.0), tells("yahoo", 0.125)]

    assert applied(told, [move(AAPL, 6.8, 54.0, 55.0)]) == {("yahoo", 0.125, AAPL)}


def test_days_are_looked_at_before_weeks_and_hours() -> None:
    weeks = move(AAPL, 125.0, 127.58, 129.04, Timeframe.W1)
    hours = move(AAPL, 125.0, 127.58, 129.04, Timeframe.H1)

    assert applied([tells("yahoo", 4.0)], [weeks, REAL, hours]) == {("yahoo", 4.0, AAPL)}
    assert applied([tells("yahoo", 4.0)], [weeks, hours]) == set()


def test_one_jump_is_one_split_though_two_days_are_told_for_it() -> None:
    """Between two bars that far apart both days fall: whose word counts first is believed."""
    monday, wednesday = AAPL, AAPL + timedelta(days=2)
    gap = [REAL._replace(effective=day, after=REAL.after + timedelta(days=4)) for day in (monday, wednesday)]

    assert applied([tells("yahoo", 4.0, monday), tells("polygon", 4.0, wednesday)], gap) == {
        ("polygon", 4.0, wednesday)
    }


def test_two_splits_of_one_source_in_a_week_are_two() -> None:
    told = [tells("yahoo", 2.0), tells("yahoo", 3.0, AAPL + timedelta(days=3))]

    assert len(applied(told)) == 2


def test_a_verdict_says_why() -> None:
    told = claims([tells("polygon", 2.0), tells("yahoo", 4.0)], [REAL], STOCK)

    [poor, good] = [json.loads(verdict.evidence) for verdict in on_splits(told, {})]

    assert (poor["by"], good["by"]) == ("prices", "prices")
    assert good["others"] == [{"effective": "2020-08-31", "ratio": 2.0, "sources": ["polygon"]}]
    assert good["move"]["previous_close"] == 499.23
    assert good["move"]["misfit"]["4"] < 0.05 < good["move"]["misfit"]["2"]


def conflict(told: Sequence[Claim], readings: dict[str, Days] | None = None) -> list[tuple[Any, ...]]:
    found = conflicts(7, told, readings or {})
    return found.select("data_point_time", "severity", "description").rows()


def test_a_conflict_that_prices_decide_is_low_and_says_who_told_what() -> None:
    [(when, severity, words)] = conflict(claims([tells("polygon", 2.0), tells("yahoo", 4.0)], [REAL], STOCK))

    assert (when, severity) == (datetime(2020, 8, 31, tzinfo=UTC), "low")
    assert words == "polygon told a 2:1 split of 2020-08-31, yahoo 4:1 of 2020-08-31; it is not applied: prices say so."


def test_a_conflict_that_only_the_order_decides_is_medium() -> None:
    [(_, severity, words)] = conflict(claims([tells("polygon", 2.0), tells("yahoo", 4.0)], [], STOCK))

    assert severity == "medium"
    assert words.startswith("yahoo told a 4:1 split")
    assert words.endswith("it is not applied: that is the order of the sources.")


def test_a_split_that_is_told_but_not_applied_is_a_high_one() -> None:
    quiet = move(AAPL, 125.0, 127.58, 129.04)

    [(_, severity, _)] = conflict(claims([tells("polygon", 4.0)], [quiet], STOCK))

    assert severity == "high"


def test_a_source_that_was_asked_and_tells_nothing_is_named() -> None:
    told = claims([tells("yahoo", 4.0)], [REAL], STOCK)
    asked = {"polygon": Days(date(2003, 1, 1), date(2024, 1, 1)), "yahoo": Days(date(1970, 1, 1), date(2024, 1, 1))}

    [(_, severity, words)] = conflict(told, asked)

    assert severity == "low"
    assert words == "yahoo told a 4:1 split of 2020-08-31, polygon none; it is applied: prices say so."
    assert conflict(told, {"polygon": Days(date(2021, 1, 1), date(2024, 1, 1))}) == []


def test_what_all_tell_and_prices_show_is_no_conflict() -> None:
    assert conflict(claims([tells("polygon", 4.0), tells("yahoo", 4.0)], [REAL], STOCK)) == []


def test_a_dividend_is_what_the_first_source_tells_and_counts_once() -> None:
    day = date(2020, 11, 6)
    told = [
        pays("polygon", 0.205, day),
        pays("yahoo", 0.2050001, day),
        pays("yahoo", 0.21, date(2020, 8, 7)),
        pays("polygon", 0.205, date(2020, 8, 7)),
        pays("yahoo", 0.205, date(2020, 5, 11)),
        pays("polygon", 0.205, date(2020, 5, 8)),
        pays("yahoo", 0.1925, date(2020, 2, 7)),
    ]

    standings = [verdict.standing for verdict in on_dividends(told, STOCK)]

    assert standings == ["accepted", "accepted", "rejected", "accepted", "rejected", "accepted", "accepted"]
