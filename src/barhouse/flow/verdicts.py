"""Which splits and dividends count where sources differ: what prices did decides, then the order of the sources."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from barhouse.model import Timeframe, instant
from barhouse.store.actions import Days, Move, Verdict

APART = timedelta(days=7)
"""Splits that are told for days no further apart can be the same one."""
DIVIDENDS_APART = timedelta(days=4)
"""The same for dividends, which some companies pay every month."""
VISIBLE = math.log(1.2)
"""Ratios nearer to each other than 1.2 cannot be told apart by what prices do in a session."""
CLEARLY = 3
"""The prices decide between two ratios where they are so many times nearer to the one than to the other."""
SAME_RATIO, SAME_AMOUNT = 1e-3, 1e-2
"""Relative differences below which two sources tell the same."""

Telling = Mapping[str, Any]
"""A row of `store.actions.told`."""


@dataclass(frozen=True, eq=False)
class Claim:
    """A split as it is told: a day and a ratio, by whom, and what the prices did that day."""

    effective: date
    ratio: float
    tellings: Sequence[Telling]
    others: Sequence[float]
    """The other ratios that are told for that day."""
    move: Move | None

    @cached_property
    def sources(self) -> set[str]:
        """Who tells it."""
        return {row["source"] for row in self.tellings}

    @cached_property
    def confirmed(self) -> bool:
        """Whether prices moved as by this ratio, clearly not as by another one, nor as if nothing had happened."""
        return 1.0 in self._rivals and all(self._nearer(self.ratio, rival) for rival in self._rivals)

    @cached_property
    def denied(self) -> bool:
        """Whether prices clearly moved as by another ratio, or as if nothing had happened."""
        return any(self._nearer(rival, self.ratio) for rival in self._rivals)

    @cached_property
    def _rivals(self) -> list[float]:
        """The ratios that would look different, 1 among them: no split at all."""
        return [other for other in (1.0, *self.others) if abs(math.log(self.ratio / other)) >= VISIBLE]

    def _nearer(self, one: float, other: float) -> bool:
        return self.move is not None and misfit(self.move, one) * CLEARLY <= misfit(self.move, other)

    def excludes(self, other: Claim) -> bool:
        """Whether only one of the two can be: on one day, in one move, or days apart and told by nobody as two."""
        if self.effective == other.effective or (self.confirmed and other.confirmed and self._moves_with(other)):
            return True
        return abs(self.effective - other.effective) <= APART and not self.sources & other.sources

    def _moves_with(self, other: Claim) -> bool:
        mine, its = self.move, other.move
        return mine is not None and its is not None and mine.before < its.after and its.before < mine.after


def misfit(move: Move, ratio: float) -> float:
    """How far, in logarithms, the move is from that of a split: an open may be a bad tick, a close a bad day."""
    return min(abs(math.log(move.previous_close / price / ratio)) for price in (move.open, move.close))


def claims(told: Iterable[Telling], moves: Iterable[Move], precedence: Sequence[str]) -> list[Claim]:
    """What is told of the splits of an instrument, each day and ratio once, whose word counts first in front."""
    seen = {move.effective: move for move in sorted(moves, key=_preference, reverse=True)}
    of_day: dict[date, list[list[Telling]]] = {}
    for row in told:
        groups = of_day.setdefault(row["effective"], [])
        same = [group for group in groups if abs(group[0]["ratio"] / row["ratio"] - 1) <= SAME_RATIO]
        if same:
            same[0].append(row)
        else:
            groups.append([row])
    found = [
        Claim(day, own[0]["ratio"], own, [group[0]["ratio"] for group in groups if group is not own], seen.get(day))
        for day, groups in of_day.items()
        for own in groups
    ]
    return sorted(found, key=lambda claim: (min(_rank(row, precedence) for row in claim.tellings), claim.effective))


def _rank(row: Telling, precedence: Sequence[str]) -> int:
    return precedence.index(row["source"]) if row["source"] in precedence else len(precedence)


def _preference(move: Move) -> int:
    """Whose move is looked at: that of the days, else of the longest bars there are."""
    return 0 if move.timeframe == Timeframe.D1.code else 1 + Timeframe.W1.code - move.timeframe


def counting(told: Sequence[Claim]) -> list[Claim]:
    """The claims that are to be applied: what prices deny is not, and of two that exclude each other only one is.

    What prices confirm goes first, then whose word counts first.
    """
    accepted: list[Claim] = []
    for claim in sorted(told, key=lambda claim: not claim.confirmed):
        if not claim.denied and not any(claim.excludes(other) for other in accepted):
            accepted.append(claim)
    return accepted


def on_splits(told: Sequence[Claim], readings: Mapping[str, Days]) -> Iterator[Verdict]:
    """How each telling of a split stands, with the evidence."""
    accepted = counting(told)
    for claim in told:
        standing = "accepted" if claim in accepted else "rejected"
        reasons = json.dumps(evidence(claim, told, readings))
        yield from (Verdict(row["id"], standing, reasons) for row in claim.tellings)


def evidence(claim: Claim, told: Sequence[Claim], readings: Mapping[str, Days]) -> dict[str, Any]:
    """What speaks for a claim and against it: `by` says what decides, prices | order | agreement | only_telling."""
    against = rivals(claim, told)
    return {
        "by": _decided_by(claim, against),
        "sources": sorted(claim.sources),
        "others": [
            {"effective": str(one.effective), "ratio": one.ratio, "sources": sorted(one.sources)} for one in against
        ],
        "silent": silent(claim, told, readings),
        "move": _shown(claim.move, [1.0, claim.ratio, *claim.others]) if claim.move else None,
    }


def rivals(claim: Claim, told: Sequence[Claim]) -> list[Claim]:
    """The claims that cannot be together with this one."""
    return [other for other in told if other is not claim and claim.excludes(other)]


def silent(claim: Claim, told: Sequence[Claim], readings: Mapping[str, Days]) -> list[str]:
    """The sources that were asked about that time and tell no split in it."""
    telling = {name for one in told if abs(one.effective - claim.effective) <= APART for name in one.sources}
    asked = {name for name, days in readings.items() if days.first <= claim.effective <= days.last}
    return sorted(asked - telling)


def _decided_by(claim: Claim, against: Sequence[Claim]) -> str:
    if claim.confirmed or claim.denied or any(other.confirmed for other in against):
        return "prices"
    if against:
        return "order"
    return "agreement" if len(claim.sources) > 1 else "only_telling"


def _shown(move: Move, ratios: Iterable[float]) -> dict[str, Any]:
    return {
        "timeframe": Timeframe.by_code(move.timeframe),
        "before": instant(move.before),
        "previous_close": move.previous_close,
        "after": instant(move.after),
        "open": move.open,
        "close": move.close,
        "misfit": {f"{ratio:g}": round(misfit(move, ratio), 4) for ratio in ratios},
    }


def on_dividends(told: Sequence[Telling], precedence: Sequence[str]) -> Iterator[Verdict]:
    """How each telling of a dividend stands: about one day the first source counts, and who tells the same."""
    of_day: dict[date, list[Telling]] = {}
    for row in told:
        of_day.setdefault(row["effective"], []).append(row)
    for row in told:
        about = (other for day in _days_about(row["effective"]) for other in of_day.get(day, ()))
        first = [other for other in about if _rank(other, precedence) < _rank(row, precedence)]
        against = [other for other in first if not _same_dividend(other, row)]
        reasons = {"by": "order" if against else "only_telling", "others": [_dividend(other) for other in against]}
        if first and not against:
            reasons["by"] = "agreement"
        yield Verdict(row["id"], "rejected" if against else "accepted", json.dumps(reasons))


def _days_about(day: date) -> Iterator[date]:
    return (day + timedelta(days=apart) for apart in range(-DIVIDENDS_APART.days, DIVIDENDS_APART.days + 1))


def _same_dividend(one: Telling, other: Telling) -> bool:
    alike = abs(one["amount"] - other["amount"]) <= SAME_AMOUNT * abs(one["amount"])
    return bool(alike and one["effective"] == other["effective"])


def _dividend(row: Telling) -> dict[str, Any]:
    return {"source": row["source"], "effective": str(row["effective"]), "amount": row["amount"]}
