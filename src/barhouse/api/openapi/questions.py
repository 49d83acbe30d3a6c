"""What may be asked: the parameters and bodies of operations, drawn as narrow as they are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from barhouse.flow.rewritten import FIELDS
from barhouse.model import AssetClass, Timeframe

Schema = dict[str, Any]

TIMEFRAMES: Schema = {"type": "string", "enum": [str(each) for each in Timeframe]}
CLASSES: Schema = {"type": "string", "enum": [str(each) for each in AssetClass]}
INSTANTS: Schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
NAMES: Schema = {"type": "string", "minLength": 1}
WORDS: Schema = {"type": "string", "pattern": r"\S"}
NUMBERS: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}
VENDORS_EDGE: Schema = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "pattern": "^[0-9]{1,13}$"}]}

DRAWN: dict[str, Schema] = {
    "timeframe": TIMEFRAMES,
    "timeframes": TIMEFRAMES,
    "resample_from": TIMEFRAMES,
    "asset_class": CLASSES,
    "start": INSTANTS,
    "end": INSTANTS,
    "since": INSTANTS,
    "until": INSTANTS,
    "as_of": INSTANTS,
    "symbol": NAMES,
    "symbols": NAMES,
    "author": WORDS,
    "cursor": NUMBERS,
    "field": {"type": "string", "enum": [*FIELDS]},
}
"""By the name of a field, wherever it is asked; of lists, what is in them."""

ELSEWHERE: dict[str, dict[str, Schema]] = {
    "historical": {"cursor": {"type": "string", "pattern": "^A[A-Za-z0-9_-]{9}[AEIMQUYcgkosw048]$"}},
    "bars": {"cursor": {"type": "string", "pattern": "^[A-Za-z0-9_-]{16}$"}, "symbols": WORDS},
    "polygon_bars": {
        "multiplier": {"type": "string", "pattern": "^[1-9][0-9]{0,3}$"},
        "timespan": {"type": "string", "enum": ["minute", "hour", "day", "week", "month", "quarter", "year"]},
        "start": VENDORS_EDGE,
        "end": VENDORS_EDGE,
    },
    "jobs_trigger": {"timeframes": {"type": "string", "enum": [str(each) for each in Timeframe if each != "1m"]}},
}
"""The same where an operation means something else by that name."""


def complete(operation: dict[str, Any], schemas: Mapping[str, Schema]) -> set[str]:
    """Draw what an operation asks for more closely, in place; the names of all that it asks for."""
    drawn, names = DRAWN | ELSEWHERE.get(operation["operationId"], {}), set()
    for one in operation.get("parameters", []):
        one["schema"] = _present(one["schema"])
        _narrow(one["schema"], drawn.get(one["name"]))
        names.add(one["name"])
    for name, field in _body(operation, schemas).items():
        _narrow(field, drawn.get(name))
        names.add(name)
    return names


def _body(operation: dict[str, Any], schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The fields of the body that an operation takes."""
    content = operation.get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    fields: dict[str, Schema] = schemas.get(reference.rsplit("/", 1)[-1], {}).get("properties", {})
    return fields


def _present(schema: Schema) -> Schema:
    """A parameter that may be left out as it is when it is there: no query says null."""
    kinds = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(kinds) != 1 or len(kinds) == len(schema["anyOf"]):
        return schema
    kind: Schema = kinds[0]
    return {name: value for name, value in schema.items() if name != "anyOf" and value is not None} | kind


def _narrow(schema: Schema, drawn: Schema | None) -> None:
    """Draw a field, or what is in a list, as `drawn`; what it may be besides stays."""
    if drawn is None:
        return
    if schema.get("type") == "array":
        schema["items"] = drawn
    elif schema.get("type") == "string" and "format" not in schema:
        schema.update(drawn)
        if "anyOf" in drawn:
            del schema["type"]
    else:
        for each in schema.get("anyOf", []):
            _narrow(each, drawn)
