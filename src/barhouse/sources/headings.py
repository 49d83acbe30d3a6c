"""Which column of a file is what: by its heading, or by its place in a dump without headings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import polars as pl

from barhouse.errors import UnreadableFile
from barhouse.model import EXTRAS, INPUTS, PRICES

WANTED = ("time", *PRICES, "volume")

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "time": ("time", "timestamp", "tms", "t", "datetime", "opentime", "windowstart", "unix", "unixtimestamp",
                 "epoch", "ts", "begin", "start", "starttime", "dateutc", "datetimeutc", "timeutc", "gmttime",
                 "day", "date", "", "unnamed0", "indexlevel0", "price"),
        "open": ("open", "o", "openprice", "priceopen"),
        "high": ("high", "h", "max", "highprice", "pricehigh"),
        "low": ("low", "l", "min", "lowprice", "pricelow"),
        "close": ("close", "c", "last", "closeprice", "priceclose", "closelast"),
        "volume": ("volume", "v", "vol", "basevolume", "volumebase", "basevol", "totalvolume", "tickvol"),
        "vwap": ("vwap", "vw", "wap", "weightedprice", "volumeweighted"),
        "trades": ("trades", "n", "transactions", "numberoftrades", "numtrades", "tradecount", "tradescount",
                   "count", "barcount"),
        "quote_volume": ("quotevolume", "volumequote", "quoteassetvolume", "quotevol", "turnover", "qav",
                         "volume2", "volumeduplicated0"),
        "taker_buy_volume": ("takerbuyvolume", "takerbuybaseassetvolume", "takerbuybasevolume", "takerbuybase",
                             "takerbasevol", "tbbav", "takerbaseassetvolume"),
    }
)  # fmt: skip
"""What vendors and libraries call the columns, in small letters and digits alone; the likelier first."""

UNTAKEN = MappingProxyType(
    {
        "adjclose": "prices adjusted for dividends are not kept",
        "adjustedclose": "prices adjusted for dividends are not kept",
        "stocksplits": "splits have a file of their own: date, ratio",
        "dividends": "dividends have a file of their own: date, amount",
    }
)

QUOTES = ("currency", "usd", "usdt", "usdc", "busd", "eur", "gbp", "jpy", "krw", "tusd", "fdusd", "dai")
DUMPS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        6: WANTED,
        12: (*WANTED, "close_time", "quote_volume", "trades", "taker_buy_volume", "taker_quote", "ignored"),
    }
)
"""Layouts without headings: the bare bar, and Binance's monthly dumps."""


def bare(name: str) -> str:
    """A heading in small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def recognised(headings: Iterable[str]) -> dict[str, str]:
    """Our name of each column that is taken, and its heading; UnreadableFile where one of a bar is missing."""
    headings = list(headings)
    found = {ours: name for ours in NAMES if (name := first(headings, NAMES[ours])) is not None}
    found |= {ours: name for ours in INPUTS if (name := first(headings, (bare(ours),))) is not None}
    found |= {ours: name for ours, name in _by_currency(headings).items() if ours not in found}
    if missing := [ours for ours in WANTED if ours not in found]:
        raise UnreadableFile(
            f"No column for {', '.join(missing)}; found {', '.join(map(repr, headings))}; "
            f"wanted are {', '.join(WANTED)}, and taken too {', '.join((*EXTRAS, *INPUTS))}"
        )
    return found


def first(headings: list[str], names: tuple[str, ...]) -> str | None:
    """The heading that comes first among `names`."""
    by_name = {bare(heading): heading for heading in reversed(headings)}
    return next((by_name[name] for name in names if name in by_name), None)


def _by_currency(headings: list[str]) -> dict[str, str]:
    """Volumes named by what they count, `Volume BTC` and `Volume USD`: the money is the quote."""
    named = {bare(name).removeprefix("volume"): name for name in headings if bare(name).startswith("volume")}
    named = {unit: name for unit, name in named.items() if unit.isalpha()}
    quote = next((unit for unit in QUOTES if unit in named), None)
    base = next((unit for unit in named if unit not in QUOTES), None)
    return {ours: named[unit] for ours, unit in (("volume", base), ("quote_volume", quote)) if unit is not None}


def by_place(cells: pl.DataFrame) -> dict[str, str]:
    """The columns of a file without headings; UnreadableFile unless they are those of a known dump."""
    if (layout := DUMPS.get(cells.width)) is None:
        raise UnreadableFile(
            f"{cells.width} columns without headings; {' or '.join(map(str, DUMPS))} can be told apart, "
            f"else name them: {', '.join(WANTED)}"
        )
    found = dict(zip(layout, cells.columns, strict=True))
    prices = cells.select(pl.col(found[name]).cast(pl.Float64, strict=False).alias(name) for name in PRICES)
    ordered = (pl.col("high") >= pl.max_horizontal("open", "close")) & (
        pl.col("low") <= pl.min_horizontal("open", "close")
    )
    if (prices.select(ordered.mean()).item() or 0.0) <= 0.5:
        raise UnreadableFile(
            "Columns 2 to 5, without headings, are not open, high, low, close; name the columns in a first line"
        )
    return {ours: name for ours, name in found.items() if ours in NAMES}


def notes(headings: Iterable[str], taken: Iterable[str]) -> list[str]:
    """What was left out of the file, and why where that needs a word."""
    left = [name for name in headings if name not in set(taken)]
    told = [f"{name!r} not taken: {UNTAKEN[bare(name)]}" for name in left if bare(name) in UNTAKEN]
    others = [name for name in left if bare(name) not in UNTAKEN]
    return told + ([f"Not taken: {', '.join(map(repr, others))}"] if others else [])
