"""When a plain install of a cell broke, and which upload did it: `nox -s when`.

Breaks hide behind each other: where TensorFlow cannot be imported, nobody sees that TensorBoard could not be
either.  So they are peeled off: the first day on which something fails is found by bisection, the
package to blame is found among those that moved that day, it is held below the version that did it, and
the rest of the time is searched under that bound.  Last, each bound is left out once, as of the last
day: what passes then has been mended by a later upload, or another bound keeps it out as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from metalmatrix.searching.bisect_time import Turn, first_failure
from metalmatrix.searching.breaks import Break, Held, Past
from metalmatrix.searching.first_day import start
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
        RehearsalError: A set that the answer depends on could not be tried: there is none.
    """
    tell(f"{cell.id}: the set of its first day")
    first, note = start(lab, released, as_of)
    if first is None:
        return Past(cell, released, None, note, as_of, left=tuple(lab.resolved(as_of).failures.values()))
    always = lab.on(first).known.failures
    search = Search(lab, as_of, frozenset(always), known, tell)
    breaks, left = search.breaks(first, cell.id)
    judged = search.judged(breaks)
    return Past(cell, released, first, note, as_of, tuple(always.values()), judged, left, lab.made, lab.known)


@dataclass(frozen=True)
class Search:
    """A search for what broke until a day.

    Attributes:
        lab: Answers what an install gave on a day.
        as_of: The last day.
        always: The checks that failed from the start.
        known: What is known from elsewhere.
        tell: Gets the progress.
    """

    lab: Lab
    as_of: dt.date
    always: frozenset[str]
    known: Known
    tell: Callable[[str], None]

    def breaks(
        self, first: dt.date, name: str, held: Sequence[str] = ()
    ) -> tuple[list[Break], tuple[Failure, ...]]:
        """The breaks since *first* under the bounds *held*, and what fails all the same under all bounds.

        Raises:
            RehearsalError: What the last day's set does under them is not known.
        """
        found: list[Break] = []
        while True:
            bounds = [*held, *(one.bound for one in found)]
            under = f" under {', '.join(bounds)}" if bounds else ""
            self.tell(f"{name}: the set of {self.as_of}{under}")
            failures = self.lab.on(self.as_of, bounds).new(self.always)
            if not failures or len(found) == MOST:
                return found, tuple(failures)
            failure = failures[0]
            self.tell(f"{name}: {failure.check} fails; since when?")
            # What broke earlier may have hidden behind what was found: the search begins anew if need be.
            turn = self._turn(failure.check, bounds, [found[-1].before, first] if found else [first])
            if turn is None:
                return found, tuple(failures)
            one = self._blame(turn, failure, bounds)
            self.tell(f"{name}: {failure.check} fails since {one.since}: {one.package} {one.version}")
            found.append(one)
            if not one.bound or one.bound in bounds:
                return found, tuple(failures)

    def _turn(self, check: str, bounds: Sequence[str], starts: Sequence[dt.date]) -> Turn | None:
        """Where *check* began to fail, searched from the first of *starts* on which it passes."""

        def passes(day: dt.date) -> bool | None:
            if check == RESOLVE:
                seen = self.lab.resolved(day, bounds)
                return None if seen.untested else seen.lock is not None
            return self.lab.on(day, bounds, check).passes(check)

        for good in starts:
            turn = first_failure(passes, good, self.as_of, self.known.days)
            # The start is asked about last: where another day is found to pass, it need not be.
            if turn.before != good or passes(good):
                return turn
        return None

    def _blame(self, turn: Turn, failure: Failure, bounds: Sequence[str]) -> Break:
        check = failure.check
        old = self.lab.resolved(turn.before, bounds).lock
        seen = self.lab.on(turn.since, bounds, check)
        failure = seen.failures.get(check, failure)
        names = differing(old, seen.lock) if old and seen.lock else []
        if old is None or seen.lock is None or not names:
            return Break(turn.since, turn.before, failure.blame, "", "", failure)
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

    def judged(self, breaks: Sequence[Break], held: Sequence[str] = ()) -> tuple[Break, ...]:
        """The breaks in the order of time, each with what its bound holds back, or why none is needed.

        Args:
            breaks: In the order in which `breaks` found them.
            held: The bounds that they were searched under.
        """
        # One after the other is left out for good: of two that stand for each other, one stays.
        needed = [one.bound for one in breaks if one.bound]
        for bound in list(needed):
            others = [other for other in needed if other != bound]
            if others and self._pass(self.lab.on(self.as_of, [*held, *others])):
                needed = others
        plain = self.lab.resolved(self.as_of, held)
        mended = self.lab.resolved(self.as_of, [*held, *needed])
        found = []
        for number, one in enumerate(breaks):
            if one.bound and one.bound not in needed:
                before = [*held, *(earlier.bound for earlier in breaks[:number])]
                one = self._not_needed(one, before, [b for b in needed if b not in before])  # noqa: PLW2901
            found.append(replace(one, held=held_back(one, plain, mended, self.known.uploads)))
        return tuple(sorted(found, key=lambda one: (one.since, one.package)))

    def _pass(self, seen: Seen) -> bool:
        """Whether it is known that nothing fails."""
        return not seen.untested and not seen.new(self.always)

    def _not_needed(self, one: Break, before: Sequence[str], later: Sequence[str]) -> Break:
        """The break with what makes its bound needless: an upload, or the bounds that were found *later*.

        What fails on its own day under all of them is not kept out by them: what mended it came afterwards.
        """

        def passes(some: Sequence[str]) -> bool | None:
            return self.lab.on(one.since, [*before, *some], one.failure.check).passes(one.failure.check)

        said = passes(later) if later else False
        if said is False:
            return replace(one, mended=True)
        covered = minimal(later, lambda some: passes(some) is True) if said else later
        return replace(one, covered=tuple(covered))


def bound_between(package: str, was: str, version: str, known: Iterable[str]) -> str:
    """The bound that admits *was* and not *version*: one that is in use, or the widest."""
    for bound in known:
        requirement = Requirement(bound)
        specifier = requirement.specifier
        if requirement.name == package and specifier.contains(was) and not specifier.contains(version):
            return bound
    return widest_bound(package, was, version)


def held_back(
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
    if Version(old) > Version(new):
        return None  # the bound holds it up, and not back
    return Held(old, days[old], new, days[new])
