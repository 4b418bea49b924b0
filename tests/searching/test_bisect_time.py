"""Bisecting time: whatever the history, the answer is a day that passes and one that fails behind it."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.searching.bisect_time import DAY, Turn, first_failure

START = dt.date(2024, 1, 1)


def on(number: int) -> dt.date:
    """The day so many days after the first."""
    return START + number * DAY


class History:
    """A day's verdict by its number, and which days were asked about."""

    def __init__(self, said: list[bool | None]) -> None:
        self.said = said
        self.asked: list[int] = []

    def __call__(self, day: dt.date) -> bool | None:
        number = (day - START).days
        assert 0 < number < len(self.said) - 1, "the ends are known, and nothing lies beyond"
        self.asked.append(number)
        return self.said[number]

    @property
    def turn(self) -> Turn:
        return first_failure(self, on(0), on(len(self.said) - 1))


@pytest.mark.parametrize("broken", [1, 2, 3, 499, 500, 998, 999])
def test_the_one_day_is_found_in_few_questions(broken: int) -> None:
    """Of a thousand days, ten questions find the one on which it broke."""
    history = History([number < broken for number in range(1000)])
    assert history.turn == Turn(on(broken - 1), on(broken))
    assert len(history.asked) <= 10


def test_a_hint_that_is_right_costs_two_questions() -> None:
    """The eve of the hinted day and the day itself: nothing else is asked."""
    history = History([number < 700 for number in range(1000)])
    assert first_failure(history, on(0), on(999), [on(700)]) == Turn(on(699), on(700))
    assert sorted(history.asked) == [699, 700]


@given(st.integers(1, 199), st.lists(st.integers(-5, 205), max_size=6))
def test_hints_change_no_answer(broken: int, hints: list[int]) -> None:
    """Right, wrong, or out of range: the answer to a history with one turn is that turn."""
    history = History([number < broken for number in range(200)])
    found = first_failure(history, on(0), on(199), [on(hint) for hint in hints])
    assert found == Turn(on(broken - 1), on(broken))


@given(st.lists(st.booleans(), max_size=120), st.lists(st.integers(0, 120), max_size=3))
def test_any_history_gives_a_day_that_passes_before_one_that_fails(
    said: list[bool], hints: list[int]
) -> None:
    """Broken, mended and broken again: what is found is a real turn, and one day wide."""
    history = History([True, *said, False])
    turn = first_failure(history, on(0), on(len(said) + 1), [on(hint) for hint in hints])
    assert history.said[(turn.before - START).days] is True
    assert history.said[(turn.since - START).days] is False
    assert turn.is_exact


@given(st.lists(st.sampled_from([True, False, None]), max_size=120))
def test_days_that_cannot_be_judged_make_a_span(said: list[bool | None]) -> None:
    """Both ends of the span were judged; no question is asked of a day for ever."""
    history = History([True, *said, False])
    turn = history.turn
    assert history.said[(turn.before - START).days] is True
    assert history.said[(turn.since - START).days] is False
    assert len(history.asked) < 200


def test_a_week_without_a_verdict_is_told_as_a_span() -> None:
    """Between the last day that passed and the first that failed, nothing could be judged."""
    turn = History([True] * 10 + [None] * 7 + [False] * 10).turn
    assert turn == Turn(on(9), on(17))
    assert not turn.is_exact


def test_the_ends_of_a_long_time_without_a_verdict_are_found() -> None:
    """Of three years, two could not be judged: both ends to the day, in a few dozen questions."""
    history = History([True] * 200 + [None] * 700 + [False] * 200)
    assert history.turn == Turn(on(199), on(900))
    assert len(history.asked) < 60


def test_two_days_that_follow_each_other_are_the_answer() -> None:
    """There is nothing to ask."""
    history = History([True, False])
    assert history.turn == Turn(on(0), on(1))
    assert history.asked == []
