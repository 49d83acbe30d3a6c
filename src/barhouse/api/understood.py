"""Questions in a query string: parsed once, however often they are asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, TypeVar, get_origin
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

REMEMBERED = 512

Model = TypeVar("Model", bound=BaseModel)


def understood(model: type[Model]) -> Callable[[Request], Awaitable[Model]]:
    """A dependency that reads a query string as `model`; tell OpenAPI of it by `parameters`.

    Fields that are tuples may be told several times, and several values at once with commas between them.

    The framework's own parsing of a model costs a third of a short answer; here a question met before costs a look-up.
    """

    several = [name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple]

    @lru_cache(maxsize=REMEMBERED)
    def parsed(query: bytes) -> Model:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        told: dict[str, Any] = dict(pairs)
        for name in several:
            parts = (part.strip() for key, value in pairs if key == name for part in value.split(","))
            told |= {name: tuple(filter(None, parts))} if name in told else {}
        try:
            return model.model_validate(told)
        except ValidationError as flaws:
            located = [{**flaw, "loc": ("query", *flaw["loc"])} for flaw in flaws.errors(include_url=False)]
            raise RequestValidationError(located) from None

    async def ask(request: Request) -> Model:
        return parsed(request.scope["query_string"])

    return ask


def parameters(model: type[BaseModel]) -> dict[str, list[dict[str, Any]]]:
    """What OpenAPI is told of such a query string."""
    schema = model.model_json_schema()
    fields = schema["properties"]
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": field.pop("description"),
                "schema": field,
            }
            for name, field in fields.items()
        ]
    }
