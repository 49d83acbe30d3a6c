"""The quality score, by pencil and paper."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from barhouse.checks import score
from barhouse.checks.score import weighed
from barhouse.model import JUDGED
from tests.unit.checks.frames import frame

POLYGON = frozenset({"vwap", "trades"})


def scored(expects: frozenset[str] = frozenset(), **row: Any) -> dict[str, Any]:
    """An ordinary bar after all checks, but for what `row` says."""
    flags = {"flags": None, "passed": 10, "applicable": 10, "feature_finite": 14, "feature_applicable": 14}
    bar = frame([{name: value for name, value in row.items() if name not in flags}])
    rest = {name: pl.Series([row.get(name, usual)]) for name, usual in flags.items()}
    found: dict[str, Any] = score(bar.with_columns(**rest), expects=expects).row(0, named=True)
    return found


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((0.8, 0.9, 0.85, 1.0), 0.86),
        ((1.0, 1.0, 1.0, 1.0), 1.0),
        ((0.0, 0.0, 0.0, 0.0), 0.0),
        ((1.0, 1.0, 1.0, 0.0), 0.9),
        ((1.0, 0.5, 1.0, 1.0), 0.85),
    ],
)
def test_the_score_weighs_four_to_three_to_two_to_one(parts: tuple[float, ...], expected: float) -> None:
    names = ("completeness", "validation", "features", "freshness")
    figure = weighed(**{name: pl.lit(part) for name, part in zip(names, parts, strict=True)})

    assert pl.select(figure).item() == expected


def test_a_perfect_bar_is_worth_one() -> None:
    bar = scored()

    assert bar["quality_score"] == 1.0
    assert bar["validated"] is True
    assert list(bar) == ["instrument", *JUDGED, "origin"]


def test_a_forming_bar_is_not_fresh() -> None:
    assert scored(forming=True)["quality_score"] == 0.9


def test_a_flag_costs_its_share_of_the_checks_that_apply() -> None:
    bar = scored(passed=9, flags="open_jump")

    assert bar["quality_score"] == 0.97
    assert bar["flags"] == "open_jump"


@pytest.mark.parametrize(
    ("vwap", "trades", "expected"),
    [(10.5, 3.0, 1.0), (10.5, None, 0.942857), (None, None, 0.885714), (float("nan"), 3.0, 0.942857)],
)
def test_what_the_source_normally_sends_counts_for_completeness(
    vwap: float | None, trades: float | None, expected: float
) -> None:
    assert scored(POLYGON, vwap=vwap, trades=trades)["quality_score"] == expected
    assert scored(vwap=vwap, trades=trades)["quality_score"] == 1.0


@pytest.mark.parametrize(
    ("finite", "applicable", "expected"), [(7, 14, 0.9), (0, 14, 0.8), (0, 0, 1.0), (None, None, 1.0)]
)
def test_features_count_only_where_some_apply(finite: int | None, applicable: int | None, expected: float) -> None:
    assert scored(feature_finite=finite, feature_applicable=applicable)["quality_score"] == expected


def test_a_bar_is_validated_from_the_score_of_0_85_on() -> None:
    enough = scored(passed=5)
    less = scored(passed=5, feature_finite=13)

    assert (enough["quality_score"], enough["validated"]) == (0.85, True)
    assert (less["quality_score"], less["validated"]) == (0.835714, False)


@pytest.mark.parametrize("fault", [{"high": 8.0}, {"close": None}, {"volume": -1.0}, {"low": 0.0}])
def test_a_bar_that_fails_a_hard_check_is_never_validated(fault: dict[str, Any]) -> None:
    bar = scored(**fault)

    assert bar["quality_score"] >= 0.85
    assert bar["validated"] is False
