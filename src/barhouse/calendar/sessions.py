"""The calendar of one exchange: its sessions, and the slots of bars in them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property

import polars as pl

from barhouse.calendar import building, slots
from barhouse.calendar.numbers import Numbers
from barhouse.calendar.zone import local
from barhouse.model import ALWAYS_OPEN, INSTANT, Span, Timeframe, at

SESSIONS = pl.Schema({"date": pl.Date(), "open": INSTANT, "close": INSTANT})
"""A frame of sessions, oldest first: the exchange's date, and the instants of its open and close."""

REMEMBERED = 60
"""Minutes of the shortest bars whose slots an exchange's calendar remembers: some 2 MB, asked for again and again."""

LATE_OPENINGS = {"XNYS": Span(datetime(2002, 9, 11, 13, 30, tzinfo=UTC), datetime(2002, 9, 11, 15, tzinfo=UTC))}
"""When nobody traded yet though exchange-calendars says so: the first anniversary of 9/11."""

TRADING_DAYS = 252
"""Sessions a year, by which exchanges' volatilities are annualised."""


@dataclass(frozen=True, eq=False)
class Calendar:
    """When an exchange trades, and so which bars ought to exist.

    A lunch break counts as part of its session. Days before the first session or after the last one are unknown
    and hold none. A market that never closes has no `sessions`: each of its UTC days is one.
    """

    name: str
    zone: str
    sessions: pl.DataFrame

    @classmethod
    @cache
    def always_open(cls) -> Calendar:
        """The calendar of markets that never close, by the UTC clock."""
        return cls(ALWAYS_OPEN, "UTC", pl.DataFrame(schema=SESSIONS))

    def expected(self, timeframe: Timeframe, span: Span) -> pl.DataFrame:
        """The slots whose canonical `time` is in `span`, oldest first: [time, opens, closes, session].

        `opens` and `closes` bound the trading that a bar covers: the last one of a half day ends early, a weekly one
        lasts from the first session's open to the last one's close. `session` is the date of the (first) session.
        """
        if self.name == ALWAYS_OPEN or timeframe.minutes < REMEMBERED:
            return self._traded(slots.expected(self.grid(timeframe), timeframe, span))
        every = self._every(timeframe)
        first, last = (bisect_left(every["time"], edge) for edge in (span.start, span.end))
        return every.slice(first, max(last - first, 0))

    def numbers(self, timeframe: Timeframe) -> Numbers:
        """The same slots by their numbers, for those who count them."""
        if timeframe not in self._numbers:
            self._numbers[timeframe] = Numbers(self._opened(timeframe), timeframe)
        return self._numbers[timeframe]

    def canonical(self, stamps: pl.Series, timeframe: Timeframe) -> pl.Series:
        """The canonical times of bars that a vendor stamped so: midnight, open, close or 00:00Z of a day are one.

        Daily bars get the date of their session, weekly ones their Monday, at 00:00Z; a stamp on a day without session
        keeps its day. Intraday bars and those of markets that never close stay as they are.
        """
        if timeframe.intraday or self.name == ALWAYS_OPEN:
            return stamps
        dates = self._dates(stamps.cast(INSTANT))
        if timeframe is Timeframe.W1:
            # Polygon stamps a week with the Sunday before it
            dates = dates.dt.offset_by("1d").dt.truncate("1w")
        return dates.cast(INSTANT).alias(stamps.name)

    def holding(self, stamps: pl.Series, timeframe: Timeframe) -> pl.Series:
        """The canonical times of the slots that bars stamped so lie in, on their grid or off it.

        Null where there is no slot: on a day, or in a week, without session.
        """
        grid = self.grid(timeframe)
        if timeframe.intraday:
            return slots.holding(grid, self.zone, stamps.cast(INSTANT), timeframe)
        if self.name == ALWAYS_OPEN:
            return stamps.dt.truncate(timeframe)
        slot = self.canonical(stamps, timeframe)
        return pl.select(pl.when(slot.is_in(grid["anchor"].implode())).then(slot)).to_series()

    def located(self, bars: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
        """The bars with where each one stands: [opens, closes, session, extended, on_grid].

        An intraday bar wholly outside the session is `extended`, of its local date, and on the grid if its exchange's
        clock shows a whole timeframe on a day with a session. A bar off the grid keeps the stretch its stamp claims.
        """
        if bars.is_empty():
            return bars.with_columns(pl.lit(None, kind).alias(name) for name, kind in slots.PLACE.items())
        return bars.with_columns(slots.located(self.grid(timeframe), self.zone, bars["time"], timeframe))

    def build(
        self, bars: pl.DataFrame, finer: Timeframe, timeframe: Timeframe, *, read: Span | None = None
    ) -> pl.DataFrame:
        """Bars of `timeframe` out of finer ones, oldest first: columns as they came, several instruments or one.

        A finer bar counts in the slot that holds all of it; hour bars may stand on the clock or on the session's open.
        No bar is built where a finer one reaches across its edge, nor, given `read`, where the finer bars were not read
        from the slot's open to its close (`whole` says what to read): a bar absent within is a time without a trade.
        Finer bars off their grid are left out. Extended slots come of extended bars alone, and share no slot with a
        session.
        """
        return building.build(self, bars, finer, timeframe, read)

    def whole(self, span: Span, timeframe: Timeframe) -> Span:
        """The stretch of time that has to be read so that each slot in `span` is read from open to close."""
        found = self.expected(timeframe, span)
        if found.is_empty():
            return span
        return Span(min(span.start, found["opens"][0]), max(span.end, found["closes"][-1]))

    def per_session(self, timeframe: Timeframe) -> int:
        """How many bars a usual session holds; weekly bars count as daily ones."""
        if not timeframe.intraday:
            return 1
        count = slots.slots_in(timeframe.duration).tail(TRADING_DAYS)
        return int(self.grid(timeframe).select(count.mode().max()).item())

    def bars_per_year(self, timeframe: Timeframe) -> float:
        """How many bars make a year, by which volatility is annualised."""
        if self.name == ALWAYS_OPEN:
            return timedelta(days=365) / timeframe.duration
        return 52.0 if timeframe is Timeframe.W1 else float(TRADING_DAYS * self.per_session(timeframe))

    def sessions_back(self, moment: datetime, count: int) -> datetime:
        """The open of the session `count` before the one that last opened at `moment`; the first one at the most."""
        opens = self._days["open"]
        last = int(opens.search_sorted(moment, side="right")) - 1
        found: datetime = opens[max(last - count, 0)]
        return found

    def grid(self, timeframe: Timeframe) -> pl.DataFrame:
        """The stretches that slots are counted in: [anchor, open, close, date], see `slots.grid`."""
        return self._grids[timeframe]

    def _every(self, timeframe: Timeframe) -> pl.DataFrame:
        if timeframe not in self._remembered:
            span = Span(*(each.replace(tzinfo=UTC) for each in EVER))
            self._remembered[timeframe] = self._traded(slots.expected(self.grid(timeframe), timeframe, span))
        return self._remembered[timeframe]

    def _traded(self, found: pl.DataFrame) -> pl.DataFrame:
        """The slots without those that were over before a late opening."""
        if not (late := LATE_OPENINGS.get(self.name)):
            return found
        return found.filter((pl.col("opens") < at(late.start)) | (pl.col("closes") > at(late.end)))

    def _opened(self, timeframe: Timeframe) -> pl.DataFrame:
        """The grid from which slots that were over before a late opening are cut off."""
        grid = self.grid(timeframe)
        if not timeframe.intraday or not (late := LATE_OPENINGS.get(self.name)):
            return grid
        anchor = pl.col("anchor")
        opened = anchor + slots.whole(at(late.end) - anchor, timeframe) * timeframe.duration
        return grid.with_columns(
            pl.when(pl.col("open") == at(late.start)).then(opened).otherwise(anchor).alias("anchor")
        )

    @cached_property
    def _numbers(self) -> dict[Timeframe, Numbers]:
        return {}

    @cached_property
    def _remembered(self) -> dict[Timeframe, pl.DataFrame]:
        return {}

    @cached_property
    def _grids(self) -> dict[Timeframe, pl.DataFrame]:
        return {timeframe: slots.grid(self._days, self.zone, timeframe) for timeframe in Timeframe}

    @cached_property
    def _days(self) -> pl.DataFrame:
        if self.name != ALWAYS_OPEN:
            return self.sessions
        dates = pl.datetime_range(*EVER, "1d", eager=True).cast(INSTANT)
        return pl.DataFrame({"date": dates.dt.date(), "open": dates, "close": dates + timedelta(days=1)})

    def _dates(self, stamps: pl.Series) -> pl.Series:
        """The dates of the sessions that daily bars stamped so are of."""
        days = stamps.dt.date()
        if (days.cast(INSTANT) == stamps).all():
            return days
        opens = self._days["open"]
        position = (opens.search_sorted(stamps, side="right").cast(pl.Int64) - 1).clip(0)
        day = self._days[position].insert_column(0, stamps.alias("stamp"))
        # Yahoo's midnights are an hour off around changes of the clock
        midnight = local(stamps + timedelta(hours=1), self.zone).dt.date()
        plain = pl.col("stamp") == pl.col("stamp").dt.truncate("1d")
        return day.select(
            pl.when(plain)
            .then(pl.col("stamp").dt.date())
            .when(pl.col("stamp").is_between("open", "close"))
            .then("date")
            .otherwise(midnight)
        ).to_series()


EVER = (datetime(1969, 12, 29), datetime(2101, 1, 3))  # whole weeks
"""The days of a market that never closes."""
