"""The day to compare with: the first one after a release whose set can be had, and imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.errors import RehearsalError
from metalmatrix.searching.bisect_time import DAY, first_failure
from metalmatrix.searching.probe import ELSEWHERE, RESOLVE

if TYPE_CHECKING:
    import datetime as dt

    from metalmatrix.searching.lab import Lab

MOST = 8
"""Packages that are taken as of a later day, at most."""

_SAMPLES = 8
"""Days looked at, at most, where neither the first nor the last one can be installed."""


def start(lab: Lab, released: dt.date, as_of: dt.date) -> tuple[dt.date | None, str]:
    """The day to compare with: the nearest to the release whose set can be had and imported.

    Returns:
        The day, None where no set can be had on any; and what is to be said of it, where it is not that
        of the release.

    Raises:
        RehearsalError: A Mac has a set, and what stands in for it cannot be had here.
    """
    first, note = _first_day(lab, released, as_of)
    if first is None:
        return None, note
    seen = lab.on(first).known
    if seen.failures and first > released and _wait_for(lab, released, first):
        # What broke before the last package had a wheel is no fault of that package.
        waited = ", ".join(lab.late)
        note += f"; for the days before it, {waited} is taken as of {first}, when it had one"
        first, seen = released, lab.on(released).known
    if "import" in seen.failures and (later := _nearest_that_imports(lab, first, as_of)):
        said = seen.failures["import"].message
        note = f"{note}; " if note else ""
        note += f"the set of {first} cannot be imported ({said}), that of {later} is the nearest that can"
        first = later
    return first, note


def _installs(lab: Lab, day: dt.date) -> bool:
    return lab.resolved(day).lock is not None


def _first_day(lab: Lab, released: dt.date, as_of: dt.date) -> tuple[dt.date | None, str]:
    """The first day on which a set of wheels can be had, and why that is not the day of the release."""
    if _installs(lab, released):
        return released, ""
    step = (as_of - released) / _SAMPLES
    days = [as_of, *(released + step * number for number in range(1, _SAMPLES))]
    possible = next((day for day in days if _installs(lab, day)), None)
    if possible is None:
        if untested := next(filter(None, (lab.resolved(day).untested for day in days)), ""):
            raise RehearsalError(untested, ELSEWHERE)
        return None, f"no set of wheels can be had, tried on {_SAMPLES + 1} days"
    # The other way round: what passes is not to be installable yet.
    turn = first_failure(lambda day: not _installs(lab, day), released, possible)
    why = lab.resolved(turn.before)
    if why.untested:
        return turn.since, f"before {turn.since} it cannot be rehearsed here ({why.untested})"
    blame = why.failures[RESOLVE].blame
    reason = f" (to blame: {blame})" if blame else ""
    return turn.since, f"before {turn.since} no set of wheels can be had{reason}"


def _wait_for(lab: Lab, released: dt.date, first: dt.date) -> bool:
    """Whether the day of the release can be had when some packages are taken as of the *first* day."""
    while not _installs(lab, released):
        failure = lab.resolved(released).failures.get(RESOLVE)
        if failure is None or not failure.blame or failure.blame in lab.late or len(lab.late) == MOST:
            lab.late.clear()
            return False
        lab.late[failure.blame] = first
    return True


def _nearest_that_imports(lab: Lab, first: dt.date, as_of: dt.date) -> dt.date | None:
    """The nearest later day whose set can be imported: by days farther and farther apart, then by halving."""

    def fails(day: dt.date) -> bool | None:
        passes = lab.on(day, check="import").passes("import")
        return None if passes is None else not passes

    before, day, distance = first, first, DAY
    while day < as_of:
        day = min(first + distance, as_of)
        if (said := fails(day)) is False:
            # The other way round: what passes is not to be importable yet.
            return first_failure(fails, before, day).since
        before = day if said else before
        distance *= 2
    return None
