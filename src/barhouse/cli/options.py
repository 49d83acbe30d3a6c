"""What several commands take, said once."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from barhouse.config import Settings, settings
from barhouse.flow.track import earliest
from barhouse.model import Adjust, AssetClass, Span, Timeframe, moment

Symbols = Annotated[list[str], typer.Argument(metavar="SYMBOL…", help="As you write it: AAPL, BRK.B, BTC, BTC-USD.")]
Symbol = Annotated[str, typer.Argument(metavar="SYMBOL", help="As you write it: AAPL, BRK.B, BTC, BTC-USD.")]
Timeframes = Annotated[list[str], typer.Option("--timeframe", "-t", help="1m 5m 15m 30m 1h 4h 1d 1w; may be repeated.")]
OneTimeframe = Annotated[str, typer.Option("--timeframe", "-t", help="1m 5m 15m 30m 1h 4h 1d 1w.")]
Class = Annotated[
    str | None, typer.Option("--class", "-c", help="stock, etf or crypto; left out: the one tracked, else stock.")
]
Exchange = Annotated[
    str | None,
    typer.Option(
        "--exchange", help="Its exchange's calendar, as exchange-calendars names it: XLON, XTKS; usually XNYS."
    ),
]
From = Annotated[str | None, typer.Option("--from", help="First day or instant, UTC: 2024-01-31 or 2024-01-31T14:30Z.")]
To = Annotated[str | None, typer.Option("--to", help="First day or instant that is not wanted any more.")]
Features = Annotated[bool, typer.Option("--features", help="Also the features of each bar.")]
Adjusting = Annotated[
    Adjust, typer.Option("--adjust", help="splits: in today's shares; all: less dividends too; none: as traded.")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="INSTANT", help="What was known then: 2024-01-31T14:30Z, in UTC.")
]
ResampleFrom = Annotated[
    str | None,
    typer.Option(
        "--resample-from", metavar="TIMEFRAME", help="Build from these shorter bars; left out: if none are stored."
    ),
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where the embedded PostgreSQL keeps the bars.", show_default=False)
]


def configured(data_dir: Path | None) -> Settings:
    """The settings of this process, with the data directory of the command line where one is given."""
    return settings() if data_dir is None else settings().model_copy(update={"data_dir": data_dir})


def asset_class(name: str | None) -> AssetClass | None:
    """The asset class that was named, if one was."""
    return None if name is None else AssetClass.of(name)


def span(start: str | None, end: str | None, timeframe: Timeframe, now: datetime) -> Span:
    """The span that was asked for; open ends are now, and as far back as such bars are usually wanted."""
    until = moment(end) if end else now
    return Span(moment(start) if start else earliest(timeframe, until), until)


def me() -> str:
    """Who works at this shell, as jobs and records name whoever changed something by a command."""
    return f"cli:{getpass.getuser()}"
