"""What only crypto has, by pencil and by counting."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from barhouse import features
from barhouse.model import INPUTS, AssetClass, Timeframe
from tests.unit.features.samples import computed, crypto, of_crypto, stock
from tests.unit.features.test_holes import without

ONLY = [name for name, feature in features.registry.items() if feature.crypto_only]


def test_a_stock_has_none_of_them_whatever_columns_it_brings() -> None:
    bars = stock("IBM").head(30).with_columns(taker_buy_volume=pl.lit(2.0), taker_sell_volume=pl.lit(1.0))

    answer = computed(bars).select(ONLY)

    assert answer.null_count().sum_horizontal().item() == 30 * len(ONLY)


def test_what_takers_do() -> None:
    bars = crypto(Timeframe.H1, 4, taker_buy_volume=[3.0, 1.0, 2.0, None], taker_sell_volume=[1.5, 0.0, None, 1.0])

    answer = of_crypto(bars, Timeframe.H1)

    assert answer["delta"].to_list() == [1.5, 1.0, None, None]
    assert answer["buy_sell_ratio"].to_list() == [2.0, None, None, None]


def test_a_ratio_to_nothing_is_applicable_and_not_finite() -> None:
    bars = crypto(Timeframe.H1, 3, taker_buy_volume=[3.0, 1.0, 0.0], taker_sell_volume=[1.5, 0.0, 0.0])

    answer = of_crypto(bars, Timeframe.H1)

    # the two of takers, and from the second bar on the return of an hour
    assert answer["applicable"].to_list() == [2, 3, 3]
    assert answer["finite"].to_list() == [2, 2, 2]


def test_an_input_that_nobody_gave_is_unknown_and_not_applicable() -> None:
    answer = of_crypto(crypto(Timeframe.D1, 200), Timeframe.D1).tail(1)

    assert answer.select(ONLY).null_count().sum_horizontal().item() == len(ONLY) - 1
    assert answer["volume_spike_score"].item() is not None
    assert answer["applicable"].item() == answer["finite"].item() == 14


def test_liquidations_stand_against_volume() -> None:
    bars = crypto(Timeframe.H1, 3, volume=[8.0, 0.0, 8.0], liquidations_long=[1.0, 1.0, None], liquidations_short=3.0)

    assert of_crypto(bars, Timeframe.H1)["liquidation_intensity"].to_list() == [0.5, None, None]


def test_what_an_exchange_reports_is_told_as_it_is() -> None:
    bars = crypto(Timeframe.H1, 2, long_short_ratio=[1.25, None], exchange_inflow=[-40.0, 3.0])

    answer = of_crypto(bars, Timeframe.H1)

    assert answer["long_short_ratio"].to_list() == [1.25, None]
    assert answer["exchange_inflow"].to_list() == [-40.0, 3.0]


def test_open_interest_changes_against_the_bar_before() -> None:
    bars = crypto(Timeframe.H1, 5, open_interest=[4.0, 5.0, 0.0, 3.0, 6.0])

    assert of_crypto(bars, Timeframe.H1)["open_interest_change"].to_list() == [None, 0.25, -1.0, None, 1.0]


def test_a_spike_is_measured_by_the_twenty_bars_before() -> None:
    bars = crypto(Timeframe.D1, 60)
    volume = bars["volume"].to_numpy()
    past = [volume[n - 20 : n] for n in range(20, 60)]

    expected = [(now - old.mean()) / old.std(ddof=1) for now, old in zip(volume[20:], past, strict=True)]

    answer = of_crypto(bars, Timeframe.D1)["volume_spike_score"]
    assert answer.null_count() == 20
    assert answer[20:].to_list() == pytest.approx(expected, rel=1e-10)


def test_a_spike_above_what_never_changed_is_unknown() -> None:
    bars = crypto(Timeframe.D1, 30, volume=[7.3] * 29 + [9.0])

    answer = of_crypto(bars, Timeframe.D1)

    assert answer["volume_spike_score"].null_count() == 30
    assert answer["applicable"][-1] - answer["finite"][-1] == 1


def test_volumes_of_two_sources_are_never_in_one_window() -> None:
    sources = ["binance"] * 40 + ["polygon"] * 40
    answer = of_crypto(crypto(Timeframe.D1, 80, source=sources), Timeframe.D1)

    assert answer["volume_ratio"].is_null().arg_true().to_list() == [*range(19), *range(40, 59)]
    assert answer["volume_spike_score"].is_null().arg_true().to_list() == [*range(20), *range(40, 60)]
    assert answer["rolling_mean_10"].null_count() == 9


def test_in_stocks_a_change_of_source_ends_no_window() -> None:
    sources = pl.Series("source", ["polygon"] * 30 + ["yahoo"] * 30)

    assert computed(stock("IBM").head(60).with_columns(sources))["volume_ratio"].null_count() == 19


def rates(count: int) -> list[float]:
    return [float(rate) for rate in np.random.default_rng(7).integers(-20, 20, count)]


def percentile(of: list[float], place: int) -> float | None:
    return None if place < 90 else bisect_left(sorted(of[place - 90 : place]), of[place]) / 0.9


@pytest.mark.parametrize(
    ("timeframe", "settled"),
    [(Timeframe.H1, lambda n: (n + 1) // 8), (Timeframe.H4, lambda n: (n + 1) // 2), (Timeframe.D1, lambda n: n)],
)
def test_funding_ranks_among_the_ninety_settlements_before(timeframe: Timeframe, settled: Callable[[int], int]) -> None:
    paid = rates(150)
    places = [settled(n) for n in range(1200) if settled(n) < 150]
    bars = crypto(timeframe, len(places), funding_rate=[paid[place] for place in places])

    answer = of_crypto(bars, timeframe)["funding_rate_percentile"]

    assert answer.to_list() == [pytest.approx(percentile(paid, place)) for place in places]


def test_a_settlement_that_arrives_a_moment_late_is_still_one() -> None:
    paid = rates(150)
    bars = crypto(Timeframe.H1, 1199, funding_rate=[paid[n // 8] for n in range(1199)])

    answer = of_crypto(bars, Timeframe.H1)["funding_rate_percentile"].to_list()

    inside = [n for n in range(1199) if n % 8 != 7]
    assert [answer[n] for n in inside] == [pytest.approx(percentile(paid, (n + 1) // 8)) for n in inside]


def test_a_few_settlements_rank_nothing() -> None:
    answer = of_crypto(crypto(Timeframe.D1, 12, funding_rate=rates(12)), Timeframe.D1)

    assert answer["funding_rate_percentile"].null_count() == 12


def test_funding_over_a_hole_or_an_unknown_settlement_is_unknown() -> None:
    paid = rates(300)
    whole = crypto(Timeframe.D1, 300, funding_rate=[*paid[:95], None, *paid[96:]])

    answer = of_crypto(without(whole, 200), Timeframe.D1)["funding_rate_percentile"]

    assert answer.is_not_null().arg_true().to_list() == [*range(90, 95), *range(186, 200), *range(290, 299)]


def test_crypto_years_have_365_days() -> None:
    bars = crypto(Timeframe.H1, 60)

    hourly = of_crypto(bars, Timeframe.H1)["volatility_50"][-1]

    assert hourly == pytest.approx(np.diff(np.log(bars["close"].to_numpy()))[-50:].std(ddof=1) * np.sqrt(365 * 24))


def test_all_features_of_crypto_can_be_known() -> None:
    numbers = np.random.default_rng(3).uniform(1, 2, (8, 800))
    bars = crypto(Timeframe.H1, 800, **dict(zip(INPUTS, numbers, strict=True)))

    answer = computed(bars, Timeframe.H1, AssetClass.CRYPTO).tail(1)

    assert answer["finite"].item() == answer["applicable"].item() == 22
