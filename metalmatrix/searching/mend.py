"""What mends a plain install of a cell: the fewest bounds, each as wide as can be: `nox -s repair`.

Bounds that mend its neighbours are tried first.  Where they do not do, the set of the cell's first day
is held against that of the last day: the fewest packages that have to go back are found by halving, then, for
each, the lowest version that fails.  Either way the bounds are shown to be needed, to suffice and to be wide:
without one it fails, under all it passes, and the first release outside of one fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from metalmatrix.running.checklist import check_catalog
from metalmatrix.searching.first_day import start
from metalmatrix.searching.lab import differing, with_versions
from metalmatrix.searching.minimize import TRIES, lowest_failing, minimal, widest_bound
from metalmatrix.searching.probe import RESOLVE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.searching.lab import Lab
    from metalmatrix.searching.probe import Failure, Seen
    from metalmatrix.searching.when import Known

    Uploads = Callable[[str], Mapping[str, dt.date]]


_NEIGHBOURS = "the bounds of its neighbours do"


@dataclass(frozen=True)
class Mend:
    """One bound.

    Attributes:
        bound: The bound, ``numpy<2``.
        passes: The last release that it admits, or the last that is known to pass.
        fails: The first release that it does not admit, and that fails; empty where none could be tried.
        since: The day of that release; None where it is not known.
        failure: What fails without the bound.
    """

    bound: str
    passes: str
    fails: str
    since: dt.date | None
    failure: Failure

    @property
    def package(self) -> str:
        """The package that is held back."""
        return canonicalize_name(Requirement(self.bound).name)

    @property
    def upload(self) -> str:
        """The upload that broke it: ``numpy 2.0.0``."""
        return f"{self.package} {self.fails}".rstrip()


@dataclass(frozen=True)
class Mended:
    """The answer for one cell.

    Attributes:
        as_of: The day of the set.
        mends: The bounds, the failures that are met first being mended first.
        left: What fails all the same.
        suffices: Whether nothing of that began to fail after the release.
        note: How they were found, or why there are none.
        made: How many rehearsals it took.
        known: How many sets were known from earlier searches.
    """

    cell: Cell
    as_of: dt.date
    mends: tuple[Mend, ...]
    left: tuple[Failure, ...]
    suffices: bool
    note: str
    made: int = 0
    known: int = 0


def mend(
    cell: Cell,
    lab: Lab,
    as_of: dt.date,
    released: dt.date,
    *,
    known: Known,
    tell: Callable[[str], None] = lambda _: None,
) -> Mended:
    """The fewest and widest bounds under which the set of *as_of* passes.

    Args:
        cell: The cell.
        lab: Answers what an install of it gave on a day.
        as_of: The day.
        released: The day of its release; needed only where the bounds of its neighbours do not do.
        known: What is known from elsewhere; its bounds, one a package, are tried first.
        tell: Gets the progress.

    Raises:
        IndexUnreachableError: The index could not be asked; what is known by then is kept.
        RehearsalError: A set that the answer depends on could not be tried: there is none.
    """
    search = _Search(lab, released, as_of, known.uploads, tell)
    tell(f"{cell.id}: the set of {as_of}")
    plain = lab.on(as_of).known
    bounds: list[str] = []
    note = "a plain install passes"
    if plain.lock is None:
        note = "no set of wheels can be had: no bound helps where nothing can be chosen"
    elif plain.failures:
        bounds, note = search.bounds(plain, known.bounds)
    tell(f"{cell.id}: is each bound as wide as can be? {', '.join(bounds) or 'there is none'}")
    mends = search.widest(bounds)
    whole = lab.on(as_of, [one.bound for one in mends])
    suffices, left = not whole.new(search.always), tuple(whole.failures.values())
    return Mended(cell, as_of, tuple(mends), left, suffices, note, lab.made, lab.known)


@dataclass
class _Search:
    lab: Lab
    released: dt.date
    as_of: dt.date
    uploads: Uploads
    tell: Callable[[str], None]
    always: frozenset[str] = frozenset()

    def bounds(self, plain: Seen, tried_first: Sequence[str]) -> tuple[list[str], str]:
        """The fewest bounds, and how they were found."""
        assert plain.lock is not None  # noqa: S101 - the caller looked
        versions = plain.lock.versions
        known = [bound for bound in tried_first if _violated(bound, versions)]
        if tried := self._neighbours(known):
            return self._fewest(tried), _NEIGHBOURS
        day, _ = start(self.lab, self.released, self.as_of)
        good = self.lab.on(day) if day else None
        if day is None or good is None or good.lock is None:
            return [], "no earlier set can be had to compare with"
        self.always = frozenset(good.failures)
        if not set(plain.failures) - self.always:
            return [], f"what fails today failed on {day} too: no bound on what came since helps"
        if self.always and (tried := self._neighbours(known)):
            return self._fewest(tried), _NEIGHBOURS
        return self._searched(good.lock, plain.lock, day), f"compared with the set of {day}"

    def _passes(self, bounds: Sequence[str]) -> bool:
        """Whether it is known to pass; a set that cannot be tried helps nobody."""
        seen = self.lab.on(self.as_of, bounds)
        return not seen.untested and not seen.new(self.always)

    def _neighbours(self, known: Sequence[str]) -> Sequence[str]:
        """As many of the bounds as it takes, the nearest first; none where all do not do.

        Not all at once: what a far neighbour needs may leave no set of wheels for this Python.
        """
        for count in range(1, len(known) + 1):
            if self._passes(known[:count]):
                return known[:count]
        return ()

    def _fewest(self, bounds: Sequence[str]) -> list[str]:
        return minimal(bounds, self._passes)

    def _searched(self, good: Lock, bad: Lock, day: dt.date) -> list[str]:
        names = differing(good, bad)
        self.tell(f"{len(names)} packages moved since {day}: which of them have to go back?")

        def passes(some: Sequence[str]) -> bool:
            return not self.lab.under(with_versions(bad, good, some)).new(self.always)

        blamed = minimal(names, passes)
        both = [name for name in blamed if name in good.versions and name in bad.versions]
        pins = {name: f"{name}=={good.versions[name]}" for name in both}
        for name in both:
            others = [pin for package, pin in pins.items() if package != name]
            pins[name] = self._bound(name, good.versions[name], bad.versions[name], others)
        bounds = list(pins.values())
        return self._fewest(bounds) if self._passes(bounds) else bounds

    def _bound(self, name: str, good: str, bad: str, others: Sequence[str]) -> str:
        """The widest bound on a package, between a version that passes and one that fails, up or down."""
        low, high = sorted((good, bad), key=Version)
        span = [version for version in self.uploads(name) if Version(low) < Version(version) < Version(high)]
        if high == good:
            span.reverse()
        self.tell(f"{name}: the first of {len(span) + 1} releases that fails")
        last, failing = lowest_failing([*span, bad], lambda one: self._fails(name, one, others), good)
        return widest_bound(name, last, failing)

    def _fails(self, name: str, version: str, others: Sequence[str]) -> bool | None:
        """Whether a release fails, all else being held; None where nothing can be installed with it."""
        seen = self.lab.on(self.as_of, [*others, f"{name}=={version}"])
        return None if seen.lock is None else bool(seen.new(self.always))

    def widest(self, bounds: list[str]) -> list[Mend]:
        """Each bound that is needed, with the releases on both sides of it, made as wide as can be."""
        found = []
        for bound in bounds:
            others = [other for other in bounds if other != bound]
            if one := self._widest(bound, others):
                found.append(one)
        order = [RESOLVE, *(info.id for info in check_catalog())]
        return sorted(found, key=lambda one: order.index(one.failure.check))

    def _widest(self, bound: str, others: Sequence[str]) -> Mend | None:
        without = self.lab.on(self.as_of, others)
        failure = next(iter(without.new(self.always)), None)
        if failure is None:
            return None
        name = canonicalize_name(Requirement(bound).name)
        days = {version: day for version, day in self.uploads(name).items() if day <= self.as_of}
        inside, outside = both_sides(bound, list(days))
        if not (inside and outside):
            return Mend(bound, "", "", None, failure)
        for version in outside[:TRIES]:
            fails = self._fails(name, version, others)
            if fails:
                return Mend(bound, inside[0], version, days[version], failure)
            if fails is False:
                self.tell(f"{bound} is too narrow: {version} passes")
                beyond = outside[outside.index(version) + 1 :]
                met = without.lock.versions.get(name, "") if without.lock else ""
                if met not in beyond:
                    break
                span = beyond[: beyond.index(met) + 1]
                last, failing = lowest_failing(span, lambda one: self._fails(name, one, others), version)
                return Mend(widest_bound(name, last, failing), last, failing, days[failing], failure)
        return Mend(bound, inside[0], "", None, failure)


def both_sides(bound: str, versions: Sequence[str]) -> tuple[list[str], list[str]]:
    """The *versions*, ascending, that a bound admits and those that it does not, from its edge outwards."""
    specifier = Requirement(bound).specifier
    inside = [version for version in versions if specifier.contains(version)]
    outside = [version for version in versions if version not in inside]
    if inside and outside and Version(outside[-1]) < Version(inside[0]):
        return inside, outside[::-1]
    return inside[::-1], outside


@dataclass(frozen=True)
class Proof:
    """What is shown anew of one bound; None where it could not be tried.

    Attributes:
        needed: Whether the check fails without it.
        suffices: Whether it passes under all bounds.
        wide: Whether the first release outside of it fails.
        outside: That release; empty where there is none.
        message: What is seen without it.
    """

    needed: bool | None
    suffices: bool | None
    wide: bool | None
    outside: str
    message: str

    @property
    def holds(self) -> bool | None:
        """Whether it is needed and suffices, and nothing speaks against it; None where that is open."""
        if False in {self.needed, self.suffices, self.wide}:
            return False
        return None if None in {self.needed, self.suffices} else True


def prove(
    lab: Lab, as_of: dt.date, bound: str, others: Sequence[str], check: str, *, uploads: Uploads
) -> Proof:
    """Show anew that a bound is needed, suffices together with the *others*, and is as wide as can be.

    Args:
        lab: Answers for the cell that proves it.
        as_of: The day.
        bound: The bound.
        others: The other bounds of that cell.
        check: What fails without it.
        uploads: Gives the days of a package's final releases, ascending.

    Raises:
        IndexUnreachableError: The index could not be asked.
        RehearsalError: A set could not be installed.
    """

    def passes(bounds: Sequence[str]) -> bool | None:
        return lab.on(as_of, bounds, check).passes(check)

    without, under = passes(others), lab.on(as_of, [*others, bound], check)
    name = canonicalize_name(Requirement(bound).name)
    _, outside = both_sides(bound, [version for version, day in uploads(name).items() if day <= as_of])
    wide, tried = None, ""
    for tried in outside[:TRIES]:
        said = passes([*others, f"{name}=={tried}"])
        if said is not None:
            wide = not said
            break
    failure = lab.on(as_of, others, check).failures.get(check)
    return Proof(
        None if without is None else not without,
        # Bounds under which no set can be had mend nothing.
        False if RESOLVE in under.failures else under.passes(check),
        wide,
        tried,
        failure.message if failure else "",
    )


def _violated(bound: str, versions: Mapping[str, str]) -> bool:
    requirement = Requirement(bound)
    version = versions.get(canonicalize_name(requirement.name))
    return version is not None and not requirement.specifier.contains(version, prereleases=True)
