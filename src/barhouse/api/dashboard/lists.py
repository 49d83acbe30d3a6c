"""Lists of series: filtered as one types, sorted by a click, in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from barhouse.api.dashboard.frame import link
from barhouse.errors import InvalidParameter
from barhouse.model import AssetClass, Timeframe
from barhouse.store.catalogue import Listing

PAGE = 50
"""Series in a page of a list."""


class AskedList(BaseModel):
    """Which series are wanted, in which order; what is left empty does not matter."""

    model_config = ConfigDict(frozen=True)

    q: str = Field(default="", max_length=100)
    timeframe: str = ""
    asset_class: str = ""
    sort: str = "symbol"
    page: int = Field(default=1, ge=1, le=100_000)

    def listing(self, sortable: Sequence[str]) -> Listing:
        """The same for the store; InvalidParameter (422) for what nothing is sorted by, InvalidTimeframe (400)."""
        order = self.sort.removeprefix("-")
        if order not in sortable:
            raise InvalidParameter(f"sort: {order!r} is none of {', '.join(sortable)}")
        if "\0" in self.q:
            raise InvalidParameter("q: no symbol holds such a character")
        return Listing(
            self.q.strip() or None,
            Timeframe.of(self.timeframe) if self.timeframe else None,
            AssetClass.of(self.asset_class) if self.asset_class else None,
            order,
            descending=self.sort.startswith("-"),
            limit=PAGE,
            offset=(self.page - 1) * PAGE,
        )


Question = Annotated[AskedList, Query()]


def told(path: str, asked: AskedList, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a page says of a list: its rows, how many there are in all, and the ways to other pages and orders."""
    found = rows[0]["found"] if rows else 0
    kept = {name: value for name, value in asked if value != AskedList.model_fields[name].default}

    def to(**changed: Any) -> str:
        """The address of the same list with something changed."""
        return link(path, **{name: value for name, value in (kept | changed).items() if (name, value) != ("page", 1)})

    return {
        "path": path,
        "rows": rows,
        "found": found,
        "asked": asked,
        "to": to,
        "pages": -(-found // PAGE),
        "timeframes": list(Timeframe),
        "classes": list(AssetClass),
    }
