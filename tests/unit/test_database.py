"""The façade is a table of contents."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from barhouse import DatabaseService, database
from barhouse.store.postgres import Database

METHODS = {name: method for name, method in vars(DatabaseService).items() if not name.startswith("_")}


def test_the_facade_holds_no_code() -> None:
    tree = ast.parse(inspect.getsource(database))

    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]


@pytest.mark.parametrize("name", METHODS)
def test_each_entry_takes_the_database_first_and_bears_its_own_name(name: str) -> None:
    method: Callable[..., Any] = METHODS[name]

    first, *_ = inspect.signature(method, eval_str=True).parameters.values()
    assert first.annotation is Database
    assert method.__name__ == name
    assert method.__doc__
