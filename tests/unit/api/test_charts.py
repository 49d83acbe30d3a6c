"""Charts stand where pencil and paper put them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from barhouse.api.dashboard.charts import HEIGHT, RIGHT, WIDTH, chart, sparkline, written

START = datetime(2024, 3, 4, tzinfo=UTC)


def bars(*rows: tuple[float | None, float, float, float, float]) -> pl.DataFrame:
    """Daily bars of (open, high, low, close, volume)."""
    days = [START + timedelta(days=n) for n in range(len(rows))]
    table = pl.DataFrame(
        rows, schema=dict.fromkeys(["open", "high", "low", "close", "volume"], pl.Float64), orient="row"
    )
    return table.with_columns(pl.Series("time", days, pl.Datetime("us", "UTC")))


def test_a_sparkline_runs_from_edge_to_edge_with_its_peak_on_top() -> None:
    assert sparkline([1, 3, 2], width=100, height=24) == "0.0,22.0 50.0,2.0 100.0,12.0"


def test_a_level_line_and_a_single_point_are_no_fault() -> None:
    assert sparkline([5, 5], width=10, height=24) == "0.0,22.0 10.0,22.0"
    assert sparkline([5]) == sparkline([]) == ""


def test_candles_share_the_width_and_a_higher_price_stands_higher() -> None:
    drawn = chart(bars((10, 20, 5, 15, 100), (15, 16, 8, 9, 50)))

    assert drawn
    rising, falling = drawn.candles
    assert (rising.x, falling.x) == ((WIDTH - RIGHT) / 4, (WIDTH - RIGHT) * 3 / 4)
    assert (rising.up, falling.up) == (True, False)
    assert rising.high < falling.high < falling.low < rising.low
    assert rising.high < rising.top < rising.top + rising.body < rising.low
    assert falling.top == rising.top  # 15 is the close of one and the open of the other
    assert rising.volume == 2 * falling.volume
    assert rising.foot + rising.volume == pytest.approx(falling.foot + falling.volume)
    assert all(candle.high >= 0 and candle.low <= HEIGHT for candle in drawn.candles)
    assert rising.title == "2024-03-04T00:00:00Z  O 10.00 H 20.00 L 5.00 C 15.00  V 100"


def test_bars_without_a_price_are_left_out() -> None:
    drawn = chart(bars((None, 20, 5, 15, 100), (1, 1, float("nan"), 1, 1), (15, 16, 8, 9, float("nan"))))

    assert drawn
    assert [candle.volume for candle in drawn.candles] == [0]
    assert chart(bars()) is None
    assert chart(bars((None, 1, 1, 1, 1))) is None


def test_a_bar_that_never_moved_is_still_drawn() -> None:
    drawn = chart(bars((7, 7, 7, 7, 0)))

    assert drawn
    assert [candle.body for candle in drawn.candles] == [1.0]


def test_the_scale_has_round_prices() -> None:
    drawn = chart(bars((101, 149, 101, 140, 1)))

    assert drawn
    assert [mark.label for mark in drawn.prices] == ["110.00", "120.00", "130.00", "140.00"]


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
