"""What operations share: ways to show a key, headers of answers, the shape of errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from barhouse.api.compat.refusals import SHAPES as VENDORS
from barhouse.api.shapes import Problem

SECURITY: dict[str, dict[str, Any]] = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "Of `barhouse keys create`.",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key as `Authorization: Bearer KEY`."},
}
"""Either will do. Until a key exists, callers on this machine need none."""

_NUMBER, _TEXT = {"type": "integer", "minimum": 0}, {"type": "string"}

HEADERS: dict[str, dict[str, Any]] = {
    "RateLimit-Limit": {"description": "Calls a minute; absent without a limit.", "schema": _NUMBER},
    "RateLimit-Remaining": {"description": "Calls that are left; absent without a limit.", "schema": _NUMBER},
    "RateLimit-Reset": {"description": "Seconds until there are more.", "schema": _NUMBER},
    "RateLimit-Policy": {"description": "Calls, and the seconds in which they count: `600;w=60`.", "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait before the next call.", "required": True, "schema": _NUMBER},
    "ETag": {"description": "What the answer is known by: send it as If-None-Match.", "schema": _TEXT},
    "WWW-Authenticate": {"description": "How to show a key.", "required": True, "schema": _TEXT},
    "X-Barhouse-Error": {"description": "The class of the error: UnknownSymbol, Conflict, …", "schema": _TEXT},
}

_FRAMEWORKS = {"HTTPValidationError", "ValidationError"}


def add(drawn: dict[str, Any]) -> None:
    """The parts that operations refer to."""
    parts = drawn.setdefault("components", {})
    parts["securitySchemes"], parts["headers"] = SECURITY, HEADERS
    parts.setdefault("schemas", {}).update(_drawn(Problem, *VENDORS.values()))


def _drawn(*shapes: type[BaseModel]) -> dict[str, Any]:
    """The schemas of these shapes and of what is in them, by name."""
    _, told = models_json_schema(
        [(each, "serialization") for each in shapes], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = told["$defs"]
    return schemas


def prune(drawn: dict[str, Any]) -> None:
    """Leave out what the framework drew for errors that we tell otherwise."""
    schemas = drawn["components"]["schemas"]
    for name in _FRAMEWORKS:
        schemas.pop(name, None)


def referred(*names: str) -> dict[str, Any]:
    """These headers, as an answer has them."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def of(shape: type) -> dict[str, str]:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{shape.__name__}"}
