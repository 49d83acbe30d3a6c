"""Corrections taken back: the field says again what it said before, and that is a correction too."""

from __future__ import annotations

from barhouse.errors import Conflict, InvalidParameter, UnknownRecord
from barhouse.flow.correct import Corrected, correct
from barhouse.model import MEASURES, instant
from barhouse.store import corrections
from barhouse.store.postgres import Database


def take_back(db: Database, number: int, *, author: str, reason: str | None = None) -> Corrected:
    """Let the field of a bar say again what it said before the correction of that number; `author` signs.

    UnknownRecord (404) if there is none; Conflict (409) if a later one stands before it; InvalidParameter (422) for
    the field `source`, and as `correct` has it.
    """
    with db.connection() as connection:
        told = corrections.one(connection, number)
    if told is None:
        raise UnknownRecord(f"No correction has the number {number}; the list of corrections shows them")
    field, old = told["field_corrected"], told["old_value"]
    if field not in MEASURES:
        raise InvalidParameter(f"{field}: a bar goes to another source only where that tells it; correct its values")
    if told["superseded"]:
        bar = f"{told['symbol']} {told['timeframe']} at {instant(told['timestamp'])}"
        raise Conflict(f"{field} of {bar} was corrected again after number {number}; take that one back")
    return correct(
        db,
        told["symbol"],
        told["timestamp"],
        {field: old},
        reason=reason or f"Takes back correction {number}",
        author=author,
        timeframe=told["timeframe"],
        asset_class=told["asset_class"],
    )
