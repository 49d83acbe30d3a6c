"""Answers as programs outside read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from barhouse.errors import InvalidParameter
from barhouse.model import instant

LONGEST = 10_000
"""Characters of a reason; whoever has more to say links to it."""

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def legible(**told: str) -> None:
    """InvalidParameter (422) if somebody told nothing, a book, or what no database keeps: NUL, half a character."""
    for name, text in told.items():
        if not text.strip() or len(text) > LONGEST or "\x00" in text or not _whole(text):
            raise InvalidParameter(f"{name}: write some words, {LONGEST:,} characters at most, and no NUL")


def _whole(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def worded(method: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """The same method; instants in its answer are RFC 3339 in UTC, ending in Z, and days ISO dates."""

    @wraps(method)
    def answering(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        return cast("Answer", _in_words(method(*args, **kwargs)))

    return answering


def _in_words(told: Any) -> Any:
    match told:
        case datetime():
            return instant(told)
        case date():
            return told.isoformat()
        case dict():
            return {name: _in_words(value) for name, value in told.items()}
        case list() | tuple() if type(told) in (list, tuple):
            return type(told)(_in_words(value) for value in told)
        case _:
            return told
