"""The same where keys exist: by an admin, by somebody who may only read, and by somebody without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from schemathesis import Case

from barhouse.api.roles import needed
from barhouse.store.keys import Role
from tests.contract.openapi.asking import EXAMPLES, keyed, opened, told


@pytest.fixture(scope="module")
def keys(warehouse: str) -> dict[str, str]:
    """A key of each role."""
    return keyed(warehouse)


@pytest.fixture(scope="module")
def base(warehouse: str, keys: dict[str, str]) -> Iterator[str]:
    """The address of a Barhouse that asks for one."""
    with opened(warehouse) as address:
        yield address


def role(case: Case[Any]) -> Role | None:
    return needed(case.method, case.operation.path)


@told(EXAMPLES).parametrize()
def test_an_admin_is_answered_as_it_is_told(case: Case[Any], base: str, keys: dict[str, str]) -> None:
    case.call_and_validate(base_url=base, headers={"X-API-Key": keys["admin"]})


@told(1, ignored_auth=False).parametrize()
def test_a_reader_is_answered_where_he_may_be(case: Case[Any], base: str, keys: dict[str, str]) -> None:
    answer = case.call_and_validate(base_url=base, headers={"Authorization": f"Bearer {keys['read']}"})

    assert (answer.status_code == 403) == (role(case) not in (None, Role.READ))


@told(1).parametrize()
def test_who_shows_no_key_is_told_to(case: Case[Any], base: str) -> None:
    answer = case.call_and_validate(base_url=base)

    assert (answer.status_code == 401) == (role(case) is not None)
