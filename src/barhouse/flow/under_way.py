"""A run while it is under way: whose turn it is, what came of whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from uuid import UUID

from barhouse.flow.plan import Wanted
from barhouse.model import Instrument, Series
from barhouse.store.executions import Claim
from barhouse.store.fetches import Fetch
from barhouse.store.postgres import Database
from barhouse.store.runs import Totals


@dataclass(frozen=True, slots=True)
class Task:
    """Parts of a job: the executions of its series. The books of its run are the job's, which has other parts."""

    executions: Mapping[Series, UUID]
    run: UUID
    waits: Sequence[float] = ()
    """Seconds before a series that failed is tried again, each time."""


@dataclass(slots=True)
class Run:
    """A run under way: whose turn it is, and what came of the others."""

    db: Database
    number: UUID
    wanted: dict[Series, list[Wanted]]
    """What is to be brought; with what jobs want of series that it takes out of the queue."""
    began: datetime
    now: datetime
    task: Task | None = None
    """Set where it is no run of its own."""
    claims: dict[Series, Claim] = field(default_factory=dict)
    """The series that it is at."""
    taken: set[UUID] = field(default_factory=set)
    """Executions that others have taken over, as far as it has heard."""
    signed: float = field(default_factory=monotonic)
    """When it gave its last sign of life."""
    errors: dict[Series, str | None] = field(default_factory=dict)
    """The series that are through, each with its error."""
    records: int = 0
    unsettled: set[Instrument] = field(default_factory=set)
    """Those that are through, but not judged yet, which is done for many together."""
    settled: float = field(default_factory=monotonic)
    tried: Counter[Series] = field(default_factory=Counter)
    """How often series were tried again."""
    fetched: dict[Series, list[Fetch]] = field(default_factory=lambda: defaultdict(list))
    """What came of series before they were tried again."""

    def pause(self, left: Sequence[Series]) -> float:
        """Seconds until those that are left are tried again; 0 where one of them was not tried yet."""
        tries = min((self.tried[series] for series in left if series in self.claims), default=0)
        return self.task.waits[tries - 1] if self.task and tries else 0.0

    def totals(self) -> Totals:
        """What it has come to: a symbol has failed when one of its series has."""
        through = self.through()
        failed = sum(error is not None for error in through.values())
        return Totals(len(through) - failed, failed, self.records)

    def through(self) -> dict[Instrument, str | None]:
        """The instruments whose series are all through, each with the first of their errors."""
        own: dict[Instrument, list[Series]] = defaultdict(list)
        for series in self.wanted:
            own[series.instrument].append(series)
        return {
            instrument: next((error for series in every if (error := self.errors[series]) is not None), None)
            for instrument, every in own.items()
            if all(series in self.errors for series in every)
        }
