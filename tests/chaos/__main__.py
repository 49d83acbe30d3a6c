"""Random scenarios, one after the other: python -m tests.chaos [COUNT] [SEED]."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import pytest

from tests.chaos import market
from tests.chaos.playing import Broken, played
from tests.chaos.scenarios import drawn
from tests.chaos.stage import made

GOALS = {"series of": 20.0, "after": 10.0, "leader": 30.0}
"""Seconds aimed at, by the beginning of what was measured."""


def say(line: str = "") -> None:
    """Tell whoever waits."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(count: int, first: int) -> int:
    """Play so many scenarios from a seed on; how many of them ended badly."""
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        template, shelf = made(Path(folder)), market.shelved(Path(folder) / "shelf")
        failed = [seed for seed in range(first, first + count) if not _one(template, shelf, seed, times)]
    _table(times)
    say(f"{count - len(failed)} of {count} scenarios ended well" + "".join(f"; failed: {seed}" for seed in failed))
    return len(failed)


def _one(template: Path, shelf: Path, seed: int, times: dict[str, list[float]]) -> bool:
    """Whether all holds that must after the scenario of a seed."""
    scenario, began = drawn(seed), time.monotonic()
    say(str(scenario))
    with suppress(pytest.skip.Exception):
        try:
            told = played(template, shelf, scenario)
        except Broken as failure:
            say(f"{failure}\nRepeat it: make chaos CHAOS=1 SEED={seed}")
            return False
        for what, seconds in told.times:
            times[what].append(seconds)
        said = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in told.times)
        say(f"  well after {time.monotonic() - began:.0f} s; {said}")
        say("".join(f"  {note}\n" for note in told.notes).rstrip("\n"))
        return True
    say("  left out: this machine does not let us mount a small disk")
    return True


def _table(times: Mapping[str, Sequence[float]]) -> None:
    say(f"{'seconds until it went on':40} {'times':>5} {'median':>7} {'worst':>7} {'aim':>5}")
    for what, every in sorted(times.items()):
        aim = next(goal for begin, goal in GOALS.items() if what.startswith(begin))
        say(f"{what:40} {len(every):5} {median(every):7.1f} {max(every):7.1f} {aim:5.0f}")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(1 if main(*(numbers + [100, 1][len(numbers) :])) else 0)
