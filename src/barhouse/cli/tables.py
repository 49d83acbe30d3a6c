"""Tables as all commands show them."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | dict.fromkeys(range(0x7F, 0xA0), "�")
"""What stands for each character that a terminal would obey: ␛ for an escape."""


def shown(words: str) -> str:
    """What somebody else wrote, letter by letter, within text that has markup of ours."""
    return escape(words.translate(VISIBLE))


class Listing(Table):
    """A table whose cells are shown letter by letter: what came from outside is no markup, and no code."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of words, or of what is coloured already."""
        super().add_row(*map(_letters, cells), **options)


def _letters(cell: Any) -> Any:
    """A cell in which nothing is obeyed."""
    if not isinstance(cell, str | Text):
        return cell
    text = Text(cell) if isinstance(cell, str) else cell.copy()
    text.plain = text.plain.translate(VISIBLE)
    return text


def listing(*headings: str) -> Table:
    """A table without lines; the column of a heading that starts with `>` is flush right."""
    table = Listing(box=None, header_style="dim", pad_edge=False)
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
