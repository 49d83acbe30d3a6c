"""Pages as a browser reads them."""

from __future__ import annotations

from html.parser import HTMLParser

from fastapi.testclient import TestClient

VOID = {"meta", "link", "img", "input"}
PAGE = {"Accept": "text/html,*/*"}
OPTIONAL = {"th", "tr"}
"""Ends that a page may leave out."""


class Page(HTMLParser):
    """A page: its tags with their attributes, its tables by id, and whether each tag was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append((tag, told))
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)
        if tag == "table":
            self._rows = self.tables[told.get("id") or ""] = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._rows and self._rows[-1] and "table" in self.open:
            self._rows[-1][-1] += data.strip()

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [told for name, told in self.tags if name == tag]


def seen(visitor: TestClient, path: str, status: int = 200) -> Page:
    response = visitor.get(path, headers=PAGE)
    assert response.status_code == status
    page = Page(response.text)
    assert page.open == []
    return page
