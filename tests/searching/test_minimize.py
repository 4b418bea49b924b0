"""Which changes matter, and from which version on: right for every input, and in few questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from metalmatrix.searching.minimize import lowest_failing, minimal, widest_bound

if TYPE_CHECKING:
    from collections.abc import Sequence


@given(st.integers(1, 40), st.data())
def test_the_few_that_matter_are_found(count: int, data: st.DataObject) -> None:
    """Where a set holds as soon as it has the right few, those few come back, in their order."""
    items = list(range(count))
    needed = data.draw(st.sets(st.sampled_from(items), min_size=1, max_size=4))
    asked = 0

    def holds(some: Sequence[int]) -> bool:
        nonlocal asked
        asked += 1
        return needed <= set(some)

    assert minimal(items, holds) == sorted(needed)
    assert asked <= 2 * len(needed) * (count.bit_length() + 1)


def test_one_of_forty_is_found_in_a_dozen_questions() -> None:
    """That is what a search among all packages of a set costs."""
    for culprit in range(40):
        asked: list[int] = []

        def holds(some: Sequence[int], culprit: int = culprit, asked: list[int] = asked) -> bool:
            asked.append(1)
            return culprit in some

        assert minimal(range(40), holds) == [culprit]
        assert len(asked) <= 12


def test_either_of_two_gives_one() -> None:
    """Where one of two would do, one is found, and not both."""
    assert len(minimal("ab", lambda some: bool(some))) == 1  # noqa: PLW0108 - a str is no bool


@given(st.integers(2, 60), st.data())
def test_the_lowest_version_that_fails_is_found(count: int, data: st.DataObject) -> None:
    """The answer is that version and the one before it; the last is not asked about."""
    versions = [f"1.{minor}" for minor in range(1, count)]
    first = data.draw(st.integers(0, len(versions) - 1))
    asked: list[str] = []

    def fails(version: str) -> bool:
        asked.append(version)
        return versions.index(version) >= first

    last, failing = lowest_failing(versions, fails, "1.0")
    assert failing == versions[first]
    assert last == (versions[first - 1] if first else "1.0")
    assert versions[-1] not in asked
    assert len(asked) <= len(versions).bit_length()


def test_versions_that_cannot_be_tried_are_passed_over() -> None:
    """A release without a wheel says nothing; its neighbours do."""
    said = {"1": False, "2": None, "3": None, "4": None, "5": True, "6": True}
    assert lowest_failing(list(said), lambda version: said[version], "0") == ("1", "5")
    assert lowest_failing(["1", "2"], lambda _: None, "0") == ("0", "2")


@pytest.mark.parametrize(
    ("passes", "fails", "bound"),
    [
        ("1.26.4", "2.0.0", "p<2"),
        ("81.0.0", "82.0.0", "p<82"),
        ("2.6.0", "2.7.0", "p<2.7"),
        ("3.20.3", "4.21.1", "p<4"),
        ("1.0.0", "1.0.1", "p<1.0.1"),
        ("1.0", "1.0.post1", "p<1.0.post1"),
        ("4.21.1", "3.20.3", "p>=4"),
        ("3.20.3", "3.19.6", "p>=3.20"),
        ("1.0.1", "1.0.0", "p>=1.0.1"),
        ("1.0.post1", "1.0", "p>=1.0.post1"),
    ],
)
def test_a_bound_is_as_round_as_it_can_be(passes: str, fails: str, bound: str) -> None:
    """The shortest number that keeps the one in and the other out."""
    assert widest_bound("p", passes, fails) == bound


RELEASE = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(RELEASE, RELEASE)
def test_a_bound_admits_the_one_and_not_the_other(one: str, other: str) -> None:
    """Whatever the two releases are, and whichever of them is the older."""
    if Version(one) != Version(other):
        specifier = SpecifierSet(widest_bound("", one, other))
        assert specifier.contains(one)
        assert not specifier.contains(other)
