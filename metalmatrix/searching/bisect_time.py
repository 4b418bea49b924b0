"""Bisecting time: on which day something that passed began to fail; pure, by asking about single days.

A history need not be monotonic: what broke may be mended and break again.  A bisection finds *one* day
on which a passing set turns into a failing one, and assumes nothing of the days that it did not ask
about; `searching.when` finds the others by holding back what broke, and asking again.

A day that cannot be judged (no set of wheels, say) is passed over, as ``git bisect skip`` does: then
the answer is a span of days, whose two ends are halved for as well.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DAY = dt.timedelta(days=1)
TRIES = 8
"""Days asked about, at most, in place of one that cannot be judged."""


@dataclass(frozen=True)
class Turn:
    """Where passing turns into failing.

    Attributes:
        before: The last day that is known to pass.
        since: The first day after it that is known to fail.
    """

    before: dt.date
    since: dt.date

    @property
    def is_exact(self) -> bool:
        """Whether no day lies between that could not be judged."""
        return self.since - self.before == DAY


def first_failure(
    passes: Callable[[dt.date], bool | None],
    good: dt.date,
    bad: dt.date,
    hints: Iterable[dt.date] = (),
) -> Turn:
    """A day on which passing turned into failing, between a day that passes and one that fails.

    Args:
        passes: What is to be said of a day; None where it cannot be judged.
        good: A day that passes.
        bad: A later day that fails.
        hints: Days on which something like it broke.  The eve of one is asked about first: where it
            passes and the day itself fails, two questions do for eleven.  They change no answer.
    """
    hints = set(hints)
    while bad - good > DAY:
        for day in _pivots(good, bad, hints):
            said = passes(day)
            if said is not None:
                good, bad = (day, bad) if said else (good, day)
                break
        else:
            narrower = _around(passes, Turn(good, bad))
            if (narrower.before, narrower.since) == (good, bad):
                break
            good, bad = narrower.before, narrower.since
    return Turn(good, bad)


def _around(passes: Callable[[dt.date], bool | None], wide: Turn) -> Turn:
    """The same turn about a middle that cannot be judged, its ends drawn towards it."""
    good, bad = wide.before, wide.since
    dark = good + (bad - good) // 2
    end = dark
    while end - good > DAY:
        day = good + (end - good) // 2
        if (said := passes(day)) is False:
            return Turn(good, day)
        good, end = (day, end) if said else (good, day)
    end = dark
    while bad - end > DAY:
        day = end + (bad - end) // 2
        if said := passes(day):
            return Turn(day, bad)
        bad, end = (day, end) if said is False else (bad, day)
    return Turn(good, bad)


def _pivots(good: dt.date, bad: dt.date, hints: set[dt.date]) -> Iterator[dt.date]:
    """The days between to ask about, best first: what a hint says, then the middle, then around it."""
    inside = sorted(day for day in hints if good < day <= bad)
    if inside:
        hint = inside[len(inside) // 2]
        eve = hint - DAY
        if eve > good:
            yield eve
        elif hint < bad:
            yield hint
    middle = good + (bad - good) // 2
    reach = max(1, (bad - good).days // (2 * TRIES))
    for step in range(TRIES):
        day = middle + dt.timedelta(days=((step + 1) // 2) * reach * (-1 if step % 2 else 1))
        if good < day < bad:
            yield day
