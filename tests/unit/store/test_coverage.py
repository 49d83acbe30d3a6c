"""Coverage: what was asked, and what need not be asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from barhouse.model import Span
from barhouse.store.coverage import State, Stretch, laid_over

DAY = datetime(2024, 1, 1, tzinfo=UTC)
REVISIT = timedelta(days=7)
LATER = DAY + timedelta(days=400)


def span(start: int, end: int) -> Span:
    return Span(DAY + timedelta(days=start), DAY + timedelta(days=end))


def stretch(start: int, end: int, state: State = State.FETCHED, read: datetime = LATER, attempts: int = 1) -> Stretch:
    return Stretch(span(start, end), state, read, attempts=attempts)


stretches = st.builds(
    lambda start, length, state, read: stretch(start, start + length, state, DAY + timedelta(days=read)),
    st.integers(0, 60),
    st.integers(1, 20),
    st.sampled_from(list(State)),
    st.integers(30, 400),
)


def states(laid: list[Stretch]) -> dict[int, State]:
    return {day: each.state for each in laid for day in range(90) if DAY + timedelta(days=day) in each.span}


@given(st.lists(stretches, min_size=1, max_size=12))
def test_the_last_word_on_each_day_is_kept(told: list[Stretch]) -> None:
    laid: list[Stretch] = []
    for each in told:
        laid = laid_over(laid, each, REVISIT)

    wanted: dict[int, State] = {}
    for each in told:
        wanted |= states([each])
    assert states(laid) == wanted
    assert sum(each.span.duration.days for each in laid) == len(wanted)


def test_final_neighbours_become_one() -> None:
    laid = laid_over([stretch(0, 10)], stretch(10, 20), REVISIT)

    assert [each.span for each in laid] == [span(0, 20)]


def test_a_neighbour_that_may_still_be_restated_stays_apart() -> None:
    fresh = stretch(10, 20, read=DAY + timedelta(days=21))

    assert len(laid_over([stretch(0, 10)], fresh, REVISIT)) == 2


def test_what_was_read_long_after_its_end_is_settled_whole() -> None:
    assert stretch(0, 10).settled(LATER, REVISIT) == span(0, 10)


def test_what_was_read_early_is_settled_but_for_the_last_days() -> None:
    read = stretch(0, 20, read=DAY + timedelta(days=20))

    assert read.settled(LATER, REVISIT) == span(0, 13)


def test_an_empty_answer_is_asked_again_after_two_then_four_days() -> None:
    once, twice = stretch(0, 10, State.EMPTY), stretch(0, 10, State.EMPTY, attempts=2)

    assert once.settled(LATER + timedelta(days=1), REVISIT) == span(0, 10)
    assert once.settled(LATER + timedelta(days=2), REVISIT) is None
    assert twice.settled(LATER + timedelta(days=3), REVISIT) == span(0, 10)
    assert twice.settled(LATER + timedelta(days=4), REVISIT) is None


def test_a_second_empty_answer_counts() -> None:
    laid = laid_over([stretch(0, 10, State.EMPTY)], stretch(0, 10, State.EMPTY), REVISIT)

    assert [each.attempts for each in laid] == [2]


def test_a_failure_is_asked_again_at_once_and_what_is_out_of_reach_is_not() -> None:
    assert stretch(0, 10, State.FAILED).settled(LATER, REVISIT) is None
    assert stretch(0, 10, State.UNREACHABLE).settled(LATER, REVISIT) == span(0, 10)
