"""A shelf over the warehouse: what it keeps, as the vendors would tell it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cached_property

import polars as pl

from barhouse.api.compat.frames import DIVIDENDS, SPLITS
from barhouse.api.compat.windows import ZONE
from barhouse.flow import actions, instruments, reads, sessions
from barhouse.model import ALWAYS_OPEN, NEW_YORK, AssetClass, Instrument, Series, Span, Timeframe, at
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection


class WarehouseShelf:
    """The bars of a warehouse as traded, for one request: settled ones, extended ones too, and the one that forms.

    A bar that was still forming when it was read is given until its slot closes: then it is no longer what it says.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._series: dict[Instrument, dict[Timeframe, datetime]] = {}

    def now(self) -> datetime:
        """The instant that it is."""
        return datetime.now(UTC)

    def instruments(self) -> Sequence[Instrument]:
        """Everything that bars are kept of and that these vendors sell: coins, and what is traded in New York."""
        return list(self._known.values())

    def bars(
        self,
        symbol: str,
        asset_class: AssetClass,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        most: int | None = None,
    ) -> pl.DataFrame | None:
        """The bars in `[start, end)`; None where nothing was ever read before `end`."""
        of = self._known.get((symbol, asset_class))
        if of is None or not self._reaches(of, timeframe, end):
            return None
        series, span = Series(of, timeframe), Span(start, max(start, end))
        selection = Selection(series, span, extended=True, forming=True, traded=True)
        if most is not None and most < 0:
            return self._current(reads.newest(self._db, selection, -most), series)
        return self._current(reads.bars(self._db, selection, sys.maxsize if most is None else most), series)

    def splits(self, symbols: Collection[str]) -> pl.DataFrame:
        """The splits that count."""
        return self._actions(symbols, "split").select("symbol", *SPLITS)

    def dividends(self, symbols: Collection[str]) -> pl.DataFrame:
        """The dividends that count."""
        return self._actions(symbols, "dividend").select("symbol", *DIVIDENDS)

    @cached_property
    def _known(self) -> dict[tuple[str, AssetClass], Instrument]:
        return {(of.symbol, of.asset_class): of for of in instruments.filled(self._db) if self._is_sold(of)}

    def _is_sold(self, of: Instrument) -> bool:
        """Whether the vendors' clocks are right for it: they stamp days of the whole world by New York's."""
        return of.exchange in (NEW_YORK, ALWAYS_OPEN) or sessions.calendar(self._db, of.exchange).zone == ZONE

    def _reaches(self, of: Instrument, timeframe: Timeframe, end: datetime) -> bool:
        """Whether anything was read of a series that lies before `end`."""
        if of not in self._series:
            self._series[of] = instruments.beginnings(self._db, of)
        begins = self._series[of].get(timeframe)
        return begins is not None and begins < end

    def _current(self, bars: pl.DataFrame, series: Series) -> pl.DataFrame:
        """The bars without those that were read while they were forming, and are not any more."""
        forming = bars.filter("forming")
        if forming.is_empty():
            return bars
        calendar = sessions.calendar(self._db, series.instrument.exchange)
        open_still = calendar.located(forming.select("time"), series.timeframe).filter(
            pl.col("closes") > at(self.now())
        )
        return bars.filter(~pl.col("forming") | pl.col("time").is_in(open_still["time"].implode()))

    def _actions(self, symbols: Collection[str], kind: str) -> pl.DataFrame:
        """What counts of some stocks and ETFs, each with its symbol, oldest first."""
        wanted = [of for of in self.instruments() if of.symbol in symbols and of.asset_class is not AssetClass.CRYPTO]
        names = pl.DataFrame(
            [(of.number, of.symbol) for of in wanted],
            schema={"instrument": pl.Int32, "symbol": pl.String},
            orient="row",
        )
        told = actions.accepted(self._db, wanted).filter(kind=kind)
        return told.join(names, on="instrument").sort("effective", maintain_order=True)
