"""The rules of the alerts as the settings have them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from barhouse.alerts import RULES, decide
from barhouse.config.parts import AlertRules
from tests.unit.alerts.test_decide import frame, opened, rate


def told(rule: str, **settings: object) -> AlertRules:
    """The rules with one of them set otherwise."""
    changed = getattr(AlertRules(), rule).model_copy(update=settings)
    return AlertRules().model_copy(update={rule: changed})


@pytest.mark.parametrize(
    ("rule", "value", "settings"),
    [
        ("fetch_success", 0.97, {"threshold": 98.0}),
        ("mean_quality", 0.88, {"threshold": 0.9}),
        ("run_failures", 0.15, {"threshold": 10.0}),
        ("disk_space", 300.0 * (1 << 20), {"threshold": 400.0}),
        ("queue_age", 2.0, {"threshold": 1.0}),
        ("no_backfill", 12.0, {"threshold": 6.0}),
    ],
)
def test_a_threshold_is_where_it_is_set(rule: str, value: float, settings: dict[str, float]) -> None:
    facts = frame(rate(rule, value))

    assert decide(facts, []).new == []
    assert [each.rule for each in decide(facts, [], told(rule, **settings)).new] == [rule]


def test_a_severity_is_as_it_is_set() -> None:
    [incident] = decide(frame(rate("fetch_success", 0.5)), [], told("fetch_success", severity="critical")).new

    assert incident.severity == "critical"


def test_a_rate_needs_as_many_events_as_are_set() -> None:
    few = frame(rate("fetch_success", 0.5, 4))

    assert decide(few, []).new == []
    assert decide(few, [], told("fetch_success", events=4)).new


def test_a_message_says_how_far_its_rule_looks_back() -> None:
    facts = frame(rate("fetch_success", 0.5, 40))

    assert decide(facts, [], told("fetch_success", window_hours=36)).new[0].message == (
        "50 % of 40 fetches of 36 hours succeeded"
    )
    assert "of 2 days" in decide(facts, [], told("fetch_success", window_hours=48)).new[0].message


def test_a_rule_that_is_not_watched_opens_nothing_and_ends_what_it_had_opened() -> None:
    facts, off = frame(rate("fetch_success", 0.5)), told("fetch_success", enabled=False)
    [known] = opened(rate("fetch_success", 0.5))

    assert decide(facts, [], off).new == []
    assert decide(facts, [replace(known, id=1)], off).over == [replace(known, id=1)]


def test_every_rule_that_can_be_set_is_one() -> None:
    assert {*AlertRules.model_fields} <= {rule.name for rule in RULES}
