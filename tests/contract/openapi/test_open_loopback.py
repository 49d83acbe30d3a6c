"""Whatever may be asked, and whatever may not, is answered as the OpenAPI says, as long as no key exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from schemathesis import Case

from tests.contract.openapi.asking import EXAMPLES, opened, told

# With the first key it would be open no more
SCHEMA = told(EXAMPLES, without=("keys_create",), thorough=True, ignored_auth=False)


@pytest.fixture(scope="module")
def base(warehouse: str) -> Iterator[str]:
    """The address of a Barhouse without a key."""
    with opened(warehouse) as address:
        yield address


@SCHEMA.parametrize()
def test_anybody_is_answered_as_it_is_told(case: Case[Any], base: str) -> None:
    case.call_and_validate(base_url=base)
