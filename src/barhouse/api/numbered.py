"""Lists whose rows are numbered: a page leads to the next one by the number of its last row."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from barhouse.errors import InvalidParameter

MOST = 2**63 - 1
"""The highest number that a row can have."""

Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before, with the same query.")]


def behind(cursor: str | None) -> int | None:
    """The number of the last row of the page before; InvalidParameter (422) for what no answer ever gave."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidParameter("cursor: this is none; give the next_cursor of the page before")
    return int(cursor)
