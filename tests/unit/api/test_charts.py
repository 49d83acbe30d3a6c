"""Small lines and numbers stand where pencil and paper put them."""

from __future__ import annotations

import pytest

from barhouse.api.dashboard.charts import sparkline, written


def test_a_sparkline_runs_from_edge_to_edge_with_its_peak_on_top() -> None:
    assert sparkline([1, 3, 2], width=100, height=24) == "0.0,22.0 50.0,2.0 100.0,12.0"


def test_a_level_line_and_a_single_point_are_no_fault() -> None:
    assert sparkline([5, 5], width=10, height=24) == "0.0,22.0 10.0,22.0"
    assert sparkline([5]) == sparkline([]) == ""


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (430.47, "430.47"),
        (67000, "67,000.00"),
        (1234567.8, "1,234,568"),
        (0.5, "0.5000"),
        (0.00001234, "0.00001234"),
        (0.0, "0.00"),
        (-2.5, "-2.50"),
        (None, "–"),  # noqa: RUF001
        (float("nan"), "–"),  # noqa: RUF001
    ],
)
def test_a_price_has_as_many_decimals_as_its_size_needs(price: float | None, text: str) -> None:
    assert written(price) == text
