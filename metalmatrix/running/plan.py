"""The plan of a run: which cells, what is known of each before anything is installed, and who runs what.

A run may be many processes (nox starts one for each cell under ``-j``).  The first of them makes the
plan, in parallel and with progress; the others read it.  What can be shared is decided here, once:
cells that would install the same environment share one run of the checks, and a run whose inputs
did not change is not made again.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import VENV
from metalmatrix.errors import ResultError
from metalmatrix.published.compiled import not_run, sdist_of
from metalmatrix.resolving.floor import macos_floor
from metalmatrix.resolving.lock import digest_of
from metalmatrix.resolving.standin import Moved, moved, stand_in_question
from metalmatrix.running.record import Record, Resolved, SetRecord, dump_record, parse_record
from metalmatrix.running.routes import missing
from metalmatrix.running.supervise import checks_digest
from metalmatrix.verdicts.evidence import SETS
from metalmatrix.verdicts.votes import worth_repeating
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from metalmatrix.cells.cell import Cell, Route
    from metalmatrix.cells.matrix import Matrix
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.question import Answer
    from metalmatrix.resolving.resolve import Resolver
    from metalmatrix.running.conditions import Conditions
    from metalmatrix.running.host import Host
    from metalmatrix.running.results import Results
    from metalmatrix.verdicts.evidence import Which

NOTHING_TO_INSTALL = "there is no set of wheels to install"


@dataclass(frozen=True)
class Planned:
    """What a run sets out to do about one cell.

    Attributes:
        record: What is known without installing anything; its sets have no run yet.
        run: The sets whose checks this cell is to run; another cell, or an earlier run, has the rest.
        inputs: What the run of each set that can be installed here depends on, as a digest.
        moved: The pins of each such set that have no wheel for this platform.
    """

    record: Record
    run: tuple[Which, ...]
    inputs: Mapping[Which, str]
    moved: Mapping[Which, tuple[Moved, ...]]


@dataclass(frozen=True)
class Options:
    """What a person may ask of a run.

    Attributes:
        fresh: Ask and run again what is known already.
        keep: Leave the environments where they are.
        plain: On a Mac, run the plain set instead of the pinned one.
    """

    fresh: bool = False
    keep: bool = False
    plain: bool = False


class Planner:
    """Makes the plan for *cells* on *host*; the effects it needs are handed in.

    Without *moment*, what a run would be made under now, no run is made again for a better one.
    """

    def __init__(
        self,
        matrix: Matrix,
        host: Host,
        resolver: Resolver,
        results: Results,
        options: Options,
        moment: Conditions | None = None,
    ) -> None:
        self._moment = moment
        self._matrix = matrix
        self._host = host
        self._resolver = resolver
        self._results = results
        self._options = options
        self.locks: dict[str, Lock] = {}

    def plan(self, cells: Iterable[Cell], tell: Callable[[str], None]) -> dict[str, Planned]:
        """What is to be done about each cell, by id."""
        cells = tuple(cells)
        tell(f"resolving {len(cells)} cells for macOS arm64, pinned and plain, as of {self._matrix.as_of}")
        self._resolver.resolve(cells, tell)
        answers = {(c, which): self._resolver.answer(c, which) for c in cells for which in SETS}
        installable = [cell for cell in cells if answers[cell, "pinned"].outcome == "ok"]
        if self._host.is_apple_silicon:
            possible = {cell for cell in installable if not missing(cell) and sdist_of(cell) is None}
            here = {key: answer for key, answer in answers.items() if key[0] in possible}
        else:
            here = self._stand_ins(self._chosen(installable), answers, tell)
        taken: set[str] = set()
        return {cell.id: self._planned(cell, answers, here, taken) for cell in cells}

    def _chosen(self, installable: list[Cell]) -> list[Cell]:
        """The cells to rehearse, by the rule of the matrix; their interpreters are here."""
        per = self._matrix.rehearse.per
        if per == "none" or self._host.platform_key not in self._matrix.rehearse.stand_in:
            return []
        chosen = [cell for cell in installable if not missing(cell)]
        if per == "framework":
            newest: dict[tuple[str, str, str], str] = {}  # the cells come newest Python first
            for cell in chosen:
                newest.setdefault((cell.distribution, cell.framework, cell.route), cell.python)
            chosen = [
                cell
                for cell in chosen
                if newest[cell.distribution, cell.framework, cell.route] == cell.python
            ]
        return chosen

    def _stand_ins(
        self, chosen: list[Cell], answers: Mapping[tuple[Cell, Which], Answer], tell: Callable[[str], None]
    ) -> dict[tuple[Cell, Which], Answer]:
        """What would be installed here for each set of the cells to rehearse."""
        platform = self._host.platform_key
        name = self._matrix.rehearse.stand_in.get(platform, "")
        keys, questions = [], []
        for cell in chosen:
            for which in SETS:
                lock = answers[cell, which].lock
                if answers[cell, which].outcome == "ok" and lock:
                    keys.append((cell, which))
                    questions.append(stand_in_question(cell, lock, which, name, platform, self._matrix.as_of))
        if questions:
            tell(f"resolving {len(set(questions))} stand-ins for {platform}")
        return dict(zip(keys, self._resolver.ask_all(questions, tell), strict=True))

    def _planned(
        self,
        cell: Cell,
        answers: Mapping[tuple[Cell, Which], Answer],
        here: Mapping[tuple[Cell, Which], Answer],
        taken: set[str],
    ) -> Planned:
        sets: dict[Which, SetRecord] = {}
        run: list[Which] = []
        inputs: dict[Which, str] = {}
        pins: dict[Which, tuple[Moved, ...]] = {}
        for which in SETS:
            answer, local = answers[cell, which], here.get((cell, which))
            if answer.lock:
                self._keep(answer.lock)
            environment, untested = None, ""
            if local is None or local.lock is None:
                untested = self._untested(cell, which, answer, local)
            else:
                environment = self._keep(local.lock)
                inputs[which] = self._inputs(environment, cell.route)
                pins[which] = moved(answer.lock, local.lock) if answer.lock else ()
                known = self._is_known(inputs[which])
                if self._not_asked(which):
                    untested = self._untested(cell, which, answer, local)
                elif inputs[which] not in taken and not known:
                    run.append(which)
                    taken.add(inputs[which])
            sets[which] = SetRecord(resolved(answer), environment, untested)
        as_of = self._matrix.as_of.isoformat()
        entries = {which: asdict(entry) for which, entry in sets.items()}
        digest = digest_of([cell.id, as_of, entries, self._inputs("")])
        return Planned(Record(cell.id, as_of, now(), digest, sets), tuple(run), inputs, pins)

    def _keep(self, lock: Lock) -> str:
        self.locks[lock.digest] = lock
        return lock.digest

    def _inputs(self, environment: str, route: Route = VENV) -> str:
        """What a run depends on; the interpreter's source is part of it where that is conda."""
        return digest_of([environment, *self._fixed] if route == VENV else [environment, *self._fixed, route])

    @cached_property
    def _fixed(self) -> list[object]:
        """What the runs of every cell depend on."""
        return [checks_digest(), asdict(self._matrix.limits), self._host.to_json()]

    def _is_known(self, inputs: str) -> bool:
        """Whether there is a run of these inputs that is as good as a new one."""
        run = self._results.by_inputs.get(inputs)
        return run is not None and not self._options.fresh and not worth_repeating(run, self._moment)

    def _not_asked(self, which: Which) -> bool:
        """Whether this set is not the one to run on a Mac."""
        return self._host.is_apple_silicon and (which == "plain") != self._options.plain

    def _untested(self, cell: Cell, which: Which, answer: Answer, local: Answer | None) -> str:
        """Why no checks run for a set."""
        per = self._matrix.rehearse.per
        platform = self._host.platform_key
        if not resolved(answer).asked:
            return answer.message
        if answer.outcome != "ok":
            return NOTHING_TO_INSTALL
        if why := missing(cell):
            return why
        if self._host.is_apple_silicon and sdist_of(cell):
            return not_run(cell)
        if self._host.is_apple_silicon:
            asked = "without --plain" if which == "pinned" else "with --plain"
            return f"the {which} set runs {asked}"
        if platform not in self._matrix.rehearse.stand_in:
            return f"no stand-in is declared for {platform}; add one under [rehearse.stand-in] in matrix.toml"
        if per == "none":
            return 'rehearsals are switched off (per = "none" in matrix.toml)'
        if local is None:
            return f'each framework is rehearsed on one Python (per = "{per}" in matrix.toml)'
        return f"the stand-in cannot be installed here: {local.message}"


def resolved(answer: Answer) -> Resolved:
    """The resolver's answer as it is recorded."""
    if answer.lock is None or answer.outcome != "ok":
        return Resolved(answer.outcome, answer.message, answer.blame)
    macos, by = macos_floor(answer.lock, load_facts()) or (None, "")
    return Resolved("ok", answer.message, lock=answer.lock.digest, macos=macos, macos_by=by)


def now() -> str:
    """The time, UTC, to the second, as results have it."""
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def dump_plan(plan: Mapping[str, Planned]) -> str:
    """The plan as text, for the other processes of the run: a line a cell, its id and what is planned."""
    return "".join(
        f"{name} "
        + json.dumps(
            {
                "record": dump_record(planned.record),
                "run": planned.run,
                "inputs": planned.inputs,
                "moved": {which: [asdict(item) for item in pins] for which, pins in planned.moved.items()},
            }
        )
        + "\n"
        for name, planned in plan.items()
    )


@lru_cache(maxsize=1)
def _lines(text: str) -> Mapping[str, str]:
    """The lines of a plan by cell: each of thousands of cells reads its own, and not those of all others."""
    found = {name: entry for name, _, entry in (line.partition(" ") for line in text.splitlines())}
    if not all(name.startswith("py3.") for name in found):
        raise ValueError("it is no list of cells")
    return found


def load_planned(text: str, cell_id: str) -> Planned | None:
    """What the plan says of one cell; None where it was not selected.

    Raises:
        ResultError: The text is no plan.
    """
    try:
        if (line := _lines(text).get(cell_id)) is None:
            return None
        entry = json.loads(line)
        pins = {which: tuple(Moved(**item) for item in items) for which, items in entry["moved"].items()}
        return Planned(parse_record(entry["record"]), tuple(entry["run"]), entry["inputs"], pins)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultError(
            f"the plan of this run is damaged: {error}", "run the same command again"
        ) from error
