"""The nouns of the warehouse, and the shape of a frame of bars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Self, TypeAlias

import polars as pl

from barhouse.errors import InvalidAssetClass, InvalidParameter, InvalidTimeframe


class AssetClass(StrEnum):
    """What kind of thing is traded."""

    STOCK = "stock"
    ETF = "etf"
    CRYPTO = "crypto"

    @classmethod
    def of(cls, name: str) -> AssetClass:
        """The asset class called `name`; InvalidAssetClass (400) for any other."""
        try:
            return cls(name)
        except ValueError:
            raise InvalidAssetClass(name, list(cls)) from None


class Timeframe(StrEnum):
    """How long a bar is. `code` is its number in the database, `minutes` its length by the clock."""

    code: int
    minutes: int

    M1 = ("1m", 1, 1)
    M5 = ("5m", 2, 5)
    M15 = ("15m", 3, 15)
    M30 = ("30m", 4, 30)
    H1 = ("1h", 5, 60)
    H4 = ("4h", 6, 240)
    D1 = ("1d", 7, 1440)
    W1 = ("1w", 8, 10080)

    def __new__(cls, name: str, code: int, minutes: int) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.code = code
        member.minutes = minutes
        return member

    @property
    def duration(self) -> timedelta:
        """Its length by the clock."""
        return timedelta(minutes=self.minutes)

    @property
    def intraday(self) -> bool:
        """Whether a session holds several of its bars."""
        return self.minutes < 1440

    @classmethod
    @cache
    def of(cls, name: str) -> Timeframe:
        """The timeframe called `name`; InvalidTimeframe (400) for any other."""
        return cls.several([name])[0]

    @classmethod
    def several(cls, names: Iterable[str]) -> list[Timeframe]:
        """The timeframes of these names; InvalidTimeframe (400) naming all that are none."""
        names = list(names)
        known = {str(member.value): member for member in cls}
        if unknown := [name for name in names if name not in known]:
            raise InvalidTimeframe(unknown)
        return [known[name] for name in names]

    @classmethod
    @cache
    def by_code(cls, code: int) -> Timeframe:
        """The timeframe with that number in the database."""
        return next(member for member in cls if member.code == code)


class Adjust(StrEnum):
    """For which corporate actions prices are adjusted: none, splits, or all (splits and dividends)."""

    NONE = "none"
    SPLITS = "splits"
    ALL = "all"

    @classmethod
    def of(cls, name: str) -> Adjust:
        """The adjustment called `name`; InvalidParameter (422) for any other."""
        try:
            return cls(name)
        except ValueError:
            raise InvalidParameter(f"adjust: {name!r} is none of {', '.join(cls)}") from None


ALWAYS_OPEN = "24/7"
NEW_YORK = "XNYS"
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Nobody asks for bars before this day: no source has any."""


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """What is tracked. `key` is its number in the warehouse, None until it is there."""

    symbol: str
    asset_class: AssetClass = AssetClass.STOCK
    exchange: str = ""
    key: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.exchange:
            home = ALWAYS_OPEN if self.asset_class is AssetClass.CRYPTO else NEW_YORK
            object.__setattr__(self, "exchange", home)

    @property
    def number(self) -> int:
        """Its number in the warehouse; only an instrument that came out of the warehouse has one."""
        if self.key is None:
            raise LookupError(f"{self} has no number in the warehouse yet")
        return self.key

    def known_as(self, key: int) -> Instrument:
        """The same instrument with its number in the warehouse."""
        return replace(self, key=key)

    def __str__(self) -> str:
        return f"{self.symbol} ({self.asset_class})"


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """The bars of one instrument in one timeframe."""

    instrument: Instrument
    timeframe: Timeframe

    def __str__(self) -> str:
        return f"{self.instrument.symbol} {self.timeframe}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time: `start` is in it, `end` is not. Both bear a zone, kept as UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise InvalidParameter("A span needs instants with a time zone")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.end < self.start:
            raise InvalidParameter(f"A span ends before it starts: {instant(self.start)} to {instant(self.end)}")

    def __bool__(self) -> bool:
        return self.start < self.end

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def __str__(self) -> str:
        return f"[{instant(self.start)}, {instant(self.end)})"

    @property
    def duration(self) -> timedelta:
        """From start to end."""
        return self.end - self.start

    def common(self, other: Span) -> Span | None:
        """What both hold, None if that is nothing."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None

    def without(self, others: Iterable[Span]) -> list[Span]:
        """What is left of this span when `others` are taken away, oldest first."""
        left, start = [], self.start
        for other in merged(filter(None, map(self.common, others))):
            left.append(Span(start, other.start))
            start = other.end
        return [part for part in [*left, Span(start, self.end)] if part]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same stretches of time in as few spans as possible, oldest first."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


def instant(moment: datetime) -> str:
    """An instant as people and programs read it: RFC 3339 in UTC, ending in Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """An instant as people write it, in UTC; a bare date is its midnight. InvalidParameter (422) for other words."""
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidParameter(f"{text!r} is no date: write 2024-01-31 or 2024-01-31T14:30:00Z") from None


Schema: TypeAlias = dict[str, pl.DataType]

INSTANT = pl.Datetime("us", "UTC")


def at(moment: datetime) -> pl.Expr:
    """An instant in an expression. Polars takes 0.5 ms to make a literal of a moment with a zone, this takes 0.01."""
    return pl.lit((moment - EARLIEST) // timedelta(microseconds=1)).cast(INSTANT)


def within(span: Span, column: str = "time") -> pl.Expr:
    """Whether the instants, or the midnights of the dates, of a column are in `span`."""
    return pl.col(column).cast(INSTANT).is_between(at(span.start), at(span.end), closed="left")


PRICES: Schema = {"open": pl.Float64(), "high": pl.Float64(), "low": pl.Float64(), "close": pl.Float64()}

EXTRAS: Schema = {"vwap": pl.Float64(), "trades": pl.Float64(), "quote_volume": pl.Float64()}
"""What some vendors add to a bar: volume-weighted price, number of trades, turnover in the quote currency."""

INPUTS: Schema = {
    "taker_buy_volume": pl.Float64(),
    "taker_sell_volume": pl.Float64(),
    "open_interest": pl.Float64(),
    "funding_rate": pl.Float64(),
    "liquidations_long": pl.Float64(),
    "liquidations_short": pl.Float64(),
    "long_short_ratio": pl.Float64(),
    "exchange_inflow": pl.Float64(),
}
"""What the features of crypto need beside the bar; NULL where no source gave it, never 0."""

MEASURES: Schema = {**PRICES, "volume": pl.Float64(), **EXTRAS, **INPUTS}
"""All that a vendor measures."""

BARS: Schema = {"time": INSTANT, **MEASURES, "extended": pl.Boolean(), "forming": pl.Boolean()}
"""A frame of bars of one series as a source gives it: canonical slots, oldest first."""

JUDGED: Schema = {**BARS, "validated": pl.Boolean(), "quality_score": pl.Float64(), "flags": pl.String()}
"""The same after the checks; `flags` names the checks that raised one, joined by commas, NULL for none."""

ACTIONS: Schema = {
    "kind": pl.String(),
    "effective": pl.Date(),
    "ratio": pl.Float64(),
    "amount": pl.Float64(),
    "currency": pl.String(),
}
"""Corporate actions of one instrument: kind `split` has a `ratio` (n of n:1), kind `dividend` an `amount`."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A root cause of which somebody is to be told, with the symbols or series that suffer from it."""

    rule: str
    cause: str
    severity: str
    message: str
    subjects: tuple[str, ...]
    id: int | None = None
    """Its number in the warehouse; None while it is new."""
