"""Answers as bytes, kept as long as their series is not written to."""

from __future__ import annotations

from collections import OrderedDict

MOST = 32 * 2**20
"""Bytes that are kept at most."""


class Kept:
    """The answers that were asked for last, each good for one revision of its series."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._answers: OrderedDict[object, tuple[str, bytes]] = OrderedDict()

    def get(self, question: object, revision: str) -> bytes | None:
        """The answer to a question, None if there is none or the series has changed since."""
        held = self._answers.get(question)
        if held is None or held[0] != revision:
            return None
        self._answers.move_to_end(question)
        return held[1]

    def put(self, question: object, revision: str, answer: bytes) -> None:
        """Keep an answer that is at least as new as `revision`; those that nobody asked for longest make room."""
        _, old = self._answers.pop(question, ("", b""))
        self._answers[question] = revision, answer
        self._size += len(answer) - len(old)
        while self._size > self._most:
            _, (_, oldest) = self._answers.popitem(last=False)
            self._size -= len(oldest)
