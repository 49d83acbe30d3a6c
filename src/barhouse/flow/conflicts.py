"""What is to be said where sources differ about splits, or the prices differ from what they tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from barhouse.flow.verdicts import Claim, counting, evidence, rivals, silent
from barhouse.model import Timeframe
from barhouse.store.actions import Days
from barhouse.store.anomalies import FOUND

KIND = "split_conflict"


def conflicts(instrument: int, told: Sequence[Claim], readings: Mapping[str, Days]) -> pl.DataFrame:
    """The conflicts about the splits of an instrument as anomalies (`store.anomalies.FOUND`), one a day."""
    accepted = counting(told)
    wrong = [claim for claim in told if claim not in accepted or silent(claim, told, readings)]
    of_day: dict[date, list[Claim]] = {}
    for claim in wrong:
        of_day.setdefault(claim.effective, []).append(claim)
    rows = [_row(instrument, day, own, accepted, told, readings) for day, own in sorted(of_day.items())]
    return pl.DataFrame(rows, schema=FOUND, orient="row")


def _row(
    instrument: int,
    day: date,
    own: Sequence[Claim],
    accepted: Sequence[Claim],
    told: Sequence[Claim],
    readings: Mapping[str, Days],
) -> tuple[Any, ...]:
    proofs = [{"ratio": claim.ratio, "counts": claim in accepted, **evidence(claim, told, readings)} for claim in own]
    described = " ".join(_described(claim, proof) for claim, proof in zip(own, proofs, strict=True))
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    severity = _severity(own, accepted, told, proofs)
    return instrument, Timeframe.D1.code, KIND, severity, described, json.dumps(proofs), moment


def _severity(
    own: Sequence[Claim], accepted: Sequence[Claim], told: Sequence[Claim], proofs: Sequence[Mapping[str, Any]]
) -> str:
    """High where a split is told and none is applied, medium where nothing but the order decides, else low."""
    if any(not {claim, *rivals(claim, told)} & set(accepted) for claim in own):
        return "high"
    return "low" if all(proof["by"] == "prices" for proof in proofs) else "medium"


def _described(claim: Claim, proof: Mapping[str, Any]) -> str:
    tells = f"{' and '.join(proof['sources'])} told a {claim.ratio:g}:1 split of {claim.effective}"
    others = [f"{' and '.join(one['sources'])} {one['ratio']:g}:1 of {one['effective']}" for one in proof["others"]]
    against = [*others, *(f"{name} none" for name in proof["silent"])]
    reason = "prices say so" if proof["by"] == "prices" else "that is the order of the sources"
    counts = "it is applied" if proof["counts"] else "it is not applied"
    return f"{tells}{', ' if against else ''}{', '.join(against)}; {counts}: {reason}."
