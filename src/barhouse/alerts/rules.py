"""The rules, as data: a new one is a line here and a fact of its name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

import polars as pl

from barhouse.model import Schema

ENOUGH = 10
"""Events that a rate needs before anybody can tell."""


class Severity(StrEnum):
    """How soon somebody has to look."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires where the value of a fact is beyond the threshold: above it, or below where `below` is set."""

    name: str
    severity: Severity
    threshold: float
    message: str
    """With `{value}`, `{events}`, `{detail}` and `{cause}`."""
    below: bool = False
    least: int = 0
    """Events below which nobody can tell."""
    together: bool = False
    """Whether all causes that are new at once are one incident."""
    unit: float = 1
    """What a value is multiplied by where it is told."""


RULES = (
    Rule("vendor_down", Severity.CRITICAL, 4, "{cause} fails: {value} fetches in a row, at last: {detail}", least=2),
    Rule("fetch_success", Severity.WARNING, 0.95, "{value} % of {events} fetches of a day succeeded",
         below=True, least=ENOUGH, unit=100),
    Rule("mean_quality", Severity.WARNING, 0.85, "The bars of the last 7 days have a mean quality of {value}",
         below=True, least=ENOUGH),
    Rule("overdue", Severity.WARNING, 24, "Bars are overdue for more than a day: {detail}", together=True),
    Rule("compute_success", Severity.CRITICAL, 0.95, "{value} % of {events} computations of a day succeeded",
         below=True, least=ENOUGH, unit=100),
    Rule("run_failures", Severity.CRITICAL, 0.2, "{value} % of the {events} symbols of the last run failed",
         least=ENOUGH, unit=100),
    Rule("no_backfill", Severity.WARNING, 24, "No backfill has succeeded for {value} hours"),
    Rule("symbol_failing", Severity.WARNING, 2, "Symbols fail again and again: {detail}", together=True),
    Rule("disk_space", Severity.CRITICAL, 200 << 20, "The disk of the bars has {value} MB left",
         below=True, unit=1 / (1 << 20)),
    Rule("queue_age", Severity.WARNING, 6, "A backfill has been waiting for {value} hours; does a worker run?"),
)  # fmt: skip
"""All of them. `vendor_down` counts symbols as its events: one alone may be at fault itself."""

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

_TABLE = pl.DataFrame(
    [asdict(rule) for rule in RULES],
    schema_overrides={"threshold": pl.Float64, "unit": pl.Float64, "severity": pl.String},
)


def fired(facts: pl.DataFrame) -> pl.DataFrame:
    """The facts (`FACTS`) that anybody can tell of, each with its rule, `fires`, and the words of its alert.

    The words of causes that are told together still lack `{detail}`.
    """
    beyond = (
        pl.when("below").then(pl.col("value") < pl.col("threshold")).otherwise(pl.col("value") > pl.col("threshold"))
    )
    known = facts.join(_TABLE.rename({"name": "rule"}), on="rule", maintain_order="left").filter(
        pl.col("value").is_not_null() & (pl.col("events") >= pl.col("least"))
    )
    return known.with_columns(fires=beyond, message=_worded())


def _worded() -> pl.Expr:
    value = (pl.col("value") * pl.col("unit")).round(2).cast(pl.String).str.strip_suffix(".0")
    said = {"{value}": value, "{events}": pl.col("events").cast(pl.String), "{cause}": pl.col("cause")}
    words = pl.col("message")
    for name, expression in said.items():
        words = words.str.replace(name, expression, literal=True)
    alone = words.str.replace("{detail}", pl.col("detail").fill_null("-"), literal=True)
    return pl.when("together").then(words).otherwise(alone)
