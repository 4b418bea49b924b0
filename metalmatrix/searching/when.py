"""When a plain install of a cell broke, and which upload did it: `nox -s when`.

Breaks hide behind each other: where TensorFlow cannot be imported, nobody sees that TensorBoard could not be
either.  So they are peeled off: the first day on which something fails is found by bisection, the
package to blame is found among those that moved that day, it is held below the version that did it, and
the rest of the time is searched under that bound.  Last, each bound is left out once, as of the last
day: what passes then has been mended by a later upload.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from metalmatrix.searching.bisect_time import DAY, Turn, first_failure
from metalmatrix.searching.breaks import Break, Held, Past
from metalmatrix.searching.lab import differing, with_versions
from metalmatrix.searching.minimize import minimal, widest_bound
from metalmatrix.searching.probe import RESOLVE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.searching.lab import Lab
    from metalmatrix.searching.probe import Failure, Seen

MOST = 8
"""Breaks of one cell that are looked for, at most."""

_SAMPLES = 8
"""Days looked at, at most, where neither the first nor the last one can be installed."""


def _no_uploads(_: str) -> Mapping[str, dt.date]:
    return {}


@dataclass(frozen=True)
class Known:
    """What a search need not find out by itself; none of it changes since when, or by what.

    Attributes:
        days: Days on which others like it broke: they are asked about first.
        bounds: Bounds that are in use: one of them is named where it keeps out the same upload.
        uploads: Gives the days of a package's final releases, for the age of what a bound holds back.
    """

    days: tuple[dt.date, ...] = ()
    bounds: tuple[str, ...] = ()
    uploads: Callable[[str], Mapping[str, dt.date]] = _no_uploads


def past_of(
    cell: Cell,
    lab: Lab,
    released: dt.date,
    as_of: dt.date,
    *,
    known: Known,
    tell: Callable[[str], None] = lambda _: None,
) -> Past:
    """What became of a plain install of *cell* between two days.

    Args:
        cell: The cell.
        lab: Answers what an install of it gave on a day.
        released: The day of its release.
        as_of: The last day.
        known: What is known from elsewhere.
        tell: Gets the progress.

    Raises:
        IndexUnreachableError: The index could not be asked; what is known by then is kept.
    """
    tell(f"{cell.id}: the set of its first day")
    first, note = start(lab, released, as_of)
    if first is None:
        seen = lab.on(as_of)
        return Past(cell, released, None, note or seen.untested, as_of, left=tuple(seen.failures.values()))
    seen = lab.on(first)
    always = tuple(seen.failures.values())
    search = _Search(lab, as_of, {failure.check for failure in always}, known, tell)
    breaks, left = search.breaks(first, cell.id)
    checked = _checked(lab, as_of, breaks, {failure.check for failure in always})
    plain, mended = lab.on(as_of), lab.on(as_of, [one.bound for one in breaks if one.bound])
    aged = tuple(replace(one, held=held(one, plain, mended, known.uploads)) for one in checked)
    return Past(cell, released, first, note, as_of, always, aged, left, lab.made, lab.known)


def start(lab: Lab, released: dt.date, as_of: dt.date) -> tuple[dt.date | None, str]:
    """The day to compare with: the nearest to the release whose set can be had and imported.

    Returns:
        The day, None where no set can be had on any; and what is to be said of it, where it is not that
        of the release.
    """
    first, note = _first_day(lab, released, as_of)
    if first is None:
        return None, note
    seen = lab.on(first)
    if seen.failures and first > released and _wait_for(lab, released, first):
        # What broke before the last package had a wheel is no fault of that package.
        waited = ", ".join(lab.late)
        note += f"; for the days before it, {waited} is taken as of {first}, when it had one"
        first, seen = released, lab.on(released)
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
        return None, f"no set of wheels can be had, tried on {_SAMPLES + 1} days"
    # The other way round: what passes is not to be installable yet.
    turn = first_failure(lambda day: not _installs(lab, day), released, possible)
    why = lab.on(turn.before)
    failure = why.failures.get(RESOLVE)
    reason = f"to blame: {failure.blame}" if failure and failure.blame else why.untested
    return turn.since, f"before {turn.since} no set of wheels can be had" + (f" ({reason})" if reason else "")


def _wait_for(lab: Lab, released: dt.date, first: dt.date) -> bool:
    """Whether the day of the release can be had when some packages are taken as of the *first* day."""
    while not _installs(lab, released):
        failure = lab.on(released).failures.get(RESOLVE)
        if failure is None or not failure.blame or failure.blame in lab.late or len(lab.late) == MOST:
            lab.late.clear()
            return False
        lab.late[failure.blame] = first
    return True


def _nearest_that_imports(lab: Lab, first: dt.date, as_of: dt.date) -> dt.date | None:
    """A later day whose set can be imported; the days asked about lie farther and farther apart."""
    distance = DAY
    while first + distance < as_of:
        if lab.on(first + distance, check="import").passes("import"):
            return first + distance
        distance *= 2
    return None


@dataclass(frozen=True)
class _Search:
    lab: Lab
    as_of: dt.date
    always: set[str]
    known: Known
    tell: Callable[[str], None]

    def breaks(self, first: dt.date, name: str) -> tuple[list[Break], tuple[Failure, ...]]:
        """The breaks since *first*, and what fails all the same under all their bounds."""
        found: list[Break] = []
        good = first
        while True:
            bounds = [one.bound for one in found if one.bound]
            held = f" under {', '.join(bounds)}" if bounds else ""
            self.tell(f"{name}: the set of {self.as_of}{held}")
            failures = self._new(self.lab.on(self.as_of, bounds))
            if not failures or len(found) == MOST:
                return found, tuple(failures)
            failure = failures[0]
            self.tell(f"{name}: {failure.check} fails; since when?")
            turn = self._turn(failure.check, bounds, good)
            one = self._blame(turn, failure, bounds)
            self.tell(f"{name}: {failure.check} fails since {one.since}: {one.package} {one.version}")
            found.append(one)
            if not one.bound or one.bound in bounds:
                return found, tuple(failures)
            good = turn.before

    def _new(self, seen: Seen) -> list[Failure]:
        return [failure for check, failure in seen.failures.items() if check not in self.always]

    def _turn(self, check: str, bounds: Sequence[str], good: dt.date) -> Turn:
        def passes(day: dt.date) -> bool | None:
            if check == RESOLVE:
                return self.lab.resolved(day, bounds).lock is not None
            return self.lab.on(day, bounds, check).passes(check)

        return first_failure(passes, good, self.as_of, self.known.days)

    def _blame(self, turn: Turn, failure: Failure, bounds: Sequence[str]) -> Break:
        check = failure.check
        old = self.lab.on(turn.before, bounds, check).lock
        seen = self.lab.on(turn.since, bounds, check)
        failure = seen.failures.get(check, failure)
        if old is None or seen.lock is None:
            return Break(turn.since, turn.before, failure.blame, "", "", failure)
        names = differing(old, seen.lock)
        if len(names) > 1:
            self.tell(f"{len(names)} packages moved on {turn.since}: which of them is it?")
            names = self._culprits(old, seen.lock, names, check)
        package, *beside = names
        version, was = seen.lock.versions.get(package, ""), old.versions.get(package, "")
        let_in = self._let_in(turn, bounds, old, seen.lock, package)
        bound = bound_between(package, was, version, self.known.bounds) if version and was else ""
        return Break(turn.since, turn.before, package, version, was, failure, bound, tuple(beside), let_in)

    def _let_in(self, turn: Turn, bounds: Sequence[str], old: Lock, new: Lock, package: str) -> str:
        """What was uploaded that day, where it only let in what had been uploaded before; else empty.

        TensorBoard 2.12.0 was the first that did not keep protobuf 4 out (2023-02-09).
        """
        version, was = new.versions.get(package, ""), old.versions.get(package, "")
        if self.known.uploads(package).get(version, turn.since) >= turn.since:
            return ""
        for name in differing(old, new):
            other = new.versions.get(name, "")
            if name != package and self.known.uploads(name).get(other) == turn.since:
                lock = self.lab.resolved(turn.since, [*bounds, f"{name}<{other}"]).lock
                if lock and lock.versions.get(package, "") == was:
                    return f"{name} {other}"
        return ""

    def _culprits(self, old: Lock, new: Lock, names: list[str], check: str) -> list[str]:
        def fails(some: Sequence[str]) -> bool:
            return self.lab.under(with_versions(old, new, some), check).passes(check) is False

        return minimal(names, fails)


def bound_between(package: str, was: str, version: str, known: Iterable[str]) -> str:
    """The bound that admits one version and not the other: one that is in use, or the widest."""
    for bound in known:
        requirement = Requirement(bound)
        specifier = requirement.specifier
        if requirement.name == package and specifier.contains(was) and not specifier.contains(version):
            return bound
    return widest_bound(package, was, version)


def _checked(lab: Lab, as_of: dt.date, breaks: list[Break], always: set[str]) -> list[Break]:
    """The breaks in the order of time, each that was mended by a later upload marked."""
    checked = []
    for one in breaks:
        others = [other.bound for other in breaks if other is not one and other.bound]
        mended = bool(one.bound and others) and not set(lab.on(as_of, others).failures) - always
        checked.append(replace(one, mended=mended))
    return sorted(checked, key=lambda one: (one.since, one.package))


def held(
    one: Break, plain: Seen, mended: Seen, uploads: Callable[[str], Mapping[str, dt.date]]
) -> Held | None:
    """What a break's bound holds its package at, and what a plain set has."""
    if not one.bound or plain.lock is None or mended.lock is None:
        return None
    versions = [seen.versions.get(one.package, "") for seen in (mended.lock, plain.lock)]
    days = uploads(one.package)
    if not all(version in days for version in versions):
        return None
    old, new = versions
    return Held(old, days[old], new, days[new])
