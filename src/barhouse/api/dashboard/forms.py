"""What people tell by the forms of pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from barhouse.api.numbered import MOST
from barhouse.errors import InvalidParameter
from barhouse.model import moment

FIELDS = 2_000
"""Fields that a form has at most."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was sent: names and what was told by them, nothing where a field was left empty."""

    fields: Mapping[str, list[str]]

    def text(self, name: str) -> str | None:
        """What was written into a field, less blanks about it; None where nothing was."""
        told = self.fields.get(name, [""])[0].strip()
        return told or None

    def needed(self, name: str) -> str:
        """The same; InvalidParameter (422) where nothing was written."""
        told = self.text(name)
        if told is None:
            raise InvalidParameter(f"Write the {name} first")
        return told

    def several(self, name: str) -> list[str]:
        """All that was chosen under one name."""
        return [each.strip() for each in self.fields.get(name, []) if each.strip()]

    def numbers(self, name: str) -> list[int]:
        """The numbers of the rows that were chosen; InvalidParameter (422) where there is none."""
        told = self.several(name)
        if not told:
            raise InvalidParameter("Choose at least one row")
        if wrong := [each for each in told if not (each.isascii() and each.isdigit() and int(each) <= MOST)]:
            raise InvalidParameter(f"{name}: {wrong[0]!r} is the number of no row")
        return [int(each) for each in told]

    def moment(self, name: str) -> datetime | None:
        """An instant; a bare date is 00:00Z. None where nothing was written, InvalidParameter (422) for none."""
        told = self.text(name)
        return None if told is None else moment(told)

    def is_set(self, name: str) -> bool:
        """Whether a box was ticked."""
        return name in self.fields


async def sent(request: Request) -> Form:
    """The form that a request brings; InvalidParameter (422) for one that no page of ours has."""
    try:
        fields = parse_qs((await request.body()).decode("ascii"), max_num_fields=FIELDS, errors="strict")
    except ValueError:
        raise InvalidParameter("This is no form of these pages") from None
    if any("\0" in value for values in fields.values() for value in values):
        raise InvalidParameter("No field holds a NUL")
    return Form(fields)


Sent = Annotated[Form, Depends(sent)]
