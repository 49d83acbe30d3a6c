"""What people write beside a decision, and numbers that no row has: told by their status, never by the driver."""

from __future__ import annotations

import pytest

from barhouse.errors import InvalidParameter, UnknownRecord
from barhouse.flow.correct import correct
from barhouse.flow.quality import acknowledge_anomaly
from barhouse.flow.quarantine import reject, rejudge, release
from barhouse.store.postgres import Database


@pytest.mark.parametrize("words", ["a\x00b", "a\ud800b", "a" * 1_000_000, " "])
def test_words_that_cannot_be_kept_are_refused(db: Database, words: str) -> None:
    with pytest.raises(InvalidParameter):
        correct(db, "AAPL", "2024-03-04", {"close": 1.0}, reason=words, author="me")
    with pytest.raises(InvalidParameter):
        reject(db, [1], reason="why", author=words)
    with pytest.raises(InvalidParameter):
        acknowledge_anomaly(db, 1, words)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, -1])
def test_numbers_of_no_row_are_unknown(db: Database, number: int) -> None:
    with pytest.raises(UnknownRecord):
        reject(db, [number], reason="why", author="me")
    with pytest.raises(UnknownRecord):
        release(db, [number], reason="why", author="me")
    with pytest.raises(UnknownRecord):
        rejudge(db, ids=[number])
