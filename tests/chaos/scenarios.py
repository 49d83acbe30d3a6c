"""What happens when, as data: a scenario is drawn from its seed, and can be played again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done to the running system."""

    KILL = "kill -9"
    FREEZE = "SIGSTOP"
    DOUBLE = "start one more"
    KILL_POSTGRES = "kill -9 of the postmaster"
    ABORT_POSTGRES = "pg_ctl stop -m immediate"
    RESTART_POSTGRES = "pg_ctl restart -m fast"
    FILL_DISK = "no room on the disk"


@dataclass(frozen=True, slots=True)
class Act:
    """Something happens `at` so many seconds after the beginning, and is undone when it has lasted long enough."""

    at: float
    kind: Kind
    who: str = ""
    lasts: float = 1.0

    def __str__(self) -> str:
        of = f" of {self.who}" if self.who else ""
        return f"{self.at:.1f} s: {self.kind}{of}, for {self.lasts:.1f} s"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Processes that bring fifty series from vendors with faults, and what befalls them."""

    seed: int
    faults: str
    acts: tuple[Act, ...]
    embedded: bool = False
    """Whether the processes share Barhouse's embedded PostgreSQL; else there is a DATABASE_URL."""

    def __str__(self) -> str:
        where = "embedded PostgreSQL" if self.embedded else "DATABASE_URL"
        lines = [f"seed {self.seed}, {where}, faults: {self.faults}", *(f"  {act}" for act in self.acts)]
        return "\n".join(lines)


UP, WORKERS, MORE = "up", ("worker-1", "worker-2"), ("up-2", "worker-3")
"""Who is there from the beginning, and who can be there too."""

LEADER = "the leader"
"""Whoever leads the schedules at that instant."""

SLOW = "latency seconds=0.25 spread=0.2"
BRISK = "latency seconds=0.15 spread=0.1"
FAULTS = (
    "reset chance=0.04",
    "error status=500 chance=0.04",
    "html chance=0.05",
    "truncated chance=0.05",
    "cut after=0.9 chance=0.05",
    "limited retry_after=0.5 chance=0.1",
    "duplicates share=0.1 by=0",
    "polygon error path=HALFA chance=0.4",
    "binance error path=COIN chance=0.3",
    "trickle seconds=1 pieces=3 chance=0.05",
)
"""What vendors do; none of it makes a true bar a false one for good."""

FROZEN = 18.0
"""Seconds that outlast a lease."""

LASTING = {Kind.FREEZE: (FROZEN, FROZEN + 3), Kind.FILL_DISK: (1.0, 6.0), Kind.DOUBLE: (5.0, 30.0)}


def drawn(seed: int) -> Scenario:
    """The scenario of a seed."""
    lots = random.Random(seed)
    embedded = lots.random() < 0.25
    faults = "; ".join([f"seed={seed}", SLOW, *lots.sample(FAULTS, lots.randint(1, 3))])
    acts = [_act(lots, embedded=embedded) for _ in range(lots.randint(1, 4))]
    return Scenario(seed, faults, tuple(sorted(acts, key=lambda act: act.at)), embedded)


def _act(lots: random.Random, *, embedded: bool) -> Act:
    kind = lots.choice([kind for kind in Kind if not (embedded and kind is Kind.RESTART_POSTGRES)])
    who = {Kind.KILL: (UP, LEADER, *WORKERS), Kind.FREEZE: (UP, *WORKERS), Kind.DOUBLE: MORE}.get(kind, ("",))
    shortest, longest = LASTING.get(kind, (0.5, 4.0))
    return Act(round(lots.uniform(0.5, 12), 1), kind, lots.choice(who), round(lots.uniform(shortest, longest), 1))


SHORT = (
    Scenario(
        1,
        f"seed=1; {BRISK}; reset chance=0.05; limited retry_after=0.5 chance=0.05",
        (
            Act(1.5, Kind.KILL, "worker-1"),
            Act(2.0, Kind.FREEZE, "worker-2", FROZEN),
            Act(3.0, Kind.DOUBLE, "up-2", 20.0),
            Act(8.0, Kind.KILL, LEADER),
        ),
    ),
    Scenario(
        2,
        f"seed=2; {BRISK}; error status=500 chance=0.05",
        (
            Act(1.5, Kind.KILL_POSTGRES),
            Act(5.0, Kind.ABORT_POSTGRES, lasts=2.0),
            Act(8.0, Kind.RESTART_POSTGRES),
            Act(10.0, Kind.FILL_DISK, lasts=2.0),
        ),
    ),
    Scenario(3, f"seed=3; {BRISK}; truncated chance=0.05", (Act(3.0, Kind.KILL_POSTGRES),), embedded=True),
)
"""Each act at least once, for `make test`."""
