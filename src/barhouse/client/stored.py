"""A warehouse read straight from its database."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import polars as pl

from barhouse.client.asked import Asked
from barhouse.features import registry
from barhouse.flow import cross, instruments, jobs, quality, reads, resample, rewritten, streaming, triggers
from barhouse.model import AssetClass, Series, Timeframe
from barhouse.store.jobs import Kind
from barhouse.store.postgres import Database
from barhouse.store.reading import Selection


class Stored:
    """Straight from the database."""

    def __init__(self, database_url: str) -> None:
        self._db = Database(database_url)

    def bars(self, asked: Asked, *, features: bool) -> pl.DataFrame:
        timeframe = Timeframe.of(asked.timeframe)
        source = None if asked.resample_from is None else Timeframe.of(asked.resample_from)
        if isinstance(asked.symbol, str):
            instrument = instruments.find(self._db, asked.symbol, _class(asked.asset_class))
            series = Series(instrument, timeframe)
            finer = resample.finer(self._db, series, source)
            return reads.bars(self._db, _selection(series, finer, asked, features=features), limit=sys.maxsize)
        meant = cross.named(self._db, asked.symbol, source or timeframe, _class(asked.asset_class))
        wanted = [
            _selection(each, source and resample.fitting(each, source), asked, features=features)
            for each in (Series(instrument, timeframe) for instrument in meant)
        ]
        return pl.concat(cross.pages(self._db, wanted))

    def quality(self, symbol: str, days: int, asset_class: str | None) -> Iterable[Mapping[str, Any]]:
        rows: list[dict[str, Any]] = quality.data_quality(self._db, symbol, days, _class(asset_class))["daily_metrics"]
        return rows

    def jobs(self, limit: int) -> Iterable[Mapping[str, Any]]:
        return jobs.recent(self._db, Kind.BACKFILL, limit)

    def job(self, job_id: str) -> Mapping[str, Any]:
        return jobs.job(self._db, job_id)

    def trigger(self, symbols: Sequence[str], timeframes: Sequence[str], asset_class: str | None) -> str:
        now = datetime.now(UTC)
        job = triggers.trigger(self._db, None, symbols, _class(asset_class), timeframes, now, by="client")
        return str(job["job_id"])

    def stream(self, told: Mapping[str, Any], seen: str | None) -> Iterator[Mapping[str, Any]]:
        frames = Timeframe.several(told["timeframe"])
        followed = streaming.followed(self._db, told["symbols"], frames, _class(told.get("asset_class")))
        for position, change in streaming.followed_up(self._db, list(followed), seen):
            series = followed[change["instrument"], change["timeframe"]]
            name = streaming.KINDS[change["kind"]]
            yield {"event": name, "id": str(position), **streaming.told(change, series)}

    def corrections(self, symbol: str, asked: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        return rewritten.every(self._db, symbol, **asked)

    def series(self) -> Iterable[Mapping[str, Any]]:
        return instruments.described(self._db)

    def status(self) -> Mapping[str, Any]:
        now = {"timestamp": datetime.now(UTC), "version": version("barhouse")}
        return now | instruments.totals(self._db)

    def close(self) -> None:
        self._db.close()


def _class(name: str | None) -> AssetClass | None:
    return None if name is None else AssetClass.of(name)


def _selection(series: Series, finer: Timeframe | None, asked: Asked, *, features: bool) -> Selection:
    return Selection(
        series,
        asked.span,
        validated_only=asked.validated_only,
        min_quality=asked.min_quality,
        extended=asked.session == "all",
        features=tuple(registry) if features else (),
        adjust=asked.adjust,
        as_of=asked.as_of,
        finer=finer,
    )
