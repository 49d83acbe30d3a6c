"""A shelf over frames at hand: the sample, a folder of Parquet files, whatever a test or a bench makes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import polars as pl

from barhouse.api.compat.windows import windowed
from barhouse.model import INSTANT, AssetClass, Instrument, Timeframe

SPLITS = {"effective": pl.Date, "ratio": pl.Float64}
DIVIDENDS = {"effective": pl.Date, "amount": pl.Float64}
INPUT = {"time": INSTANT, "value": pl.Float64()}

Key = tuple[str, AssetClass, Timeframe]


class FrameShelf:
    """Bars as traded by (symbol, asset class, timeframe); a timeframe that is missing is built from a finer one.

    Built are clock windows (UTC) up to an hour, from all bars, extended ones too; for crypto also longer ones;
    weeks come from days. `splits` and `dividends` are keyed by symbol, `inputs` by symbol and name.
    """

    def __init__(
        self,
        frames: Mapping[Key, pl.DataFrame],
        *,
        splits: Mapping[str, pl.DataFrame] | None = None,
        dividends: Mapping[str, pl.DataFrame] | None = None,
        inputs: Mapping[tuple[str, str], pl.DataFrame] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._frames = {key: _instants(frame).sort("time") for key, frame in frames.items()}
        self._splits, self._dividends, self._inputs = dict(splits or {}), dict(dividends or {}), dict(inputs or {})
        self._instruments = sorted({Instrument(symbol, asset_class) for symbol, asset_class, _ in frames})
        self.now = now

    @classmethod
    def folder(cls, path: Path) -> Self:
        """The files `<asset class>/<SYMBOL>.<timeframe>.parquet`, and `splits.parquet` with a column `symbol`."""
        frames = {_key(file): pl.read_parquet(file) for file in path.glob("*/*.parquet")}
        splits = path / "splits.parquet"
        parts = pl.read_parquet(splits).partition_by("symbol", as_dict=True) if splits.exists() else {}
        return cls(frames, splits={str(symbol): part.select(*SPLITS) for (symbol,), part in parts.items()})

    def instruments(self) -> Sequence[Instrument]:
        """Everything that it has bars of."""
        return self._instruments

    def bars(
        self,
        symbol: str,
        asset_class: AssetClass,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        most: int | None = None,
    ) -> pl.DataFrame | None:
        """The bars in `[start, end)`, at most the first or the last so many; None for an unknown instrument."""
        if Instrument(symbol, asset_class) not in self._instruments:
            return None
        key = symbol, asset_class, timeframe
        if key not in self._frames:
            self._frames[key] = self._built(symbol, asset_class, timeframe)
        frame = self._frames[key]
        first, last = (frame["time"].search_sorted(moment) for moment in (start, end))
        found = frame.slice(first, max(last - first, 0))
        return found if most is None else found.head(most) if most >= 0 else found.tail(-most)

    def splits(self, symbols: Collection[str]) -> pl.DataFrame:
        """The splits of some stocks."""
        return _together(self._splits, symbols, SPLITS)

    def dividends(self, symbols: Collection[str]) -> pl.DataFrame:
        """The dividends of some stocks."""
        return _together(self._dividends, symbols, DIVIDENDS)

    def inputs(self, symbol: str, name: str) -> pl.DataFrame:
        """One measurement of a coin."""
        return self._inputs.get((symbol, name), pl.DataFrame(schema=INPUT))

    def _built(self, symbol: str, asset_class: AssetClass, timeframe: Timeframe) -> pl.DataFrame:
        """The bars of a timeframe out of the coarsest finer one that is there."""
        finer = [t for t in Timeframe if t.minutes < timeframe.minutes and _divides(t, timeframe, asset_class)]
        key = next((k for t in reversed(finer) if (k := (symbol, asset_class, t)) in self._frames), None)
        if key is None:
            return pl.DataFrame(schema={"time": INSTANT})
        every = "1w" if timeframe is Timeframe.W1 else f"{timeframe.minutes}m"
        return windowed(self._frames[key], pl.col("time").dt.truncate(every))


def _together(
    told: Mapping[str, pl.DataFrame], symbols: Collection[str], schema: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    """The frames of some symbols as one, each row with its symbol."""
    none = pl.DataFrame(schema={"symbol": pl.String, **schema})
    own = (told[symbol].select(pl.lit(symbol).alias("symbol"), *schema) for symbol in symbols if symbol in told)
    return pl.concat([none, *own]).sort("effective", maintain_order=True)


def _divides(finer: Timeframe, timeframe: Timeframe, asset_class: AssetClass) -> bool:
    """Whether bars of `timeframe` can be had from `finer` by the clock alone."""
    if asset_class is AssetClass.CRYPTO or timeframe.minutes <= 60:
        return True
    return timeframe is Timeframe.W1 and finer is Timeframe.D1


def _instants(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with instants in microseconds, as the model says, and every column that a window adds up."""
    absent = ["vwap", "trades", "quote_volume", "taker_buy_volume", "taker_sell_volume"]
    return frame.with_columns(
        pl.col("time").cast(INSTANT),
        *(pl.lit(None, pl.Float64).alias(name) for name in absent if name not in frame.columns),
    )


def _key(file: Path) -> Key:
    """What a file of a folder holds, by its name."""
    symbol, _, timeframe = file.stem.rpartition(".")
    return symbol, AssetClass.of(file.parent.name), Timeframe.of(timeframe)
