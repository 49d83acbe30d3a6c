"""A series as a picture: its price, hatched where bars are absent, outliers marked, corrections pinned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from barhouse.errors import InvalidParameter, RequestError, SettingsError
from barhouse.flow import reads
from barhouse.flow.choosing import chosen
from barhouse.flow.quality import corrections, listed_anomalies
from barhouse.model import Instrument, Series, Span, Timeframe, moment
from barhouse.store.anomalies import Wanted
from barhouse.store.postgres import Database
from barhouse.store.reading import ALL_TIME, Selection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDINGS = (".png", ".svg", ".pdf")
MOST = 20_000
"""The newest bars of a longer series are drawn: more than a picture has points."""

PRICE, FAULT, PIN, HATCH = "#2a5d9f", "#c0392b", "#7d3c98", "#b0b0b0"
ROOM = 0.08
"""Share of the price range that is left free above and below."""


def drawable(path: Path, symbol: str | None) -> None:
    """InvalidParameter without a symbol or a picture's ending, SettingsError where the library for it is missing."""
    if symbol is None:
        raise InvalidParameter("--plot draws one symbol: barhouse quality SYMBOL --plot FILE")
    if path.suffix not in ENDINGS:
        raise InvalidParameter(f"--plot {path}: a picture ends in {', '.join(ENDINGS)}")
    if not _can_draw():
        raise SettingsError('Nothing here can draw; `pip install "barhouse[plot]"` mends it')


def _can_draw() -> bool:
    try:
        return find_spec("matplotlib") is not None
    except ValueError:
        return False


def plot(
    db: Database, instrument: Instrument, timeframe: Timeframe | None, path: Path, *, since: date | None = None
) -> Series:
    """Draw a series of an instrument into a file: that of `timeframe`, else its days, else its shortest bars.

    RequestError if it has no bars.
    """
    series = _series(db, instrument, timeframe)
    start = ALL_TIME.start if since is None else datetime(since.year, since.month, since.day, tzinfo=UTC)
    bars = reads.newest(db, Selection(series, Span(start, ALL_TIME.end)), MOST)
    if bars.is_empty():
        raise RequestError(f"No bars of {series} are stored in that time, so there is nothing to draw")
    first = bars["time"][0]
    wanted = Wanted(instrument.symbol, instrument.asset_class, timeframe=series.timeframe, faults=True, since=first)
    found = listed_anomalies(db, wanted, MOST)
    title = f"{series}, {instrument.asset_class}" + (f", the newest {MOST:,} bars" if bars.height == MOST else "")
    draw(bars, found, corrections(db, series, first), path, title=title)
    return series


def _series(db: Database, instrument: Instrument, timeframe: Timeframe | None) -> Series:
    stored = chosen(db, instrument.symbol, timeframe, instrument.asset_class)
    if not stored:
        raise RequestError(f"No bars of {instrument} are stored, so there is nothing to draw")
    return next((series for series in stored if series.timeframe is Timeframe.D1), stored[0])


def draw(
    bars: pl.DataFrame, found: Sequence[dict[str, Any]], corrected: Sequence[datetime], path: Path, *, title: str
) -> None:
    """The picture of some bars with what was found in them, and of which of them were corrected."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontweight="bold")
    axes.plot(bars["time"].to_numpy(), bars["close"].to_numpy(), color=PRICE, linewidth=0.9, label="close")
    low, high = _range(bars)
    axes.set_ylim(low, high)
    _hatch(axes, [row["evidence"] for row in found if row["anomaly_type"] == "gap"])
    _mark(axes, [row for row in found if row["anomaly_type"] == "outlier"], low, high)
    _pin(axes, bars, corrected, high)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("UTC")
    # Above the picture, beside its title: in it no corner is always free
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=4, borderaxespad=0.2)
    figure.savefig(path, dpi=120)


def _range(bars: pl.DataFrame) -> tuple[float, float]:
    """Where prices usually are: a bad tick must not flatten all the others."""
    close = bars["close"].drop_nulls()
    low, high = close.quantile(0.002) or 0.0, close.quantile(0.998) or 1.0
    free = (high - low or abs(high) or 1.0) * ROOM
    return low - free, high + 2 * free


def _hatch(axes: Axes, gaps: Sequence[dict[str, Any]]) -> None:
    """The time between the neighbours of each gap."""
    for number, gap in enumerate(gaps):
        before, after = moment(gap["before"]), moment(gap["after"])
        label = f"absent ({len(gaps)})" if number == 0 else None
        axes.axvspan(before, after, facecolor="none", edgecolor=HATCH, hatch="////", linewidth=0.8, label=label)  # type: ignore[arg-type]


def _mark(axes: Axes, outliers: Sequence[dict[str, Any]], low: float, high: float) -> None:
    """A cross at each faulty price; one beyond the picture stands at its edge."""
    outliers = [row for row in outliers if row["evidence"]["value"] is not None]
    if not outliers:
        return
    times = [row["data_point_time"] for row in outliers]
    values = [min(max(row["evidence"]["value"], low), high) for row in outliers]
    size = 8 if len(outliers) <= CROWD else 5
    axes.plot(times, values, "X", color=FAULT, markersize=size, label=f"outlier ({len(outliers)})", clip_on=False)
    (begin, end) = axes.get_xlim()
    apart = timedelta(days=(end - begin) / LABELLED)
    for row, value in _named(list(zip(outliers, values, strict=True)), apart):
        evidence, time = row["evidence"], row["data_point_time"]
        axes.annotate(
            f"{evidence['verdict'].replace('_', ' ')} {evidence['value']:g}",
            (time, value),
            (0, -16 if value > (low + high) / 2 else 10),
            textcoords="offset points",
            fontsize=9,
            color=FAULT,
            ha="center",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
            zorder=5,
        )


LABELLED = 9
"""So many verdicts have room beside each other."""

CROWD = 20
"""Of more outliers only the bad ones are named, and all are drawn smaller."""

Mark = tuple[dict[str, Any], float]


def _named(marks: Sequence[Mark], apart: timedelta) -> Iterator[Mark]:
    """The marks that have room for their verdict, the worst first: those of a crowd hide each other."""
    shown = [mark for mark in marks if len(marks) <= CROWD or mark[0]["severity"] in ("critical", "high")]
    named: list[datetime] = []
    for mark in sorted(shown, key=lambda mark: (mark[0]["severity"] != "critical", mark[0]["data_point_time"])):
        time = mark[0]["data_point_time"]
        if all(abs(time - other) >= apart for other in named):
            named.append(time)
            yield mark


def _pin(axes: Axes, bars: pl.DataFrame, corrected: Sequence[datetime], high: float) -> None:
    """A pin from each corrected bar up to the edge."""
    there = bars.filter(pl.col("time").is_in(list(corrected)))
    if there.is_empty():
        return
    times = there["time"].to_numpy()
    axes.vlines(times, there["close"].to_numpy(), high, color=PIN, linewidth=0.8, alpha=0.7)
    axes.plot(times, [high] * there.height, "v", color=PIN, label=f"corrected ({there.height})", clip_on=False)
