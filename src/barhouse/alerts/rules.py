"""The rules, as data: a new one is a line here and a fact of its name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import polars as pl

from barhouse.config.parts import AlertRule, AlertRules, CountedRule, RateRule
from barhouse.model import Schema


class Severity(StrEnum):
    """How soon somebody has to look."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires where the value of a fact is beyond the threshold: above it, or below where `below` is set."""

    name: str
    message: str
    """With `{value}`, `{events}`, `{detail}` and `{cause}`; `{window}` is how far it looks back, or its threshold."""
    below: bool = False
    least: int = 0
    """Events below which nobody can tell."""
    together: bool = False
    """Whether all causes that are new at once are one incident."""
    unit: float = 1
    """What a value is multiplied by where it is told, and where its threshold is set."""
    severity: Severity = Severity.CRITICAL
    threshold: float = 0
    watched: bool = True


RULES = (
    Rule("vendor_down", "{cause} fails: {value} fetches in a row, at last: {detail}", least=2),
    Rule("key_refused", "{cause} refuses our key ({detail}): set a valid one; until then the next source is asked"),
    Rule("fetch_success", "{value} % of {events} fetches of {window} succeeded", below=True, unit=100),
    Rule("mean_quality", "The bars of the last {window} have a mean quality of {value}", below=True),
    Rule("overdue", "Bars are overdue for more than {window}: {detail}", together=True),
    Rule("compute_success", "{value} % of {events} computations of {window} succeeded", below=True, unit=100),
    Rule("run_failures", "{value} % of the {events} symbols of the last run failed", unit=100),
    Rule("no_backfill", "No backfill has succeeded for {value} hours"),
    Rule("symbol_failing", "Symbols fail again and again: {detail}", together=True),
    Rule("disk_space", "The disk of the bars has {value} MB left", below=True, unit=1 / (1 << 20)),
    Rule("queue_age", "A backfill has been waiting for {value} hours; does a worker run?"),
)
"""All of them. `vendor_down` counts symbols as its events: one alone may be at fault itself."""

VENDORS = frozenset({"vendor_down", "key_refused"})
"""The rules whose cause is a vendor: what comes of it belongs to their incident."""

FACTS: Schema = {
    "rule": pl.String(),
    "cause": pl.String(),
    "value": pl.Float64(),
    "events": pl.Int64(),
    "detail": pl.String(),
    "subjects": pl.List(pl.String()),
    "explained_by": pl.String(),
}
"""What the rules judge, a row a rule and cause; `explained_by` is the vendor that it comes of, if one is down."""

DEFAULT = AlertRules()


def table(told: AlertRules = DEFAULT) -> pl.DataFrame:
    """The rules as they are set, a row each; what cannot be set is as it is."""
    rows = [asdict(_set(rule, getattr(told, rule.name, None))) for rule in RULES]
    types = {"threshold": pl.Float64, "unit": pl.Float64, "severity": pl.String}
    return pl.DataFrame(rows, schema_overrides=types)


def _set(rule: Rule, told: AlertRule | None) -> Rule:
    if told is None:
        return rule
    window = _spoken(told.window_hours if isinstance(told, RateRule) else told.threshold)
    return replace(
        rule,
        message=rule.message.replace("{window}", window),
        least=told.events if isinstance(told, CountedRule) else rule.least,
        severity=Severity(told.severity),
        threshold=told.threshold / rule.unit,
        watched=told.enabled,
    )


def _spoken(hours: float) -> str:
    if hours == 24:
        return "a day"
    return f"{hours:g} hours" if hours % 24 else f"{hours / 24:g} days"


def fired(facts: pl.DataFrame, told: AlertRules = DEFAULT) -> pl.DataFrame:
    """The facts (`FACTS`) that anybody can tell of, each with its rule, `fires`, and the words of its alert.

    The words of causes that are told together still lack `{detail}`.
    """
    beyond = (
        pl.when("below").then(pl.col("value") < pl.col("threshold")).otherwise(pl.col("value") > pl.col("threshold"))
    )
    known = facts.join(table(told).rename({"name": "rule"}), on="rule", maintain_order="left").filter(
        pl.col("value").is_not_null() & (pl.col("events") >= pl.col("least"))
    )
    return known.with_columns(fires=beyond & pl.col("watched"), message=_worded())


def _worded() -> pl.Expr:
    value = (pl.col("value") * pl.col("unit")).round(2).cast(pl.String).str.strip_suffix(".0")
    said = {"{value}": value, "{events}": pl.col("events").cast(pl.String), "{cause}": pl.col("cause")}
    words = pl.col("message")
    for name, expression in said.items():
        words = words.str.replace(name, expression, literal=True)
    alone = words.str.replace("{detail}", pl.col("detail").fill_null("-"), literal=True)
    return pl.when("together").then(words).otherwise(alone)
