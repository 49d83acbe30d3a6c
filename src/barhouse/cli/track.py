"""`barhouse track`: which series are kept up to date."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console

from barhouse.cli.options import Class, DataDir, Exchange, Symbols, Timeframes, asset_class, configured
from barhouse.config import Settings
from barhouse.flow.track import Promise, earliest, named, promise
from barhouse.flow.track import track as keep_tracking
from barhouse.flow.warehouse import opened
from barhouse.model import AssetClass, Series, Span, Timeframe, instant, moment
from barhouse.sources import configured as sources_of


def track(
    symbols: Symbols,
    *,
    timeframes: Timeframes = ["1d"],  # noqa: B006
    since: Annotated[str | None, typer.Option(help="From which day on, UTC; left out: as far back as usual.")] = None,
    asset: Class = None,
    exchange: Exchange = None,
    data_dir: DataDir = None,
) -> None:
    """Keep series up to date from now on; says at once what no source can reach.

    Example: [bold]barhouse track AAPL MSFT SPY --timeframe 1d --since 2015-01-01[/] or
    [bold]barhouse track BTC --class crypto --timeframe 1h[/]
    """
    console, settings, now = Console(), configured(data_dir), datetime.now(UTC)
    wanted = Timeframe.several(timeframes)
    with opened(settings) as db:
        instruments = [named(db, symbol, asset_class(asset), exchange) for symbol in symbols]
        for timeframe in wanted:
            start = moment(since) if since else earliest(timeframe, now)
            for series in keep_tracking(db, instruments, [timeframe], start):
                _say(console, settings, series, Span(start, now))
    console.print("\n[dim]next:[/] barhouse backfill   [dim]or[/] barhouse up")


def _say(console: Console, settings: Settings, series: Series, span: Span) -> None:
    """What can be had of a series, and which setting would open more."""
    now = span.end
    has = promise(series, span, sources_of(settings), now)
    what = f"[bold]{series}[/] ({series.instrument.asset_class}) since {_day(span)}"
    if not has.reaching:
        console.print(f"{what}: [red]no configured source has such bars[/]{_hint(settings, has, now)}", highlight=False)
        return
    console.print(f"{what}: from {' then '.join(has.reaching)}{_doubt(series)}", highlight=False)
    for part in has.unreachable:
        reach = f"{_day(part)} to {instant(part.end)[:10]} is beyond their reach"
        console.print(f"  [yellow]{reach}[/]{_hint(settings, has, now)}", highlight=False)


def _doubt(series: Series) -> str:
    """A word where a stock is written as coins are; its class is never guessed."""
    symbol, asset = series.instrument.symbol, series.instrument.asset_class
    paired = symbol.endswith((".USD", ".USDT", ".EUR", "USDT"))
    return " [yellow](for a coin say --class crypto)[/]" if paired and asset is AssetClass.STOCK else ""


def _hint(settings: Settings, has: Promise, now: datetime) -> str:
    """What a key for Polygon would add."""
    if settings.polygon_api_key is not None:
        return ""
    opened = settings.model_copy(update={"polygon_api_key": SecretStr("none")})
    more = promise(has.series, has.span, sources_of(opened), now)
    return "; POLYGON_API_KEY would open more" if more.unreachable != has.unreachable else ""


def _day(span: Span) -> str:
    return instant(span.start)[:10]
