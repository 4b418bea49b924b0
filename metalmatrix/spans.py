"""Runs of whole numbers, in few characters: for Pythons in a field, and for symbols in a line of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 100_000
"""No number in a text is larger: a run that claims to be is no run of ours."""


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours, ascending."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def dump_runs(numbers: Iterable[int]) -> str:
    """Numbers as ``0-3 7``."""
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs(numbers))


def parse_runs(text: str) -> list[int]:
    """The numbers that `dump_runs` wrote.

    Raises:
        ValueError: The text is another, or has a number over `MOST`.
    """
    found: list[int] = []
    for run in text.split():
        first, dash, last = run.partition("-")
        if (
            not first.isdecimal()
            or (dash and not last.isdecimal())
            or len(run) > 13
            or int(last or first) > MOST
        ):
            raise ValueError(f"{run[:20]!r} is no run of numbers")
        found += range(int(first), int(last or first) + 1)
    return found
