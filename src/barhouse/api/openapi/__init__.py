"""What OpenAPI tells of the API beyond what each endpoint says itself: names, roles, refusals, headers, examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from barhouse.api.openapi import components, examples, questions, refusals
from barhouse.api.openapi.tags import TAGS
from barhouse.api.roles import needed

__all__ = ["TAGS", "enrol", "identity"]

METHODS = ("get", "put", "post", "delete", "patch")


def identity(route: APIRoute) -> str:
    """The operation id: the module of an endpoint and its own name, once where they are the same."""
    module, name = route.endpoint.__module__.rsplit(".", 1)[-1], route.endpoint.__name__
    return name if name.startswith(module) else f"{module}_{name}"


def enrol(app: FastAPI) -> None:
    """Let `app` tell all of it at `/openapi.json`."""
    plain = app.openapi

    def told() -> dict[str, Any]:
        # What is drawn is kept, and drawn anew where a route was added
        drawn = plain()
        if "securitySchemes" not in drawn.get("components", {}):
            complete(drawn)
        return drawn

    app.openapi = told  # type: ignore[method-assign]


def complete(drawn: dict[str, Any]) -> None:
    """Add to what the framework has drawn, in place."""
    components.add(drawn)
    for path, method, operation in operations(drawn):
        asked = questions.complete(operation, drawn["components"]["schemas"])
        _role(path, method, operation)
        refusals.complete(path, method, operation, asked)
        examples.complete(operation)
    components.prune(drawn)


def operations(drawn: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """All operations, each with its path and method."""
    for path, methods in drawn["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _role(path: str, method: str, operation: dict[str, Any]) -> None:
    """Who may call, for programs and in words."""
    role = needed(method.upper(), path)
    if role is None:
        operation["security"] = []
        return
    operation["security"] = [{name: [str(role)]} for name in components.SECURITY]
    operation["description"] = f"{operation.get('description', '').rstrip()}\n\nTakes the role `{role}`."
