"""From a vendor's JSON to frames: at full speed where it is as promised, cell by cell where it is not.

A cell that is no number becomes NULL, so that the checks put its bar into quarantine; a row without a time is a
reject; its neighbours are kept. An answer that is no table at all is an UnreadableAnswer, never an empty frame.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence

import orjson
import polars as pl

from barhouse.errors import UnreadableAnswer
from barhouse.model import INSTANT
from barhouse.sources.base import REJECTS

MICROSECONDS = {"ms": 1_000, "s": 1_000_000}
LATEST = 9_000_000_000_000_000
"""The year 2255 in microseconds: a later stamp is none."""


NO_ROWS = pl.DataFrame(schema={"time": INSTANT, "origin": pl.UInt32()})
"""Rows of which no bar can be made, because there are none."""


def document(payload: bytes, source: str) -> object:
    """The JSON in `payload`; NaN and Infinity, which are no JSON, are read too."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        what = "a web page" if payload.lstrip().startswith(b"<") else "cut off, or no JSON"
        raise UnreadableAnswer(source, f"its answer is {what} ({len(payload)} bytes)") from None


def promised(
    payload: bytes, envelope: pl.Schema, rows: str, needed: Sequence[str]
) -> tuple[dict[str, object], pl.DataFrame] | None:
    """The fields and the `rows` of an answer in which every cell has the type that `envelope` names; else None.

    This costs less than `orjson.loads`. A NULL in a column of `needed` sends the answer the careful way too, since
    here a number too large for its type is one.
    """
    if not payload.startswith(b"{") or _has_flags(payload, needed):
        return None
    try:
        answer = pl.read_json(io.BytesIO(payload), schema=envelope)
    except pl.exceptions.PolarsError:
        return None
    cells = answer[rows].item()
    if cells is None:
        return None
    found = cells.struct.unnest()
    if any(found[name].null_count() for name in needed):
        return None
    return answer.drop(rows).row(0, named=True), found


def _has_flags(payload: bytes, names: Sequence[str]) -> bool:
    """Whether one of these numbers is `true` or `false`, which the quick way would read as 1 and 0."""
    if payload.count(b"true") + payload.count(b"false") < 2:  # the answer itself has one: `adjusted`
        return False
    named = "|".join(map(re.escape, names)).encode()
    return re.search(rb'"(?:%s)"\s*:\s*[tf]' % named, payload) is not None


def texts(rows: Sequence[object], names: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The cells of `rows` as text in columns `names`, and as rejects what is no row at all.

    A row is an object with these names, or a list in their order.
    """
    named = [
        row if isinstance(row, dict) else dict(zip(names, row, strict=False))
        for row in rows
        if isinstance(row, (dict, list))
    ]
    cells = {name: [_text(row.get(name)) for row in named] for name in names}
    raw = pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String))
    junk = [json.dumps(row) for row in rows if not isinstance(row, (dict, list))]
    return raw, rejected("unreadable_row", pl.Series(junk, dtype=pl.String))


def _text(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return repr(cell) if isinstance(cell, (int, float)) else json.dumps(cell)


def measured(raw: pl.DataFrame, names: Mapping[str, str], unit: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of a vendor as `time`, measures and `origin`, and the rejects: those without a readable time.

    `names` leads from the vendor's columns to ours, one of them to `time`, in `unit` (ms, s) since 1970.
    """
    columns = [_number(raw.schema[theirs], theirs).alias(ours) for theirs, ours in names.items()]
    rows = raw.select(columns).with_row_index("origin")
    rows = rows.with_columns(_instant(MICROSECONDS[unit])).select(*names.values(), "origin")
    timeless = rows["time"].is_null()
    if not timeless.any():
        return rows, pl.DataFrame(schema=REJECTS)
    payload = raw.filter(timeless).select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return rows.filter(~timeless), rejected("unreadable_time", payload)


def rejected(reason: str, payload: pl.Series) -> pl.DataFrame:
    """Rejects of one reason that have no time."""
    time = pl.lit(None, INSTANT)
    return payload.to_frame("payload").select(time=time, reason=pl.lit(reason), payload="payload")


def _number(kind: pl.DataType, column: str) -> pl.Expr:
    """The cells as numbers; NULL for texts that are none, and for NaN and Infinity."""
    if kind.is_integer():
        return pl.col(column)
    number = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _instant(factor: int) -> pl.Expr:
    """The stamps as instants; NULL for those before 1970 or absurdly late."""
    stamp = pl.col("time")
    sane = stamp.is_between(0, LATEST // factor)
    return pl.when(sane).then(stamp.cast(pl.Int64, strict=False) * factor).cast(INSTANT).alias("time")
