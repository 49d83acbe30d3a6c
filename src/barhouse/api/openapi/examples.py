"""Answers as they look, one file an operation."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import orjson

HERE = files("barhouse.api.openapi") / "examples"


def complete(operation: dict[str, Any]) -> None:
    """Add to the good answer of an operation how it looks, where a file tells it."""
    told = HERE / f"{operation['operationId']}.json"
    good = next(answer for status, answer in operation["responses"].items() if status in ("200", "201"))
    if told.is_file():
        good["content"]["application/json"]["example"] = orjson.loads(told.read_bytes())
