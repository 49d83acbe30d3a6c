"""The verdicts on a moved bar: one verdict is one function that gives an expression over the candidates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache, reduce
from types import MappingProxyType

import polars as pl

from barhouse.checks.ground import BASIS
from barhouse.checks.witness import denied, moved_on, shown


class Verdict(StrEnum):
    """What is the matter with a bar."""

    IMPOSSIBLE_BAR = "impossible_bar"
    UNIT_ERROR = "unit_error"
    DOUBLED_SPLIT = "doubled_split"
    MISSED_SPLIT = "missed_split"
    STALE_REPEAT = "stale_repeat"
    CLOCK_SHIFT = "clock_shift"
    PARTIAL_BAR = "partial_bar"
    BAD_TICK = "bad_tick"
    REAL_MOVE = "real_move"


_verdicts: dict[Verdict, Callable[[], pl.Expr]] = {}

registry: Mapping[Verdict, Callable[[], pl.Expr]] = MappingProxyType(_verdicts)
"""The verdicts on candidates, the first one that holds is told."""


def verdict(name: Verdict) -> Callable[[Callable[[], pl.Expr]], Callable[[], pl.Expr]]:
    """Enrol the function below; its docstring is what the verdict means."""

    def enrol(holds: Callable[[], pl.Expr]) -> Callable[[], pl.Expr]:
        _verdicts[name] = holds
        return holds

    return enrol


UNITS = (100.0, 1000.0, 10.0)
"""Pence for pounds, grams for kilograms, a slipped point."""

SPLITS = (*(float(n) for n in range(2, 11)), 1.5, 4 / 3, 5 / 4, 5 / 2, 5 / 3, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""New shares for one old that companies choose; the other way round it is a reverse split."""

LEAST = math.log(1.04)
"""The logarithm of the smallest deviation that is called a fault."""

UNKNOWN = 0.02
"""The deviation that is taken where there are too few returns."""

SIGMAS = 3.5
"""Usual moves that a fault is off at least."""

ISLAND_SIGMAS, ISLAND_STIR = 2.5, 1.5
"""The same, and times the ranges of these days, where the next open has taken it back."""

WICK_SIGMAS = 4.0

STIR, OWN_STIR, LONELY = 2.5, 2.0, 6.0
"""Times the ranges of these days, and what the day itself moved, that a wick is off; and where volume counts less."""

LONELIEST, WILD = 20.0, 10.0
"""The same for a wick beyond what a panic leaves, and the volume up to which it is one: panics move other bars too."""

IDLE = 1.25
"""Times the usual volume up to which nobody was in a panic: the least in the lows of 6 May 2010 is 1.46."""

IDLE_SIGMAS, IDLE_STIR, IDLE_OWN_STIR = 3.0, 2.0, 1.5
"""What a high or low is off at least on such a day."""

AWAY = 0.5
"""The part of a day's move that speaks for a wick on its other side."""

BUSY, BUSY_SIGMAS, BUSY_STIR = 1.3, 2.0, 6.0
"""On a day with more volume that went its way by more sigmas a wick must be so many times that: 6 May 2010 was real."""

LOST, LOST_STIR = 10.0, 3.0
"""Times the ranges of these days from which on less is enough then: no low of 24 August 2015 was beyond 9.4."""

FAR = 0.15
"""A close that far off is wrong even if the high or low of its bar went along."""

LOUD, LOUDEST = 2.5, 5.0
"""Times the usual volume from which people were at work, and not a broken feed; where prices are far off, LOUDEST."""

NOT_LOUD, NOT_FAR = 1.6, 6.0
"""The same for moves of so few sigmas, and for opens: many a panic at the open of 24 August 2015 was real."""

VERY_FAR = math.log(2)


def seen(candidates: pl.DataFrame) -> pl.DataFrame:
    """The candidates (`witness.with_witnesses`) with what the verdicts ask for, and with their `verdict`.

    How far (logarithms) each price is outside the close before and the open after: `out_o` … `out_c`; how far open and
    close are from the close before: `gap`, `move`; the `field` at fault and its `reach` beyond all that is sound;
    whether the `whole` bar is off; `times` the usual volume; `sigma` of the usual returns.
    """
    return reduce(lambda rows, stage: rows.with_columns(**stage), _stages(), candidates)


@cache
def _stages() -> tuple[dict[str, pl.Expr], ...]:
    """The columns of `seen`, those first that others are made of."""
    usual = pl.when(pl.col("usual") > 0).then("usual")
    sigma = 1.4826 * pl.col("deviation").fill_null(UNKNOWN)
    gap, move = ((pl.col(name) / pl.col("p")).log() for name in "oc")
    outs = {f"out_{name}": _outside(name, "p", "no") for name in BASIS}
    verdict = pl.coalesce(pl.when(holds()).then(pl.lit(name)) for name, holds in registry.items())
    return (
        {**outs, "times": pl.col("v") / usual, "sigma": sigma, "gap": gap, "move": move},
        {"field": _field(), "whole": _whole()},
        {"reach": _reach(), "own_move": _own_move()},
        {"moved_within": moved_on("seen"), "moved_around": moved_on("around")},
        {"denied": denied(), "shown": shown()},
        {"at_work": at_work(), "island": island(), "wick": wick()},
        {"verdict": verdict},
    )


def _outside(name: str, *sound: str) -> pl.Expr:
    """How far above (or, negative, below) all these prices one is."""
    return (pl.col(name) / pl.col(name).clip(pl.min_horizontal(*sound), pl.max_horizontal(*sound))).log()


def _outs() -> list[pl.Expr]:
    return [pl.col(f"out_{name}") for name in BASIS]


def _field() -> pl.Expr:
    """The price that is at fault; a high or low goes with an open or close that is."""
    most = 0.7 * pl.max_horizontal(each.abs() for each in _outs())
    return (
        pl.when(pl.col("out_c").abs() >= most)
        .then(pl.lit("close"))
        .when(pl.col("out_o").abs() >= most)
        .then(pl.lit("open"))
        .when(pl.col("out_l").abs() >= most)
        .then(pl.lit("low"))
        .otherwise(pl.lit("high"))
    )


def _whole() -> pl.Expr:
    """Whether all four prices are off to the same side, and about as far."""
    least = pl.max_horizontal(pl.min_horizontal(_outs()), -pl.max_horizontal(_outs()))
    return least >= 0.6 * pl.max_horizontal(each.abs() for each in _outs())


def _reach() -> pl.Expr:
    """How far the price at fault is beyond the other prices."""
    return (
        pl.when(pl.col("field") == "close")
        .then(pl.col("out_c"))
        .when(pl.col("field") == "open")
        .then(_outside("o", "p", "c", "no"))
        .when(pl.col("field") == "low")
        .then(_outside("l", "p", "o", "c", "no"))
        .otherwise(_outside("h", "p", "o", "c", "no"))
        .abs()
    )


def taken_back() -> pl.Expr:
    """Whether the next open is back where the prices were, though the close was far away: nobody traded in between."""
    back = (pl.col("no") / pl.col("c")).log()
    return (back * pl.col("out_c") < 0) & (back.abs() >= 0.6 * pl.col("out_c").abs())


def at_work() -> pl.Expr:
    """Whether so much was traded that the prices may have been real."""
    limit = (
        pl.when(pl.col("reach") > VERY_FAR)
        .then(LOUDEST)
        .when((pl.col("field") == "open") | (pl.col("reach") < NOT_FAR * pl.col("sigma")))
        .then(NOT_LOUD)
        .otherwise(LOUD)
    )
    return (pl.col("times") > limit).fill_null(value=False) & ~pl.col("denied")


def island() -> pl.Expr:
    """Whether the close alone, or the whole bar, is off what is before and after it.

    The next open is back where the close before was. A close that alone is wrong is the furthest price of its bar.
    """
    far = pl.max_horizontal(LEAST, ISLAND_SIGMAS * pl.col("sigma"), ISLAND_STIR * pl.col("calm"))
    whole = pl.col("whole") & (pl.col("gap").abs() >= 0.6 * pl.col("reach"))
    alone = ~pl.col("whole") & (_at_the_end() | (pl.col("reach") > FAR))
    return_ = taken_back() & (whole | alone)
    return (pl.col("field") == "close") & (pl.col("reach") >= far) & (return_ | pl.col("denied")) & ~pl.col("shown")


def sure() -> pl.Expr:
    """Whether an island is one whatever was traded: its close ends the bar, and the next open is where all began."""
    back = (pl.col("no") / pl.col("p")).log().abs() <= 0.35 * pl.col("reach")
    return back & (_at_the_end() | (pl.col("whole") & (pl.col("reach") > FAR)))


def _at_the_end() -> pl.Expr:
    beyond, below = (pl.col("h") / pl.col("c")).log(), (pl.col("c") / pl.col("l")).log()
    return pl.when(pl.col("out_c") > 0).then(beyond).otherwise(below) <= 0.02 * pl.col("reach")


def wick() -> pl.Expr:
    """Whether the open, the high or the low is far off, on a day and in days that are else calm."""
    idle = (pl.col("times") <= IDLE).fill_null(value=False) & (pl.col("field") != "open")
    lost = pl.col("reach") >= LOST * pl.col("calm")
    busy = pl.when(lost).then(LOST_STIR).otherwise(BUSY_STIR)
    own = pl.when(_busy()).then(busy).when(idle).then(IDLE_OWN_STIR).otherwise(OWN_STIR) * pl.col("own_move")
    stir = pl.max_horizontal(pl.when(idle).then(IDLE_STIR).otherwise(STIR) * pl.col("calm"), own)
    off = pl.max_horizontal(LEAST, pl.when(idle).then(IDLE_SIGMAS).otherwise(SIGMAS) * pl.col("sigma"))
    usual = pl.when(idle).then(IDLE_SIGMAS).otherwise(WICK_SIGMAS) * pl.col("sigma")
    far = pl.max_horizontal(off, usual, stir)
    enough = (pl.col("reach") >= far) | ((pl.col("reach") >= off) & pl.col("denied"))
    return (pl.col("field") != "close") & enough & pl.col("no").is_not_null() & ~pl.col("shown")


def _busy() -> pl.Expr:
    """Whether the day went the way of its far price, with some volume: a market that falls has lower lows."""
    falls, rises = -pl.min_horizontal("gap", "move"), pl.max_horizontal("gap", "move")
    along = pl.when(pl.col("field") == "low").then(falls).when(pl.col("field") == "high").then(rises)
    traded = pl.max_horizontal("times", pl.col("v") / pl.when(pl.col("usual_before") > 0).then("usual_before"))
    far = along.otherwise(pl.col("own_move")) > BUSY_SIGMAS * pl.col("sigma")
    return far & (traded > BUSY).fill_null(value=False)


def lonely() -> pl.Expr:
    """Whether a high or low is so far beyond all else of its day and these days that some more volume proves little."""
    stir = pl.col("reach") / pl.max_horizontal("calm", "own_move")
    far = (stir >= LONELY) & (pl.col("times") <= LOUDEST)
    return pl.col("field").is_in(["high", "low"]) & (far | ((stir >= LONELIEST) & (pl.col("times") <= WILD)))


def _own_move() -> pl.Expr:
    """How far the sound prices of the day moved, those away from a high or low in part."""
    side = pl.when(pl.col("field") == "low").then(-1).when(pl.col("field") == "high").then(1)
    gap, move = (_toward(pl.col(name), side) for name in ("gap", "move"))
    return pl.max_horizontal(move, pl.when(pl.col("field") != "open").then(gap))


def _toward(move: pl.Expr, side: pl.Expr) -> pl.Expr:
    """How far a move led; less where it went to the other side."""
    return pl.when(move * side < 0).then(AWAY * move.abs()).otherwise(move.abs())


def near_ratio(figure: pl.Expr, ratios: tuple[float, ...], slack: pl.Expr) -> pl.Expr:
    """The nearest one of `ratios` and their inverses, if a logarithm is within `slack` of its own; else null."""
    known, middles = _logarithms(ratios)
    nearest = pl.lit(known).gather(pl.lit(middles).search_sorted(figure))
    return pl.when((figure - nearest).abs() <= slack).then(nearest.exp())


@cache
def _logarithms(ratios: tuple[float, ...]) -> tuple[pl.Series, pl.Series]:
    """Those of some ratios and their inverses, and what lies in the middle between each two of them."""
    known = pl.Series(sorted(sign * math.log(ratio) for ratio in ratios for sign in (1.0, -1.0)))
    return known, (known[1:] + known[:-1]) / 2


def unit() -> pl.Expr:
    """The factor of a unit that the close is off by, if it is one."""
    return near_ratio(pl.col("out_c"), UNITS, pl.max_horizontal(0.04, 2 * pl.col("sigma")).clip(None, 0.12))


@verdict(Verdict.UNIT_ERROR)
def unit_error() -> pl.Expr:
    """The prices of the bar are 100, 1000 or 10 times too high or too low, and the next bar is as it should be."""
    return pl.col("island") & unit().is_not_null()


@verdict(Verdict.BAD_TICK)
def bad_tick() -> pl.Expr:
    """A price is far off what is before and after it, without the volume of a real move."""
    idle = ~pl.col("at_work")
    return (pl.col("island") & (sure() | idle)) | (pl.col("wick") & (lonely() | idle))


@verdict(Verdict.REAL_MOVE)
def real_move() -> pl.Expr:
    """The price moved so far, and nothing says that it did not."""
    return pl.col("moved")
