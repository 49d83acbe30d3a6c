"""The checks by name: one check is one function that gives an expression, enrolled by a decorator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ParamSpec

import polars as pl

P = ParamSpec("P")


class Severity(StrEnum):
    """How much it matters that a check fails."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Kind(StrEnum):
    """What a failure means: `hard` sends the bar to the quarantine, `flag` keeps it at a lower score."""

    HARD = "hard"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Check:
    """A check; its `name` is the reason in the quarantine, or the word in a bar's `flags`."""

    name: str
    severity: Severity
    kind: Kind
    doc: str
    fails: Callable[..., pl.Expr]
    """The expression that is true where a bar fails, and null where the check does not apply."""


_checks: dict[str, Check] = {}

registry: Mapping[str, Check] = MappingProxyType(_checks)
"""All checks, in the order in which reasons and flags are named."""


def check(severity: Severity, kind: Kind = Kind.HARD) -> Callable[[Callable[P, pl.Expr]], Callable[P, pl.Expr]]:
    """Enrol the function below as a check under its name, its docstring being the line in the docs."""

    def enrol(fails: Callable[P, pl.Expr]) -> Callable[P, pl.Expr]:
        name = fails.__name__
        _checks[name] = Check(name, severity, kind, (fails.__doc__ or "").strip(), fails)
        return fails

    return enrol


def of_kind(kind: Kind) -> list[Check]:
    """The checks of one kind, in order."""
    return [one for one in registry.values() if one.kind is kind]


def named(reasons: Mapping[str, pl.Expr]) -> pl.Expr:
    """The names whose expression is true, joined by commas; null where none is."""
    words = [pl.when(fails).then(pl.lit(name)) for name, fails in reasons.items()]
    return pl.concat_str(words, separator=",", ignore_nulls=True).replace("", None)
