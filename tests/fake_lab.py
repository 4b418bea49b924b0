"""A lab without effects: an index of a few packages by day, and a rule of what fails under which versions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from metalmatrix.errors import IndexUnreachableError, RehearsalError
from metalmatrix.searching.probe import RESOLVE, Failure, Seen
from tests.samples import lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metalmatrix.resolving.lock import Lock

    Rule = Callable[[Mapping[str, str]], Mapping[str, str]]

STAGES = {"import": "import", "tensorboard": "fit", "save": "fit"}


def day(text: str) -> dt.date:
    """A day, as tests write it."""
    return dt.date.fromisoformat(text)


@dataclass
class FakeLab:
    """The lab.

    As `searching.lab.Bench` does, it runs a check together with the import, and not behind one that fails.

    Attributes:
        index: Version and day of each upload, by package: ``{"numpy": {"1.26.4": "2024-02-05"}}``.
        rule: The messages of the checks that fail under these versions, in their order.
        asked: Every set that was rehearsed, once each, as ``numpy==1.26.4`` pins with the check.
        absent: Pins of which this machine has no wheel: a set with one cannot be tried here.
        full: Pins whose installation fails, as on a full disk.
        budget: After so many rehearsals the index is out of reach, as when a run is cut off.
    """

    index: Mapping[str, Mapping[str, str]]
    rule: Rule
    made: int = 0
    known: int = 0
    late: dict[str, dt.date] = field(default_factory=dict)
    seen: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    absent: Sequence[str] = ()
    full: Sequence[str] = ()
    budget: int | None = None

    def on(self, when: dt.date, bounds: Sequence[str] = (), check: str = "") -> Seen:
        """As `searching.lab.Lab.on`."""
        seen = self.resolved(when, bounds)
        return seen if seen.lock is None else self.under(seen.lock, check)

    def under(self, lock: Lock, check: str = "") -> Seen:
        """As `searching.lab.Lab.under`: a check behind a failing import is not run."""
        if pin := next((pin for pin in pins_of(lock) if pin in self.full), ""):
            raise RehearsalError(f"it could not be installed: no space left for {pin}")
        key = (lock.digest, check)
        if key not in self.seen:
            if self.budget is not None and self.made >= self.budget:
                raise IndexUnreachableError("the package index could not be asked")
            self.made += 1
            self.seen[key] = self.rule(lock.versions)
        found = self.seen[key]
        names = ["import"] if "import" in found else [c for c in found if check in {"", c}]
        return Seen(lock, {name: Failure(name, STAGES[name], found[name], "TypeError") for name in names})

    def uploads(self, package: str) -> dict[str, dt.date]:
        """As `published.update.fetch_uploads`."""
        return {v: day(self.index[package][v]) for v in sorted(self.index[package], key=Version)}

    def resolved(self, when: dt.date, bounds: Sequence[str] = ()) -> Seen:
        """As `searching.lab.Lab.resolved`."""
        pins = []
        for package in self.index:
            until = max(when, self.late.get(package, when))
            wanted = [r.specifier for r in map(Requirement, bounds) if r.name == package]
            versions = [
                version
                for version, uploaded in self.uploads(package).items()
                if uploaded <= until and all(one.contains(version) for one in wanted)
            ]
            if not versions:
                failure = Failure(RESOLVE, RESOLVE, f"{package} has no wheels", blame=package)
                return Seen(None, {RESOLVE: failure})
            pins.append(f"{package}=={versions[-1]}")
        if pin := next((pin for pin in pins if pin in self.absent), ""):
            return Seen(None, {}, f"the stand-in cannot be installed here: no wheel of {pin}")
        return Seen(lock(*pins), {})


def pins_of(some: Lock) -> list[str]:
    """The versions of a set, as a user pins them."""
    return [f"{name}=={version}" for name, version in some.versions.items()]
