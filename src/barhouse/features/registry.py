"""Which features there are; enrolling one is a decorator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import overload

import polars as pl

Formula = Callable[[], pl.Expr]


@dataclass(frozen=True, slots=True)
class Feature:
    """A column derived from bars. Its formula may name other features and ingredients as columns."""

    name: str
    doc: str
    formula: Formula
    text: bool = False
    crypto_only: bool = False

    @property
    def sql_type(self) -> str:
        """The type of its column in the warehouse."""
        return "text" if self.text else "double precision"

    @property
    def dtype(self) -> type[pl.DataType]:
        """The type of its column in a frame."""
        return pl.String if self.text else pl.Float64


_features: dict[str, Feature] = {}
_ingredients: dict[str, Formula] = {}

registry: Mapping[str, Feature] = MappingProxyType(_features)
"""Every feature by its name, in the order of the columns."""

ingredients: Mapping[str, Formula] = MappingProxyType(_ingredients)
"""What several features are made of, computed once and not kept."""


@overload
def feature(formula: Formula) -> Formula: ...
@overload
def feature(*, text: bool = False, crypto_only: bool = False) -> Callable[[Formula], Formula]: ...
def feature(
    formula: Formula | None = None, *, text: bool = False, crypto_only: bool = False
) -> Formula | Callable[[Formula], Formula]:
    """Enrol a function as a feature: its name is the column, its docstring the line in the reference."""

    def enrol(function: Formula) -> Formula:
        name, doc = function.__name__, " ".join((function.__doc__ or "").split())
        _features[name] = Feature(name, doc, function, text, crypto_only)
        return function

    return enrol(formula) if formula else enrol


def ingredient(formula: Formula) -> Formula:
    """Enrol a function as an ingredient: a column that features may name."""
    _ingredients[formula.__name__] = formula
    return formula
