"""The checks by name."""

from __future__ import annotations

from barhouse.checks import Kind, registry


def test_the_checks_are_those_of_the_contract() -> None:
    by_kind = {kind: [one.name for one in registry.values() if one.kind is kind] for kind in Kind}

    assert by_kind == {
        Kind.HARD: [
            "missing_field",
            "high_too_low",
            "low_too_high",
            "price_not_positive",
            "negative_volume",
            "off_grid",
            "duplicate",
        ],
        Kind.FLAG: ["wide_range", "open_jump", "unusual_volume"],
    }


def test_each_check_says_in_a_sentence_what_is_wrong() -> None:
    assert all(one.doc.splitlines()[0].endswith(".") for one in registry.values())
