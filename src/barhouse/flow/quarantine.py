"""The quarantine, looked at again: what passes the checks of today, or what a human takes for a bar, becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
from psycopg import Connection

from barhouse.errors import Conflict, InvalidParameter, UnknownRecord
from barhouse.flow.actions import reconsider
from barhouse.flow.choosing import Symbols, chosen
from barhouse.flow.correct import correct
from barhouse.flow.instruments import find
from barhouse.flow.rereading import FORMING, IMPOSSIBLE, TAKEN, Reread, place, read_again
from barhouse.flow.wording import legible
from barhouse.model import MEASURES, AssetClass, Series, Timeframe, instant
from barhouse.store import bars, quarantine, stays
from barhouse.store.postgres import Database
from barhouse.store.quarantine import Status

PASSES = "passes the checks of today"

NEEDED = {"missing_field", "off_grid"}
"""The checks that nobody can overrule: without five numbers and a slot there is no bar."""


def listed_quarantine(
    db: Database,
    symbol: str | None = None,
    timeframe: str | None = None,
    asset_class: str | None = None,
    *,
    reason: str | None = None,
    status: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """The rows that were no bars, latest first: of one symbol or all, failing the check `reason`, standing so.

    Each with what really came (`payload`), its fetch and what was decided. `before` leads on: rows with a lower number.
    UnknownSymbol (404), AmbiguousSymbol (409), InvalidTimeframe and InvalidAssetClass (400).
    """
    only = None if timeframe is None else Timeframe.of(timeframe)
    kind = None if asset_class is None else AssetClass.of(asset_class)
    instrument = None if symbol is None else find(db, symbol, kind).number
    stands = None if status is None else Status(status)
    with db.connection() as connection:
        return quarantine.shown(connection, instrument, only, reason=reason, status=stands, before=before, limit=limit)


def rejudge(
    db: Database,
    symbol: Symbols = None,
    timeframe: str | None = None,
    asset_class: str | None = None,
    *,
    ids: Sequence[int] | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Look again at rows over which nobody has decided yet: those of some symbols, or of all, or some by number.

    What passes the checks of today, and whose slot is empty, is kept as a bar that came now. `judged`, `released`, and
    `rows`: `id, symbol, asset_class, timeframe, time, released, reason` (what is in its way still). A series is done
    whole or not at all. UnknownRecord (404) if there is no row of such a number.
    """
    moment, rows = now or datetime.now(UTC), list[dict[str, Any]]()
    for series in _chosen(db, symbol, timeframe, asset_class) if ids is None else _of(db, ids):
        with db.transaction() as connection:
            bars.lock(connection, series.timeframe, [series.instrument.number])
            waiting = quarantine.rows(connection, series, ids).filter(pl.col("status") == Status.QUARANTINED)
            seen = read_again(db, connection, series, waiting, moment)
            place(db, connection, seen, seen.bars.filter(pl.col("verdict").is_null()), by=None, why=PASSES)
        reconsider(db, [series.instrument.number])
        rows += _told(seen, passed=pl.col("verdict").is_null())
    return {"judged": len(rows), "released": sum(row["released"] for row in rows), "rows": rows}


def _chosen(db: Database, symbol: Symbols, timeframe: str | None, asset_class: str | None) -> list[Series]:
    """The series that are meant and have rows over which nobody has decided."""
    with db.connection() as connection:
        waiting = quarantine.waiting(connection)
    wanted = chosen(db, symbol, timeframe, asset_class)
    return [series for series in wanted if (series.instrument.number, series.timeframe.code) in waiting]


def _of(db: Database, ids: Sequence[int]) -> list[Series]:
    """The series of these rows; UnknownRecord (404) if one of them is not there."""
    _possible(ids)
    with db.connection() as connection:
        _known(ids, quarantine.statuses(connection, ids))
        return quarantine.series(connection, ids)


def _possible(ids: Sequence[int]) -> None:
    """UnknownRecord (404) for a number that is too large for any row."""
    if beyond := [number for number in ids if abs(number) >= 2**63]:
        raise UnknownRecord(f"No row in quarantine has the number {beyond[0]}")


def _known(ids: Sequence[int], found: dict[int, Status]) -> None:
    if unknown := sorted(set(ids) - found.keys()):
        raise UnknownRecord(f"No row in quarantine has the number {unknown[0]}; `barhouse quarantine list` shows them")


def _told(seen: Reread, passed: pl.Expr) -> list[dict[str, Any]]:
    """What became of each row."""
    series = seen.series
    names = {"symbol": series.instrument.symbol, "asset_class": str(series.instrument.asset_class)}
    rows = seen.rows.select("id", "time", released=passed, reason="verdict").iter_rows(named=True)
    return [{"id": row["id"], **names, "timeframe": str(series.timeframe), **row} for row in rows]


def release(
    db: Database,
    ids: Sequence[int],
    *,
    reason: str,
    author: str,
    replace: bool = False,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Make bars of some rows by hand, though a check failed, as long as each has five numbers and a slot that is empty.

    All of them or none. With `replace` a stored bar in a slot is corrected to what the row says, as `correct` does it.
    `released` and `rows` as `rejudge` has them; a bar that fails a check is stored, but never validated.
    UnknownRecord (404), Conflict (409) if somebody has decided over a row before or a bar is stored in its slot,
    InvalidParameter (422) without reason and author, or if no bar can be made of a row.
    """
    _signed(reason, author)
    wanted, moment, rows = _of(db, ids), now or datetime.now(UTC), list[dict[str, Any]]()
    if replace:
        _correct(db, wanted, ids, moment, reason=reason, author=author)
    with db.transaction() as connection:
        for seen in _looked_at(db, connection, wanted, ids, moment, replace=replace):
            place(db, connection, seen, seen.bars.filter(~pl.col("taken")), by=author, why=reason)
            corrected: list[int] = seen.bars.filter("taken")["id"].to_list()
            quarantine.release(connection, dict.fromkeys(corrected), at=stays.moment(connection), by=author, why=reason)
            rows += _told(seen, passed=pl.lit(value=True))
    reconsider(db, {each.instrument.number for each in wanted})
    return {"released": len(rows), "rows": rows}


def _looked_at(
    db: Database, connection: Connection, wanted: Sequence[Series], ids: Sequence[int], now: datetime, *, replace: bool
) -> list[Reread]:
    """The rows, read again while nobody else can write their series; refused if one of them can be no bar."""
    for series in wanted:
        bars.lock(connection, series.timeframe, [series.instrument.number])
    _undecided(connection, ids)
    found = [read_again(db, connection, each, quarantine.rows(connection, each, ids), now) for each in wanted]
    for seen in found:
        _refuse(seen, replace=replace)
    return found


def _correct(
    db: Database, wanted: Sequence[Series], ids: Sequence[int], now: datetime, *, reason: str, author: str
) -> None:
    """Correct the stored bars in the slots of rows to what these say; a bar that says so already stays as it is."""
    with db.transaction() as connection:
        found = _looked_at(db, connection, wanted, ids, now, replace=True)
    for seen in found:
        instrument, timeframe = seen.series.instrument, str(seen.series.timeframe)
        for bar in seen.bars.filter("taken").select("time", *MEASURES).iter_rows(named=True):
            values = {name: value for name, value in bar.items() if name in MEASURES and value is not None}
            correct(
                db,
                instrument.symbol,
                bar["time"],
                values,
                reason=reason,
                author=author,
                timeframe=timeframe,
                asset_class=str(instrument.asset_class),
            )


def reject(db: Database, ids: Sequence[int], *, reason: str, author: str) -> dict[str, Any]:
    """Say for good that some rows are no bars: all of them or none. `rejected`, how many.

    UnknownRecord (404), Conflict (409) if somebody has decided over one before, InvalidParameter (422) without reason
    and author.
    """
    _signed(reason, author)
    with db.transaction() as connection:
        _undecided(connection, ids)
        return {"rejected": len(quarantine.reject(connection, ids, by=author, why=reason))}


def _signed(reason: str, author: str) -> None:
    if not reason.strip() or not author.strip():
        raise InvalidParameter("A decision over the quarantine needs a reason and an author")
    legible(reason=reason, author=author)


def _undecided(connection: Connection, ids: Sequence[int]) -> None:
    """Conflict if somebody has decided over one of the rows before; nobody else can from now on."""
    _possible(ids)
    found = quarantine.statuses(connection, ids)
    _known(ids, found)
    for number, status in found.items():
        if status is not Status.QUARANTINED:
            raise Conflict(f"Row {number} was {status} already")


def _refuse(seen: Reread, *, replace: bool) -> None:
    """InvalidParameter or Conflict for the first row that cannot become a bar, whatever a human says."""
    for number, verdict in seen.rows.select("id", pl.col("verdict").fill_null("")).iter_rows():
        if verdict == IMPOSSIBLE or NEEDED & set(verdict.split(",")):
            raise InvalidParameter(f"Row {number} cannot be a bar: {verdict}")
        if verdict == FORMING:
            raise Conflict(f"Row {number} of {seen.series} stays: {verdict}")
    for number, time in seen.bars.filter("taken").select("id", "time").iter_rows():
        if not replace:
            raise Conflict(f"Row {number} stays: {TAKEN}, {seen.series} at {instant(time)}; replace it, or leave it")
    if seen.bars.height < seen.rows.height or seen.bars["time"].is_duplicated().any():
        raise Conflict(f"Several of these rows are of one slot of {seen.series}; release one of them")
