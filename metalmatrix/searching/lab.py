"""The lab: answers what a plain install of a cell did on a day, by resolving and rehearsing; the effects.

What is asked about is the set that a Mac would have got; what is installed is its stand-in here
(`resolving.standin`), as in any rehearsal.  One environment serves a whole search and is changed in
place, so that a probe costs moving a few packages and running the checks that are asked for.  The checks
of a GPU have no part in it: no upload to the index changes what they say here.  Nor has a plugin that the
user's shell or home names: what is seen is kept, and holds for the set alone.

What could not be tried is neither passed nor failed.  A set that has no stand-in here may be one of many
(`Seen.untested`), and a search goes around it where it can; a set that has one and cannot be installed
tells of this machine, and ends the search.
"""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.errors import IndexUnreachableError, RehearsalError, ToolMissingError, UsageError
from metalmatrix.published import compiled, releases
from metalmatrix.resolving.lock import Lock
from metalmatrix.resolving.question import Question
from metalmatrix.resolving.resolve import Resolver, held_framework
from metalmatrix.resolving.standin import moved, stand_in_question
from metalmatrix.running.checklist import check_catalog
from metalmatrix.running.environment import Environment, InstallError, environment
from metalmatrix.running.interpreters import find_python, how_to_install
from metalmatrix.running.record import refuse_simulated
from metalmatrix.running.supervise import run_checks
from metalmatrix.searching import probe
from metalmatrix.searching.probe import RESOLVE, Failure, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.question import Answer
    from metalmatrix.running.host import Host
    from metalmatrix.running.limits import Limits

AGAIN = "the same command goes on where it stopped, once the package index can be reached"
_OF_A_MAC = ("packages", "device", "placement", "speed", "memory-limit", "memory-growth")
"""What a stand-in without a plugin and a GPU says of these is not about a Mac's set."""


def checks_asked() -> tuple[str, ...]:
    """The checks whose outcome an upload can change on any machine, in the order in which they run."""
    return tuple(info.id for info in check_catalog() if info.id not in _OF_A_MAC)


class Lab(Protocol):
    """What a search asks; `Bench` is the real one.

    Attributes:
        made: How many rehearsals it took so far.
        known: How many answers were known from earlier searches.
        late: Packages that had no wheel at first, and the day from whose uploads they are taken before it.
    """

    made: int
    known: int
    late: dict[str, dt.date]

    def resolved(self, day: dt.date, bounds: Sequence[str] = ()) -> Seen:
        """The set that can be had on *day*, on a Mac and here; nothing is installed."""

    def on(self, day: dt.date, bounds: Sequence[str] = (), check: str = "") -> Seen:
        """What an install as of *day* under *bounds* gives: all checks, or the import and just one.

        Raises:
            RehearsalError: The set could not be installed.
        """

    def under(self, lock: Lock, check: str = "") -> Seen:
        """What just this set gives here.

        Raises:
            RehearsalError: It could not be installed.
        """


@dataclass
class Bench:
    """The real lab, for one cell; use it as a context, which ends its environment.

    Args:
        cell: What is asked about.
        host: The machine this runs on.
        stand_in: What stands in for the framework here; not needed on a Mac.
        limits: What one check may take.
        resolver: Answers about versions.

    Raises:
        UsageError: There is no stand-in for this machine.
        RehearsalError: There is no stand-in of the cell's framework.
        ToolMissingError: The cell's Python is not here.
    """

    cell: Cell
    host: Host
    stand_in: str
    limits: Limits
    resolver: Resolver
    made: int = 0
    known: int = 0
    late: dict[str, dt.date] = field(default_factory=dict)
    _seen: dict[str, dict[str, probe.Result]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _place: Environment | None = None

    def __post_init__(self) -> None:
        python = find_python(self.cell.python)
        if python is None:
            raise ToolMissingError(
                f"no Python {self.cell.python} on this machine", how_to_install(self.cell.python)
            )
        self._python = python
        self._from = ""
        if self.host.is_apple_silicon:
            return
        if not self.stand_in:
            raise UsageError(
                f"no stand-in is declared for {self.host.platform_key}",
                "add one under [rehearse.stand-in] in matrix.toml",
            )
        build = releases.published(self.stand_in).get(self.cell.framework)
        if build is None:
            what = f"no release {self.cell.framework} of {self.stand_in} is known"
            raise RehearsalError(what, probe.ELSEWHERE)
        self._from = build.uploaded

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def resolved(self, day: dt.date, bounds: Sequence[str] = ()) -> Seen:
        """As `Lab.resolved`; the failures are the resolver's."""
        bounds = tuple(sorted(bounds))
        late = tuple(f"{package}={first}" for package, first in sorted(self.late.items()) if first > day)
        requirements: tuple[str, ...] = (f"{self.cell.distribution}=={self.cell.framework}",)
        if self.cell.plugin != NO_PLUGIN:
            requirements += compiled.requirements(self.cell)
        for_mac = self._ask(Question(self.cell.python, requirements, bounds, day, late=late))
        if for_mac.lock is None:
            return Seen(None, {RESOLVE: Failure(RESOLVE, RESOLVE, for_mac.message, blame=for_mac.blame)})
        if held_framework(for_mac.lock) is None:
            empty = (
                f"{self.cell.distribution} {self.cell.framework} is an empty wheel: no TensorFlow is in it"
            )
            return Seen(None, {RESOLVE: Failure(RESOLVE, RESOLVE, empty, blame=self.cell.distribution)})
        if self.host.is_apple_silicon:
            return Seen(for_mac.lock, {})
        question = stand_in_question(
            self.cell, for_mac.lock, "plain", self.stand_in, self.host.platform_key, day
        )
        # The stand-in may have been uploaded later than the framework; the pins keep all that they share.
        built = max(day, dt.date.fromisoformat(self._from))
        here = self._ask(replace(question, bounds=bounds, as_of=built, late=late))
        if here.lock is None:
            return Seen(None, {}, f"the stand-in cannot be installed here: {here.message}")
        return Seen(here.lock, {}, moved=moved(for_mac.lock, here.lock))

    def on(self, day: dt.date, bounds: Sequence[str] = (), check: str = "") -> Seen:
        """As `Lab.on`."""
        seen = self.resolved(day, bounds)
        if seen.lock is None:
            return seen
        found = self.under(seen.lock, check)
        if not seen.moved:
            return found
        # The versions are not a Mac's: what fails under them may fail only here (`observe.from_run`).
        failures = {name: replace(failure, portable=False) for name, failure in found.failures.items()}
        return replace(found, failures=failures, moved=seen.moved)

    def under(self, lock: Lock, check: str = "") -> Seen:
        """As `Lab.under`."""
        # A check on its own would fail of whatever keeps TensorFlow from being imported.
        wanted = list(dict.fromkeys(["import", check])) if check else list(checks_asked())
        path = probe.probe_path(lock, self.cell.python, self.host.platform_key)
        results = self._seen.get(lock.digest)
        if results is None:
            results = self._seen[lock.digest] = probe.recall(path)
            self.known += bool(results)
        broken = "import" in results and results["import"].outcome == "failed"
        missing = [name for name in wanted if name not in results and not broken]
        if missing:
            try:
                self._run(lock, missing, results)
            except InstallError as error:
                if error.unreachable:
                    raise IndexUnreachableError(str(error), AGAIN) from error
                raise RehearsalError(str(error), probe.AGAIN) from error
            except ToolMissingError as error:
                raise RehearsalError(error.what, probe.AGAIN) from error
            probe.remember(path, results.values())
        return Seen(lock, probe.failures(r for r in results.values() if r.check in wanted))

    def _run(self, lock: Lock, checks: list[str], results: dict[str, probe.Result]) -> None:
        if self._place is None:
            name = f"probe-py{self.cell.python}-tf{self.cell.framework}"
            self._place = self._stack.enter_context(environment(name, self._python))
        self._place.sync(lock)
        self.made += 1
        for again in (True, False):
            whole = run_checks(self._place.python, self.limits, checks, sealed=True)
            refuse_simulated([asdict(result) for result in whole])
            found = [probe.Result.of(result) for result in whole]
            # A hang may be this machine's today: it counts when it comes twice.
            if not again or all(result.lasts for result in found):
                break
        if full := next((result for result in found if result.of_the_machine), None):
            raise RehearsalError(f"{full.check} could not be run here: {full.message}", probe.AGAIN)
        results |= {result.check: result for result in found}

    def _ask(self, question: Question) -> Answer:
        (answer,) = self.resolver.ask_all((question,))
        if answer.outcome == "unknown":
            if answer.unreachable:
                raise IndexUnreachableError(answer.message, AGAIN)
            raise RehearsalError(answer.message, "uv --version, and the settings of uv in this shell")
        return answer


def with_versions(lock: Lock, other: Lock, names: Sequence[str]) -> Lock:
    """*lock*, with the packages *names* as they are in *other*: in its version, or not at all."""
    theirs = {package.name: package for package in other.packages}
    mixed = {package.name: package for package in lock.packages if package.name not in names}
    mixed |= {name: theirs[name] for name in names if name in theirs}
    return Lock(tuple(mixed[name] for name in sorted(mixed)))


def differing(one: Lock, other: Lock) -> list[str]:
    """The packages that two locks have in different versions, or of which only one has any."""
    mine, theirs = one.versions, other.versions
    return sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
