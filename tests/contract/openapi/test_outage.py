"""Without its database a Barhouse says so to everybody, whatever is asked: it lets nobody in, and calls no key bad."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, Response
from schemathesis.core.result import Ok

from tests.contract.openapi.asking import keyed, opened, told
from tests.servers import Server

# Drawing outside of a test of its own sows the random numbers of others anew
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")

ONCE = settings(
    max_examples=1,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
KNOWN_FOR = 3.5
"""Seconds after which no caller is believed any more without the database."""

NEEDS_NO_DATABASE = {"health", "binance_ping", "binance_server_time"}
"""What a caller who was let in a moment ago is given all the same."""


@pytest.fixture(scope="module")
def questions() -> list[Case[Any]]:
    """One question to each operation; to draw them takes longer than a caller is believed without the database."""
    schema = told(1, ignored_auth=False, not_a_server_error=False)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    drawn: list[Case[Any]] = []

    @settings(ONCE)
    @given(st.tuples(*(each.as_strategy() for each in operations)))
    def draw(cases: tuple[Case[Any], ...]) -> None:
        drawn[:] = cases

    draw()
    return drawn


def asked(questions: list[Case[Any]], base: str, headers: Mapping[str, str]) -> dict[str, Response]:
    """The answers to all of them, asked at once."""
    with ThreadPoolExecutor(len(questions)) as threads:
        answers = list(threads.map(lambda case: case.call(base, headers=dict(headers), timeout=300), questions))
    for case, answer in zip(questions, answers, strict=True):
        case.validate_response(answer)
    names = (case.operation.definition.raw["operationId"] for case in questions)
    return dict(zip(names, answers, strict=True))


@contextmanager
def cut(server: Server, url: str, base: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Without this database, of a Barhouse that has answered such a caller a moment ago."""
    httpx.get(f"{base}/api/v1/symbols", headers=headers).raise_for_status()
    with server.without(url):
        yield


def others(answers: Mapping[str, Response]) -> dict[str, int]:
    """The operations that answer anything else than 503."""
    return {name: answer.status_code for name, answer in answers.items() if answer.status_code != 503}


def test_an_open_warehouse_is_not_open_without_its_database(
    server: Server, warehouse: str, questions: list[Case[Any]]
) -> None:
    with opened(warehouse) as base, cut(server, warehouse, base, {}):
        time.sleep(KNOWN_FOR)
        answers = asked(questions, base, {})

    assert len(answers) > 60
    assert others(answers) == {"health": 200}


def test_no_key_is_called_bad_without_the_database(server: Server, warehouse: str, questions: list[Case[Any]]) -> None:
    admin = {"X-API-Key": keyed(warehouse)["admin"]}
    with opened(warehouse) as base, cut(server, warehouse, base, admin):
        just_known = asked(questions, base, admin)
        time.sleep(KNOWN_FOR)
        later = [asked(questions, base, headers) for headers in (admin, {})]

    assert {name for name, status in others(just_known).items() if status < 400} <= NEEDS_NO_DATABASE
    assert not {401, 403} & set(others(just_known).values())
    assert [others(each) for each in later] == [{"health": 200}] * 2
    assert {answer.headers["retry-after"][0] for name, answer in later[0].items() if name != "health"} == {"5"}
