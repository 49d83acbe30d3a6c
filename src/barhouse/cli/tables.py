"""Tables as all commands show them."""

from __future__ import annotations

from rich.table import Table


def listing(*headings: str) -> Table:
    """A table without lines; the column of a heading that starts with `>` is flush right."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.removeprefix(">"), justify="right" if right else "left")
    return table


def number(value: float, *, whole: bool = False) -> str:
    """A number as people read it: money with its cents, what is small with its digits."""
    if abs(value) >= 1_000_000 or (whole and value == round(value)):
        return f"{value:,.0f}"
    if abs(value) >= 1 and value == round(value, 2):
        return f"{value:,.2f}"
    return f"{value:,.6g}"


def exact(value: float) -> str:
    """A number with all its digits, where two have to be told apart."""
    return f"{value:,.15g}"
