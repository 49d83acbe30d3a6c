"""What may be asked: the parameters and bodies of operations, drawn as narrow as they are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from barhouse.model import AssetClass, Timeframe

Schema = dict[str, Any]

TIMEFRAMES: Schema = {"type": "string", "enum": [str(each) for each in Timeframe]}
CLASSES: Schema = {"type": "string", "enum": [str(each) for each in AssetClass]}
INSTANT: Schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
NAMED: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
NUMBERED: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}

DRAWN: dict[str, Schema] = {
    "timeframe": TIMEFRAMES,
    "timeframes": TIMEFRAMES,
    "resample_from": TIMEFRAMES,
    "asset_class": CLASSES,
    "start": INSTANT,
    "end": INSTANT,
    "since": INSTANT,
    "until": INSTANT,
    "as_of": INSTANT,
    "symbol": NAMED,
    "symbols": NAMED,
}
"""By the name of a field, wherever it is asked; of lists, what is in them."""

OURS = "/api/"


def complete(operation: dict[str, Any], schemas: Mapping[str, Schema]) -> set[str]:
    """Draw what an operation asks for more closely, in place; the names of all that it asks for."""
    names = set()
    for one in operation.get("parameters", []):
        one["schema"] = _present(one["schema"])
        _narrow(one["name"], one["schema"])
        names.add(one["name"])
    for name, field in _body(operation, schemas).items():
        _narrow(name, _present(field))
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


def _narrow(name: str, schema: Schema) -> None:
    drawn = DRAWN.get(name)
    if drawn is None:
        return
    if schema.get("type") == "array":
        schema["items"] = drawn
    elif schema.get("type") == "string":
        del schema["type"]
        schema.update(drawn)
    else:
        for each in schema.get("anyOf", []):
            _narrow(name, each)
