"""What a cleanup would do is told bar by bar, and is what it then does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from barhouse.errors import InvalidParameter, UnknownRecord
from barhouse.flow import cleanup
from barhouse.flow.preview import MOST, preview
from barhouse.flow.rewritten import latest_corrections
from barhouse.flow.taking_back import take_back
from barhouse.store.postgres import Database
from tests.answers import kept, real
from tests.integration.doubled import TUESDAY, asked, done, written
from tests.integration.test_correct import again
from tests.integration.test_rewrite import stored


@pytest.fixture
def aapl(db: Database) -> Database:
    """A warehouse with real days of AAPL about the third of January 2012."""
    stored(db, "AAPL", real("AAPL").tail(600))
    return db


def reasons(db: Database) -> list[tuple[float, str]]:
    [slot] = preview(db, "AAPL").told
    return [(bar["close"], bar["why"]) for bar in slot.bars]


def test_each_bar_that_would_go_is_told_why(aapl: Database) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, 0.99), ("2012-01-03 14:30Z", 402, True, 0.5))
    written(aapl, ("2012-01-03 21:00Z", 403, True, 0.99), ("2012-01-03 22:00Z", 404, True, 0.99))
    done(aapl, "UPDATE bar SET fetch_id = CASE close WHEN 403 THEN 8 WHEN 404 THEN 7 ELSE fetch_id END")

    assert reasons(aapl) == [
        (403.0, "stays"),
        (411.23, "of a lower quality than the other one"),
        (401.0, "not validated, as the other one is"),
        (402.0, "of a lower quality than the other one"),
        (404.0, "the other one was fetched later"),
    ]


def test_of_equal_bars_the_one_stamped_later_stays(aapl: Database) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, True, 0.99), ("2012-01-03 06:00Z", 402, True, 0.99))

    assert reasons(aapl)[2] == (401.0, "as good, but stamped earlier")


def test_a_preview_changes_nothing_and_a_cleanup_does_what_it_told(aapl: Database) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None), ("2012-01-04 21:00Z", 403, False, None))
    before = asked(aapl, "SELECT instrument, time, close FROM bar ORDER BY 1, 2")

    told = preview(aapl)
    after = asked(aapl, "SELECT instrument, time, close FROM bar ORDER BY 1, 2")
    cleaned = cleanup.cleanup_duplicate_records(aapl, by="cli:ada")

    assert before == after
    assert (told.slots, told.leaving) == (cleaned["total_duplicates_found"], cleaned["total_records_removed"]) == (2, 2)
    assert [slot.bars[0]["slot"] for slot in told.told] == [TUESDAY, TUESDAY + timedelta(days=1)]
    assert [row["cleaned_by"] for row in cleanup.cleanups(aapl)] == ["cli:ada"] * 2
    assert preview(aapl).slots == 0


def test_of_many_slots_the_first_are_told_bar_by_bar(aapl: Database) -> None:
    days = real("AAPL").tail(MOST + 20)["time"].to_list()
    written(aapl, *((day + timedelta(hours=5), 401, False, None) for day in days))

    told = preview(aapl)

    assert (told.slots, told.leaving, len(told.told)) == (MOST + 20, MOST + 20, MOST)
    assert {len(slot.bars) for slot in told.told} == {2}


def test_who_undoes_a_cleanup_is_noted(aapl: Database) -> None:
    written(aapl, ("2012-01-03 05:00Z", 401, False, None))
    cleanup.cleanup_duplicate_records(aapl)
    [before] = cleanup.cleanups(aapl)

    cleanup.undo_cleanup(aapl, before["id"], by="cli:bob")

    [after] = cleanup.cleanups(aapl)
    assert (before["cleaned_by"], before["restored_by"], after["restored_by"]) == (None, None, "cli:bob")


def test_a_bar_goes_back_to_no_other_source(db: Database) -> None:
    rows, series = real("AAPL")[:30], kept(db, "AAPL")
    again(db, series, rows, source="yahoo")
    again(db, series, rows.with_columns(volume=rows["volume"] + 1), source="polygon")
    moved = [row for row in latest_corrections(db) if row["field_corrected"] == "source"]

    with pytest.raises(InvalidParameter, match="another source only where that tells it"):
        take_back(db, moved[0]["id"], author="ada")
    with pytest.raises(UnknownRecord):
        take_back(db, 10**6, author="ada")
