"""What Polygon's answers say: parsing alone, no I/O."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl

from barhouse.errors import NotEntitled, UnreadableAnswer
from barhouse.model import ACTIONS
from barhouse.sources import decode
from barhouse.sources.base import REJECTS

NAME = "polygon"

TAKEN = {
    "t": "time",
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "vw": "vwap",
    "n": "trades",
}
"""The fields of a bar that are kept; `otc` and whatever else comes is not."""

NEEDED = ("t", "o", "h", "l", "c", "v")

ROW = pl.Struct({name: pl.Int64 if name == "t" else pl.Float64 for name in TAKEN})
ENVELOPE = pl.Schema(
    {"status": pl.String(), "next_url": pl.String(), "resultsCount": pl.Int64(), "results": pl.List(ROW)}
)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer's rows under Polygon's names, what in it is no row, and where the next answer is."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    next_url: str | None


def bars(payload: bytes) -> Page:
    """The bars in an answer; `t` is the open of a bar in milliseconds since 1970."""
    if quick := decode.promised(payload, ENVELOPE, "results", NEEDED):
        answer, rows = quick
        return Page(rows, pl.DataFrame(schema=REJECTS), _next_page(answer))
    whole = _answer(payload)
    return Page(*decode.texts(_results(whole), list(TAKEN)), _next_page(whole))


def splits(payload: bytes, ticker: str) -> Page:
    """The splits of `ticker` in an answer; UnreadableAnswer if one cannot be read, since half a list misleads."""
    return _actions(payload, ticker, _split)


def dividends(payload: bytes, ticker: str) -> Page:
    """The dividends of `ticker` in an answer, each on its ex-date; UnreadableAnswer if one cannot be read."""
    return _actions(payload, ticker, _dividend)


def _actions(payload: bytes, ticker: str, read: Callable[[dict[str, object]], dict[str, object]]) -> Page:
    answer = _answer(payload)
    try:
        own = [row for row in map(_object, _results(answer)) if row.get("ticker", ticker) == ticker]
        rows = [read(row) for row in own]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UnreadableAnswer(NAME, "one of its corporate actions is incomplete") from error
    return Page(pl.DataFrame(rows, schema=ACTIONS), pl.DataFrame(schema=REJECTS), _next_page(answer))


def _split(row: dict[str, object]) -> dict[str, object]:
    ratio = _number(row["split_to"]) / _number(row["split_from"])
    if ratio <= 0:
        raise ValueError("no ratio")
    return {"kind": "split", "effective": _date(row["execution_date"]), "ratio": ratio}


def _dividend(row: dict[str, object]) -> dict[str, object]:
    effective, amount = _date(row["ex_dividend_date"]), _number(row["cash_amount"])
    return {"kind": "dividend", "effective": effective, "amount": amount, "currency": row.get("currency")}


def _object(row: object) -> dict[str, object]:
    if not isinstance(row, dict):
        raise TypeError("no object")
    return row


def _number(cell: object) -> float:
    if isinstance(cell, bool) or not isinstance(cell, (int, float, str)):
        raise TypeError("no number")
    if not math.isfinite(number := float(cell)):
        raise ValueError("not finite")
    return number


def _date(cell: object) -> date:
    return date.fromisoformat(str(cell))


def _answer(payload: bytes) -> dict[str, object]:
    answer = decode.document(payload, NAME)
    if not isinstance(answer, dict):
        raise UnreadableAnswer(NAME, "its answer is no object")
    return answer


def _results(answer: dict[str, object]) -> list[object]:
    """The rows of an answer: none is what an answer without results means, unless it counts some."""
    rows = answer.get("results")
    if rows is None and not answer.get("resultsCount"):
        return []
    if not isinstance(rows, list):
        raise UnreadableAnswer(NAME, "its results are no list")
    return rows


def _next_page(answer: dict[str, object]) -> str | None:
    """Where an answer goes on, None at its end; a failure that came with HTTP status 200 is raised here."""
    status, url = answer.get("status"), answer.get("next_url")
    if status == "NOT_AUTHORIZED":
        raise NotEntitled(NAME, "the plan does not cover this")
    if status not in {"OK", "DELAYED"}:
        raise UnreadableAnswer(NAME, f"its answer has the status {str(status)[:40]!r}")
    if url is not None and not isinstance(url, str):
        raise UnreadableAnswer(NAME, "its next page has no readable address")
    return url or None
