"""Splits and dividends: who told them from when until when, and how each telling stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl
from psycopg import Connection
from psycopg.rows import dict_row

from barhouse.model import AssetClass, Instrument, Schema
from barhouse.store.queries import queries

query = queries("actions")

SPLITS = pl.Schema({"instrument": pl.Int32, "effective": pl.Date, "ratio": pl.Float64})
ACCEPTED: Schema = {
    "instrument": pl.Int32(),
    "kind": pl.String(),
    "effective": pl.Date(),
    "ratio": pl.Float64(),
    "amount": pl.Float64(),
}
SAME_AMOUNT = 1e-3
"""Dividends that differ by less, relatively, are the same one: vendors round them after each later split."""
NEAR = timedelta(days=21)
"""How far from the day of a split a bar may be and still tell of it."""


class Days(NamedTuple):
    """Over which days a source was asked for all actions of an instrument, both included."""

    first: date
    last: date


class Move(NamedTuple):
    """What the price of a series did across a day: the last close before it, the first open and close from it on."""

    timeframe: int
    effective: date
    before: datetime
    previous_close: float
    after: datetime
    open: float
    close: float


class Verdict(NamedTuple):
    """How a telling stands, and why, in JSON."""

    action: int
    standing: str
    evidence: str


def learn(
    connection: Connection,
    instrument: int,
    actions: pl.DataFrame,
    source: int,
    *,
    asked: Days | None = None,
    fetch_id: int | None = None,
) -> bool:
    """Write down what a source told (`model.ACTIONS`); whether anything of it is new.

    What it tells differently now ends, and is told anew; of the days that it was `asked` about ends what it does not
    tell any more, unless it tells nothing of that kind at all. The instant is left open for `stamp`.
    """
    once = _once_a_day(actions)
    told = {
        "instrument": instrument,
        "source": source,
        "kinds": once["kind"].to_list(),
        "effectives": once["effective"].to_list(),
        "ratios": once["ratio"].to_list(),
        "amounts": once["amount"].to_list(),
    }
    ended = connection.execute(query.retract, {**told, **_bounds(asked), "tolerance": SAME_AMOUNT}).fetchall()
    begun = connection.execute(
        query.tell, {**told, "currencies": once["currency"].to_list(), "fetch_id": fetch_id}
    ).fetchall()
    if asked:
        connection.execute(query.asked, {**told, **_bounds(asked)})
    return bool(ended or begun)


def _bounds(asked: Days | None) -> dict[str, date | None]:
    return {"first_day": asked.first if asked else None, "last_day": asked.last if asked else None}


def _once_a_day(actions: pl.DataFrame) -> pl.DataFrame:
    """What is told of a day in one row: an extra dividend adds to the usual one, a repeated row says nothing new."""
    split = pl.col("kind") == "split"
    summed = (
        actions.unique(["kind", "effective", "ratio", "amount"], maintain_order=True)
        .group_by("kind", "effective", maintain_order=True)
        .agg(pl.col("ratio").product(), pl.col("amount").sum(), pl.col("currency").last())
    )
    return summed.with_columns(ratio=pl.when(split).then("ratio"), amount=pl.when(~split).then("amount"))


def told(connection: Connection, instruments: Iterable[int], as_of: datetime | None = None) -> list[dict[str, Any]]:
    """What all sources tell of some instruments, or told at an instant, and how each telling stands, by date.

    Each has id, instrument, source, kind, effective, ratio, amount, currency, learnt_at, standing, evidence.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.told, {"instruments": list(instruments), "as_of": as_of}).fetchall()


def readings(connection: Connection, instrument: int) -> dict[str, Days]:
    """Over which days each source was asked for all actions of an instrument."""
    rows = connection.execute(query.readings, {"instrument": instrument})
    return {name: Days(first, last) for name, first, last in rows}


def splits(connection: Connection, instruments: Iterable[int], as_of: datetime | None = None) -> pl.DataFrame:
    """The splits of some instruments that count, or counted at an instant (`SPLITS`), by instrument and date."""
    return _accepted(connection, instruments, ["split"], as_of).select(list(SPLITS))


def accepted(connection: Connection, instruments: Iterable[int], as_of: datetime | None = None) -> pl.DataFrame:
    """The splits and dividends of some instruments that count, or counted at an instant (`ACCEPTED`)."""
    return _accepted(connection, instruments, ["split", "dividend"], as_of)


def _accepted(
    connection: Connection, instruments: Iterable[int], kinds: Sequence[str], as_of: datetime | None
) -> pl.DataFrame:
    parameters = {"instruments": list(instruments), "kinds": list(kinds), "as_of": as_of}
    return pl.DataFrame(connection.execute(query.accepted, parameters).fetchall(), schema=ACCEPTED, orient="row")


def review(connection: Connection, stretches: pl.DataFrame) -> None:
    """Note that bars (instrument, first, last) change; where somebody tells a split about their time, it matters."""
    columns = {"instruments": "instrument", "firsts": "first", "lasts": "last"}
    parameters = {name: stretches[column].to_list() for name, column in columns.items()}
    connection.execute(query.review, {**parameters, "near": NEAR})


def reviews(connection: Connection, instruments: Iterable[int] | None = None) -> list[tuple[Instrument, int]]:
    """Whose splits have to be decided anew, of some instruments or of all; the latest note of each."""
    wanted = None if instruments is None else list(instruments)
    rows = connection.execute(query.reviews, {"instruments": wanted})
    return [
        (Instrument(symbol, AssetClass(asset_class), exchange, key), last)
        for key, symbol, asset_class, exchange, last in rows
    ]


def reviewed(connection: Connection, instrument: int, last: int) -> None:
    """The splits of an instrument are decided, for all that was noted up to the note `last`."""
    connection.execute(query.reviewed, {"instrument": instrument, "last": last})


def moves(connection: Connection, instrument: int, asked: Iterable[tuple[int, date, datetime, datetime]]) -> list[Move]:
    """What prices did across some days, where there are bars on both sides.

    Each is asked for with the number of a timeframe, the day, and the moments before and from which on bars count.
    """
    rows = list(asked)
    names = ("timeframes", "effectives", "befores", "afters")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    parameters = {**columns, "instrument": instrument, "near": NEAR}
    return [Move(*row) for row in connection.execute(query.moves, parameters)]


def decide(connection: Connection, verdicts: Sequence[Verdict], known: Sequence[dict[str, Any]]) -> bool:
    """Write down how tellings stand (`known` is what `told` says of them); whether one stands otherwise now."""
    stood = {row["id"]: (row["standing"], row["evidence"]) for row in known}
    other = [verdict for verdict in verdicts if stood[verdict.action][0] != verdict.standing]
    told_anew = [
        verdict
        for verdict in verdicts
        if stood[verdict.action][0] == verdict.standing and stood[verdict.action][1] != json.loads(verdict.evidence)
    ]
    if other:
        connection.execute(query.overrule, _columns(other))
        connection.execute(query.decide, _columns(other))
    if told_anew:
        connection.execute(query.explain, _columns(told_anew))
    return bool(other)


def _columns(verdicts: Sequence[Verdict]) -> dict[str, list[Any]]:
    return {f"{name}s": [getattr(verdict, name) for verdict in verdicts] for name in Verdict._fields}


def stamp(connection: Connection, instrument: int) -> None:
    """Bump the revision of all series of an instrument, and date what was learnt and decided by its instant.

    The last thing before the commit: whoever reads before it sees nothing of what bears its instant.
    """
    stamps = connection.execute(query.stamp, {"instrument": instrument}).fetchall()
    dated = {"instrument": instrument, "at": stamps[0][0] if stamps else None}
    connection.execute(query.date_tellings, dated)
    connection.execute(query.date_standings, dated)
