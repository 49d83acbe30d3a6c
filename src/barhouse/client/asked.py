"""What somebody wants of a warehouse, whichever way it is read, and the frames that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Protocol

import polars as pl

from barhouse.errors import InvalidParameter
from barhouse.model import INSTANT, Adjust, Schema, Span

When = str | date | datetime | None
Session = Literal["regular", "all"]
Adjusting = Literal["none", "splits", "all"]

SERIES: Schema = {
    "symbol": pl.String(),
    "asset_class": pl.String(),
    "exchange": pl.String(),
    "active": pl.Boolean(),
    "timeframe": pl.String(),
    "tracked": pl.Boolean(),
    "since": INSTANT,
    "bars": pl.Int64(),
    "first_bar": INSTANT,
    "last_bar": INSTANT,
    "quality_score": pl.Float64(),
    "revision": pl.Int64(),
    "revised_at": INSTANT,
}
"""The columns of `Client.symbols`: a row a series."""

CORRECTIONS: Schema = {
    "timeframe": pl.String(),
    "timestamp": INSTANT,
    "field_corrected": pl.String(),
    "old_value": pl.Float64(),
    "new_value": pl.Float64(),
    "reason": pl.String(),
    "corrected_by": pl.String(),
    "correction_timestamp": INSTANT,
    "source": pl.String(),
    "fetch_id": pl.Int64(),
    "note": pl.String(),
}
"""The columns of `Client.corrections`; where `source` was corrected, it went from `source` to `corrected_by`."""

QUALITY: Schema = {
    "date": pl.Date(),
    "total_records": pl.Int64(),
    "validated_records": pl.Int64(),
    "validation_rate": pl.Float64(),
    "gaps_detected": pl.Int64(),
    "anomalies_detected": pl.Int64(),
    "avg_quality_score": pl.Float64(),
    "data_completeness": pl.Float64(),
}
"""The columns of `Client.quality`: a row a day, newest first."""

JOBS: Schema = {
    "job_id": pl.String(),
    "kind": pl.String(),
    "requested_by": pl.String(),
    "status": pl.String(),
    "created_at": INSTANT,
    "started_at": INSTANT,
    "completed_at": INSTANT,
    "total": pl.Int64(),
    "queued": pl.Int64(),
    "running": pl.Int64(),
    "successful": pl.Int64(),
    "failed": pl.Int64(),
    "retried": pl.Int64(),
    "records_inserted": pl.Int64(),
    "progress": pl.Float64(),
}
"""The columns of `Client.jobs`: how each stands; `total` and what follows count series, `progress` is in percent."""

_KINDS = SERIES | CORRECTIONS | JOBS
INSTANTS = {name for name, kind in _KINDS.items() if kind == INSTANT} | {"timestamp", "time", "at"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which bars somebody wants: of one symbol, or of several."""

    symbol: str | tuple[str, ...]
    timeframe: str
    span: Span
    asset_class: str | None
    session: Session
    validated_only: bool = False
    min_quality: float = 0.0
    adjust: Adjust = Adjust.NONE
    as_of: datetime | None = None
    resample_from: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_quality <= 1:
            raise InvalidParameter(f"min_quality: {self.min_quality} is not between 0 and 1")


class Reader(Protocol):
    """A way to read a warehouse."""

    def bars(self, asked: Asked, *, features: bool) -> pl.DataFrame: ...
    def corrections(self, symbol: str, asked: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]: ...
    def quality(self, symbol: str, days: int, asset_class: str | None) -> Iterable[Mapping[str, Any]]: ...
    def series(self) -> Iterable[Mapping[str, Any]]: ...
    def jobs(self, limit: int) -> Iterable[Mapping[str, Any]]: ...
    def job(self, job_id: str) -> Mapping[str, Any]: ...
    def trigger(self, symbols: Sequence[str], timeframes: Sequence[str], asset_class: str | None) -> str: ...
    def stream(self, told: Mapping[str, Any], seen: str | None) -> Iterator[Mapping[str, Any]]: ...
    def status(self) -> Mapping[str, Any]: ...
    def close(self) -> None: ...
