"""Whether a bar can be believed: hard checks, flags, and the score they make."""

from barhouse.checks.answer import answer
from barhouse.checks.doubles import doubles
from barhouse.checks.gaps import GAPS, gaps
from barhouse.checks.history import flag
from barhouse.checks.outliers import OUTLIERS, outliers
from barhouse.checks.overdue import NEWEST, overdue
from barhouse.checks.past import LOOK_BACK
from barhouse.checks.place import placed
from barhouse.checks.registry import Check, Kind, Severity, check, registry
from barhouse.checks.score import GOOD_ENOUGH, regraded, score
from barhouse.checks.sieve import Sifted, sift
from barhouse.checks.staleness import STALE, market_time, stale
from barhouse.checks.verdicts import Verdict

__all__ = [
    "GAPS",
    "GOOD_ENOUGH",
    "LOOK_BACK",
    "NEWEST",
    "OUTLIERS",
    "STALE",
    "Check",
    "Kind",
    "Severity",
    "Sifted",
    "Verdict",
    "answer",
    "check",
    "doubles",
    "flag",
    "gaps",
    "market_time",
    "outliers",
    "overdue",
    "placed",
    "registry",
    "regraded",
    "score",
    "sift",
    "stale",
]
