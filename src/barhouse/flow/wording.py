"""Answers as programs outside read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from barhouse.model import instant

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


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
