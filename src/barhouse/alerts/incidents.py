"""Incidents: what fires now against what is open already, one for each root cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from barhouse.alerts.rules import DEFAULT, RULES, VENDORS, fired
from barhouse.config.parts import AlertRules
from barhouse.model import Incident

NAMED = 5
"""So many subjects are named in a message; the others are only counted."""

TOGETHER = {rule.name for rule in RULES if rule.together}


@dataclass(frozen=True, slots=True)
class Decision:
    """What changes: incidents that are new, that go on with other words or subjects, and that are over."""

    new: Sequence[Incident]
    changed: Sequence[Incident]
    over: Sequence[Incident]


def decide(facts: pl.DataFrame, known: Sequence[Incident], told: AlertRules = DEFAULT) -> Decision:
    """What `facts` (`rules.FACTS`) make of the incidents `known` to be open.

    The rules are as they are `told`. What a vendor explains that is down opens nothing, but belongs to the incident of
    that vendor. Where nobody can tell, as a rate has too few events, what is open stays so. Causes of one rule that are
    told together are one incident a time, which is over when none of them is left.
    """
    judged = fired(facts, told)
    firing = judged.filter("fires")
    rows = {(row["rule"], row["cause"]): row for row in firing.rows(named=True)}
    suffering = _suffering(firing)
    new = list(_new(rows, known, suffering))
    judgeable = {(row["rule"], row["cause"]) for row in judged.select("rule", "cause").iter_rows(named=True)}
    over = [each for each in known if _is_over(each, rows, judgeable)]
    kept = [(each, _now(each, rows, suffering)) for each in known if each not in over]
    return Decision(new, [after for before, after in kept if after != before], over)


def _suffering(firing: pl.DataFrame) -> Mapping[str, tuple[str, ...]]:
    """The subjects of all that is explained by each vendor that is down."""
    explained = firing.filter(pl.col("explained_by").is_not_null()).explode("subjects").drop_nulls("subjects")
    grouped = explained.group_by("explained_by").agg(pl.col("subjects").unique().sort())
    return {vendor: tuple(subjects) for vendor, subjects in grouped.iter_rows()}


def _new(
    rows: Mapping[tuple[str, str], Mapping[str, Any]],
    known: Sequence[Incident],
    suffering: Mapping[str, tuple[str, ...]],
) -> Iterator[Incident]:
    taken = {(each.rule, each.cause) for each in known}
    members = {(each.rule, subject) for each in known for subject in each.subjects}
    fresh = [row for key, row in rows.items() if key not in taken and row["explained_by"] is None]
    for row in fresh:
        if row["rule"] not in TOGETHER:
            subjects = suffering.get(row["cause"], ()) if row["rule"] in VENDORS else tuple(row["subjects"])
            yield Incident(row["rule"], row["cause"], row["severity"], row["message"], subjects)
    for rule in sorted(TOGETHER):
        own = [row for row in fresh if row["rule"] == rule and (rule, row["cause"]) not in members]
        if own:
            yield _together(own)


def _together(rows: Sequence[Mapping[str, Any]]) -> Incident:
    first, detail = rows[0], _listed(row["detail"] for row in rows)
    message = first["message"].replace("{detail}", detail)
    return Incident(first["rule"], first["cause"], first["severity"], message, tuple(row["cause"] for row in rows))


def _listed(details: Iterable[str]) -> str:
    every = list(details)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def _is_over(incident: Incident, rows: Mapping[tuple[str, str], Mapping[str, Any]], told: set[tuple[str, str]]) -> bool:
    if incident.rule in TOGETHER:
        return not any((incident.rule, subject) in rows for subject in incident.subjects)
    key = (incident.rule, incident.cause)
    return key in told and key not in rows


def _now(
    incident: Incident,
    rows: Mapping[tuple[str, str], Mapping[str, Any]],
    suffering: Mapping[str, tuple[str, ...]],
) -> Incident:
    """The incident with what suffers from it by now; who was told of it is not told again."""
    if incident.rule not in VENDORS or (incident.rule, incident.cause) not in rows:
        return incident
    subjects = sorted({*incident.subjects, *suffering.get(incident.cause, ())})
    return replace(incident, subjects=tuple(subjects))
