"""Kept answers are good for one revision, and never take more room than they may."""

from __future__ import annotations

from barhouse.api.kept import Kept


def test_an_answer_is_good_until_its_series_is_written_to() -> None:
    kept = Kept()

    kept.put("AAPL", "7", b"bars")

    assert kept.get("AAPL", "7") == b"bars"
    assert kept.get("AAPL", "8") is None
    assert kept.get("MSFT", "7") is None


def test_a_newer_answer_takes_the_place_of_the_old_one() -> None:
    kept = Kept(most=10)

    for revision in range(100):
        kept.put("AAPL", str(revision), b"12345678")

    assert kept.get("AAPL", "99") == b"12345678"
    assert kept.get("AAPL", "98") is None


def test_what_nobody_asked_for_longest_makes_room() -> None:
    kept = Kept(most=10)
    kept.put("old", "1", b"12345")
    kept.put("new", "1", b"12345")

    kept.get("old", "1")
    kept.put("newest", "1", b"12345")

    assert [question for question in ("old", "new", "newest") if kept.get(question, "1")] == ["old", "newest"]


def test_an_answer_that_is_too_large_is_not_kept() -> None:
    kept = Kept(most=10)

    kept.put("all", "1", b"12345678901")
    kept.put("some", "1", b"1234567890")

    assert kept.get("all", "1") is None
    assert kept.get("some", "1") == b"1234567890"
