"""SQL kept as SQL: the named queries of `sql/<noun>.sql`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from types import SimpleNamespace

_HEAD = re.compile(r"^-- name: (\w+)\n-- (.+)$", re.MULTILINE)


@cache
def queries(noun: str) -> SimpleNamespace:
    """The queries of `noun` as attributes, each under the name in its head.

    A query starts with the two lines `-- name: NAME` and `-- what it answers`, and ends where the next one starts.
    """
    text = (files("barhouse.store") / "sql" / f"{noun}.sql").read_text(encoding="utf-8")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return SimpleNamespace(
        **{head[1]: text[head.end() : end].strip().rstrip(";").encode() for head, end in zip(heads, ends, strict=True)}
    )
