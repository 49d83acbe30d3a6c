"""The OpenAPI document is whole: every operation says who may call it, what it refuses and how that looks."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import orjson
import pytest
import schemathesis

from barhouse.api.openapi import operations
from barhouse.api.openapi.examples import HERE
from barhouse.api.roles import needed
from tests.contract.openapi.asking import drawn

TOLD = orjson.loads(drawn())
EVERY = [(f"{method.upper()} {path}", path, operation) for path, method, operation in operations(TOLD)]


def every() -> list[Any]:
    return [pytest.param(name.split()[0], path, operation, id=name) for name, path, operation in EVERY]


def test_operations_have_names_that_programs_can_bear() -> None:
    names = [operation["operationId"] for _, _, operation in EVERY]

    assert len(set(names)) == len(names) > 60
    assert [name for name in names if not re.fullmatch("[a-z][a-z_]+[a-z]", name)] == []
    assert {"historical", "bars", "jobs_trigger", "keys_rotate", "quality_acknowledge", "binance_klines"} <= set(names)


def test_every_chapter_is_described_and_none_is_empty() -> None:
    used = {tag for _, _, operation in EVERY for tag in operation["tags"]}

    assert {tag["name"] for tag in TOLD["tags"]} == used
    assert all(tag["description"] for tag in TOLD["tags"])


@pytest.mark.parametrize(("method", "path", "operation"), every())
def test_an_operation_says_who_may_call_it(method: str, path: str, operation: dict[str, Any]) -> None:
    role = needed(method, path)
    statuses = {int(status) for status in operation["responses"]}

    assert operation["security"] == ([] if role is None else [{"ApiKey": [role]}, {"Bearer": [role]}])
    assert {403, 422} <= statuses
    assert ({401, 429, 503} <= statuses) == (role is not None)
    assert ({408, 413} <= statuses) == (method != "GET")
    assert (f"Takes the role `{role}`." in operation["description"]) == (role is not None)


def examples() -> list[Any]:
    """Every example of an answer, with the schema that it is one of."""
    return [
        pytest.param(content["schema"], content["example"], id=f"{operation['operationId']}-{status}")
        for _, _, operation in EVERY
        for status, answer in operation["responses"].items()
        for media_type, content in answer.get("content", {}).items()
        if media_type == "application/json"
    ]


@pytest.mark.parametrize(("schema", "example"), examples())
def test_every_answer_is_shown_by_an_example_that_fits(schema: dict[str, Any], example: object) -> None:
    drawn = {**schema, "components": TOLD["components"]}

    flaws = [flaw.message for flaw in jsonschema_rs.Draft202012Validator(drawn).iter_errors(example)]

    assert flaws == []


def test_every_file_of_an_example_is_shown() -> None:
    names = {operation["operationId"] for _, _, operation in EVERY}

    assert {file.name.removesuffix(".json") for file in HERE.iterdir()} <= names


def test_the_document_is_an_openapi() -> None:
    schemathesis.openapi.from_dict(TOLD).validate()
