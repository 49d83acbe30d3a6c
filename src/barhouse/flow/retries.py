"""Series whose sources failed are tried again after a while, where that can help."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from barhouse.errors import CircuitOpen, SourceError
from barhouse.flow import books
from barhouse.flow.backfill import Outcome
from barhouse.flow.under_way import Run
from barhouse.store import executions

log = structlog.get_logger()

WAITS = (2.0, 4.0, 8.0)
"""Seconds before a series is tried again; after the last time it has failed."""


def again(run: Run, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those of some outcomes that are the end; the other series of a task stay claimed, to be tried again.

    An end has all that was fetched before it. An execution is tried again as often as it allows, takeovers counted.
    """
    hopeful = {run.claims[each.series].execution_id: each for each in outcomes if _is_hopeful(run, each)}
    if hopeful:
        told = [(run.claims[each.series], books.error(each) or "") for each in hopeful.values()]
        with run.db.transaction() as connection:
            kept = executions.again(connection, told)
        for execution in kept:
            _put_off(run, hopeful[execution])
        outcomes = [each for each in outcomes if each not in [hopeful[execution] for execution in kept]]
    for each in outcomes:
        each.fetches[:0] = run.fetched.pop(each.series, [])
    return list(outcomes)


def _is_hopeful(run: Run, outcome: Outcome) -> bool:
    """Whether trying again may bring what is missing: not where the vendor does not know it, or refuses the key."""
    if run.task is None or outcome.lost or not outcome.missing:
        return False
    said = [error for error in outcome.errors if isinstance(error, SourceError)]
    passing = any(error.transient or isinstance(error, CircuitOpen) for error in said)
    return passing and run.tried[outcome.series] < len(run.task.waits)


def _put_off(run: Run, outcome: Outcome) -> None:
    series = outcome.series
    run.fetched[series] += outcome.fetches
    run.tried[series] += 1
    wait = run.task.waits[run.tried[series] - 1] if run.task else 0.0
    reason = books.error(outcome)
    log.warning("enrichment_retry", series=str(series), attempt=run.tried[series], seconds=wait, error=reason)
