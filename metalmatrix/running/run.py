"""Running cells: the plan once for a run, then one cell after the other, each result kept at once.

This is the edge that the `matrix` session and ``python -m metalmatrix matrix`` call.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from metalmatrix.cells.cell import CONDA_FORGE
from metalmatrix.errors import IndexUnreachableError, ResultError, ToolMissingError
from metalmatrix.files import PACKAGE, cache_dir, read_bounded, write_atomic
from metalmatrix.resolving.ask import UNREACHABLE
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.running import alone
from metalmatrix.running.checklist import checks_seed
from metalmatrix.running.conditions import this_moment
from metalmatrix.running.environment import Environment, InstallError
from metalmatrix.running.host import this_host
from metalmatrix.running.plan import Options, Planned, Planner, dump_plan, load_planned, now
from metalmatrix.running.private import own_words
from metalmatrix.running.record import PARTIAL, Record, Run
from metalmatrix.running.results import Store
from metalmatrix.running.routes import environment_of
from metalmatrix.running.run_name import plan_path
from metalmatrix.running.supervise import run_checks
from metalmatrix.verdicts.votes import may_not_vote, worth_repeating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metalmatrix.cells.cell import Cell
    from metalmatrix.cells.matrix import Matrix
    from metalmatrix.running.conditions import Conditions
    from metalmatrix.running.host import Host
    from metalmatrix.running.private import Private
    from metalmatrix.running.supervise import CheckResult
    from metalmatrix.verdicts.evidence import Which

AGAIN = "run the same command again, once the package index can be reached"
_OLD = 7 * 24 * 3600  # seconds after which a run's plan is of no use to anybody


def default_results() -> Store:
    """Where results are kept: ``results/`` of the clone, or of the working folder."""
    clone = PACKAGE.parent
    return Store((clone if (clone / "matrix.toml").is_file() else Path.cwd()) / "results")


@dataclass(frozen=True)
class Runner:
    """One process's part in a run.

    Attributes:
        matrix: What is declared.
        store: Where results are kept.
        options: What was asked for.
        tell: Gets a line for the person who waits, now and then.
    """

    matrix: Matrix
    store: Store
    options: Options
    tell: Callable[[str], None]

    @cached_property
    def host(self) -> Host:
        """The machine this runs on."""
        return this_host()

    @cached_property
    def moment(self) -> Conditions | None:
        """What a run would be made under, as this process began; None where there is no GPU to vote on."""
        return self.conditions(None)

    @cached_property
    def private(self) -> Private:
        """What is nobody's business of what the checks saw."""
        return own_words()

    def conditions(self, python: Path | None) -> Conditions | None:
        """What a run by *python* would be made under now."""
        return this_moment(python) if self.host.is_apple_silicon else None

    def plan(self, select: Callable[[], Iterable[Cell]]) -> str:
        """The plan of this run as text: made by whoever comes first, read by all others.

        Args:
            select: The cells of the run; called by the process that makes the plan.
        """
        path = plan_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if path.exists():
                return read_bounded(path)
            for old in path.parent.iterdir():
                if time.time() - old.stat().st_mtime > _OLD:
                    old.unlink(missing_ok=True)
            text = self._make_plan(select())
            write_atomic(path, text)
        return text

    def _make_plan(self, cells: Iterable[Cell]) -> str:
        resolver = Resolver(self.matrix.as_of, fresh=self.options.fresh)
        results = self.store.load(self.host.slug)
        planner = Planner(self.matrix, self.host, resolver, results, self.options, self.moment)
        plan = planner.plan(cells, self.tell)
        for lock in planner.locks.values():
            self.store.write_lock(self.host, lock)
        # What an earlier run was cut off before stays missing until it is done.
        missing = set(results.missing) & {cell.id for cell in self.matrix.cells}
        before = {cell: inputs for cell, inputs in self.store.plan(self.host.slug).items() if cell in missing}
        new = {name: planned.record.inputs for name, planned in plan.items()}
        self.store.write_plan(self.host, before | new)
        runs = sum(len(planned.run) for planned in plan.values())
        self.tell(f"{len(plan)} cells planned, {runs} runs of the checks to make")
        return dump_plan(plan)

    def cell(self, cell: Cell, plan: str) -> Record:
        """Do what the plan says about *cell*, and keep the result.

        Raises:
            IndexUnreachableError: What is needed to say anything about the cell could not be asked.
        """
        planned = load_planned(plan, cell.id)
        if planned is None:
            # The process that made the plan was told of another selection: this cell is a run of its own.
            planned = load_planned(self._make_plan([cell]), cell.id)
        # A channel that cannot be asked leaves its cell untested: no package index is to blame.
        if planned is None or not (cell.route == CONDA_FORGE or _is_known(planned.record)):
            why = _unknown(planned.record) if planned else "there is no plan for this cell"
            if not why.startswith(UNREACHABLE):
                raise ToolMissingError(why, "uv --version, and the settings of uv in this shell")
            raise IndexUnreachableError(why, AGAIN)
        before = self.store.read(self.host.slug, cell.id)
        if before and before.inputs == planned.record.inputs and not planned.run:
            return before
        record = _carried(planned, before)
        if planned.run:
            record = self._run(cell, planned, record)
        record = replace(record, date=now(), inputs=planned.record.inputs)
        return self._keep(record)

    def _keep(self, record: Record) -> Record:
        """Write a record, without what is private; the one that was written."""
        record = self.private.record(record)
        self.store.write(self.host, record)
        return record

    def _run(self, cell: Cell, planned: Planned, record: Record) -> Record:
        """Run the checks of the sets that are this cell's to run, in one environment, changed in place."""
        with environment_of(cell, keep=self.options.keep) as place:
            if self.options.keep:
                self.tell(f"the environment is kept: {place.python}")
            other = None if self.options.fresh else self.store.read(self.host.slug, cell.id)
            for which in planned.run:
                done = other.sets[which].run if other else None
                same = done and done.inputs == planned.inputs[which] and not done.failure
                if done and same and not worth_repeating(done, self.moment):
                    # Another run of this cell had the environment before, and was at it meanwhile.
                    record = replace(
                        record, sets={**record.sets, which: replace(record.sets[which], run=done)}
                    )
                    continue
                started, failure = time.monotonic(), ""
                checks: tuple[CheckResult, ...] = ()
                conditions = None
                try:
                    checks, conditions = self._checks(
                        cell, place, which, record.sets[which].environment or ""
                    )
                except InstallError as error:
                    if error.unreachable:
                        raise IndexUnreachableError(str(error), AGAIN) from error
                    failure = str(error)
                run = Run(
                    kind="ran" if self.host.is_apple_silicon else "rehearsed",
                    inputs=planned.inputs[which],
                    date=now(),
                    failure=failure,
                    moved=planned.moved[which],
                    seconds=round(time.monotonic() - started, 1),
                    checks=checks,
                    conditions=conditions,
                    limits=asdict(self.matrix.limits),
                    seed=checks_seed(),
                )
                for reason in may_not_vote(self.host, run):
                    self.tell(f"{which}: recorded, not counted: {reason.sentence}")
                record = replace(record, sets={**record.sets, which: replace(record.sets[which], run=run)})
                record = self._keep(record)
        return record

    def _checks(
        self, cell: Cell, place: Environment, which: Which, digest: str
    ) -> tuple[tuple[CheckResult, ...], Conditions | None]:
        """Install a lock and run the checks under it; what came of them, and what they were run under."""
        lock = self.store.lock(self.host.slug, digest)
        if lock is None:
            raise ResultError(f"the lock {digest} is gone since the plan was made", "the same command again")
        self.tell(f"{which}: installing {len(lock.packages)} packages")
        place.sync(lock)
        # A Mac's cells share one GPU: they install in parallel and measure one at a time.
        quiet = FileLock(cache_dir() / "gpu.lock") if self.host.is_apple_silicon else nullcontext()
        with quiet:
            # Asked before the checks: pressure that they make themselves is theirs to answer for.
            conditions = self.conditions(place.python)
            checks = run_checks(
                place.python,
                self.matrix.limits,
                on_event=lambda line: self._started(which, line),
                lite=bool(cell.lite),
            )
        for outcome in ("passed", "skipped", "failed"):
            if names := [check.check for check in checks if check.outcome == outcome]:
                self.tell(f"{which}: {outcome}: {', '.join(names)}")
        for check in checks:
            if check.outcome == "failed":
                self.tell(f"{which}: {check.check} alone: {alone.command(cell.id, check.check, which)}")
        return checks, conditions

    def _started(self, which: Which, line: str) -> None:
        """Tell which check begins, so that whoever waits sees what for."""
        event, _, check = line.partition(" ")
        if event == "start":
            self.tell(f"{which}: {check}")


def _is_known(record: Record) -> bool:
    """Whether the resolver could be asked about both sets."""
    return not _unknown(record)


def _unknown(record: Record) -> str:
    """Why the resolver could not be asked; empty where it could."""
    unasked = [entry.resolved.message for entry in record.sets.values() if not entry.resolved.asked]
    return unasked[0] if unasked else ""


def _carried(planned: Planned, before: Record | None) -> Record:
    """The planned record, with the runs of the record before whose inputs did not change."""
    sets = dict(planned.record.sets)
    for which, inputs in planned.inputs.items():
        run = before.sets[which].run if before else None
        if run and run.inputs == inputs and which not in planned.run:
            sets[which] = replace(sets[which], run=run)
    return replace(planned.record, inputs=PARTIAL, sets=sets)
