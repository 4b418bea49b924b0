"""Resolving for macOS, from any machine: distinct questions, asked once, answered for good.

A cell is not a question.  The framework and the plugin are asked for alone; where both answers
agree about every package they share, the cell's lock is their union, and only else uv is asked for
the framework with what the plugin requires.  Plugins with the same requirements are then one question.
So the number of questions grows with Pythons times releases, not with cells.

An answer is looked for in the data that ships, then in the user's cache (by question, date and
index), and only then asked for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from metalmatrix.cells.cell import CONDA_FORGE, NO_PLUGIN, Cell
from metalmatrix.published import compiled, litert, releases
from metalmatrix.published.releases import FRAMEWORKS
from metalmatrix.published.targets import ARM64, named
from metalmatrix.resolving import conda
from metalmatrix.resolving.answers import load_answers, recall, remember
from metalmatrix.resolving.ask import ask
from metalmatrix.resolving.question import Answer, Question, platform_of
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.verdicts.evidence import SETS
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from metalmatrix.published.targets import Target
    from metalmatrix.resolving.lock import Lock, Package

WORKERS = 8
"""Questions asked at once: most of each is waiting for the index (25 s instead of 180 s for 102 of them)."""


class Resolver:
    """Asks each distinct question once, and remembers the answers.

    Args:
        as_of: The day as of which everything is resolved.
        fresh: Ask again what is known already.
        known: Answers that need not be asked for; those that ship with the project where None.
        channels: Whether to ask conda channels, of which no answers ship.
    """

    def __init__(
        self,
        as_of: dt.date,
        *,
        fresh: bool = False,
        known: Mapping[Question, Answer] | None = None,
        channels: bool = True,
    ) -> None:
        self._channels = channels
        self._as_of = as_of
        self._fresh = fresh
        self._known = {} if fresh else load_answers() if known is None else known
        self._answers: dict[Question, Answer] = {}
        self._cells: dict[tuple[Question, ...], Answer] = {}
        self._unions: dict[tuple[Question, ...], Lock | None] = {}
        self._asked = 0
        self._down = Answer("unknown")

    @property
    def unreachable(self) -> str:
        """Why the index could not be asked; empty as long as it could."""
        return self._down.message

    @property
    def answers(self) -> Mapping[Question, Answer]:
        """Every question that came up so far, with its answer."""
        return self._answers

    def resolve(self, cells: Iterable[Cell], progress: Callable[[str], None] | None = None) -> None:
        """Answer all questions of *cells*, several at once; *progress* gets a sentence now and then."""
        cells = tuple(cells)
        self._ask_all({q for cell in cells for q in self._parts(cell, "plain")}, progress)
        self._ask_all({q for cell in cells for q in self._parts(cell, "pinned")}, progress)
        self._ask_all({q for cell in cells for which in SETS if (q := self._whole(cell, which))}, progress)

    def ask_all(
        self, questions: Iterable[Question], progress: Callable[[str], None] | None = None
    ) -> list[Answer]:
        """The answers to questions of any kind, in their order."""
        questions = tuple(questions)
        self._ask_all(set(questions), progress)
        return [self._answers[question] for question in questions]

    def answer(self, cell: Cell, which: str) -> Answer:
        """The answer for one set of *cell*: ``pinned`` under the repairs that apply, or ``plain``."""
        parts = self._parts(cell, which)
        if parts not in self._cells:
            if not self._is_settled(cell, which, parts):
                self.resolve((cell,))
                parts = self._parts(cell, which)
            self._cells[parts] = self._together(cell, which, parts)
        answer = self._cells[parts]
        if self._answers[parts[0]].outcome == "ok":
            answer = compiled.judged(cell, answer, self._as_of)
        return _how_to_ask(cell, answer) if cell.route == CONDA_FORGE else _with_binaries(cell, answer)

    def _is_settled(self, cell: Cell, which: str, parts: tuple[Question, ...]) -> bool:
        """Whether every question that this set gives rise to is answered."""
        if not all(part in self._answers for part in parts):
            return False
        whole = self._whole(cell, which)
        return whole is None or whole in self._answers

    def _together(self, cell: Cell, which: str, parts: tuple[Question, ...]) -> Answer:
        answers = [self._answers[part] for part in parts]
        for answer in answers:
            if answer.outcome != "ok":
                return answer
        whole = self._whole(cell, which)
        if cell.route == CONDA_FORGE and answers[0].lock is not None:
            return Answer("ok", answers[0].lock.with_packages(_plugin(cell, answers[1:])))
        if whole is None:
            return Answer("ok", self._union(parts))
        answer = self._answers[whole]
        if answer.lock is None or cell.plugin_distribution in answer.lock.versions:
            return answer
        return Answer("ok", answer.lock.with_packages(_plugin(cell, answers[1:])))

    def _parts(self, cell: Cell, which: str) -> tuple[Question, ...]:
        wanted = (f"{cell.distribution}=={cell.framework}",)
        framework = self._question(cell, wanted)
        if cell.route == CONDA_FORGE:  # pinned and plain are one: the bounds that mend are those of wheels
            framework = conda.question(cell, self._as_of)
        elif which == "pinned" and self._answers.get(framework, _UNASKED).outcome != "fails":
            # What cannot be had plain cannot be had under bounds either.
            framework = self._question(cell, wanted, _bounds(cell))
        if cell.plugin == NO_PLUGIN:
            return (framework,)
        return (framework, self._question(cell, compiled.requirements(cell)))

    def _question(self, cell: Cell, requirements: tuple[str, ...], bounds: tuple[str, ...] = ()) -> Question:
        """A question for the Python, the Mac and the day of *cell*."""
        return Question(cell.python, requirements, bounds, self._as_of, platform=platform_of(cell.target))

    def _whole(self, cell: Cell, which: str) -> Question | None:
        """The question for framework and plugin at once, where the two alone do not settle it."""
        parts = self._parts(cell, which)
        locks = [self._answers[part].lock for part in parts]
        if (
            len(parts) == 1
            or None in locks
            or cell.route == CONDA_FORGE
            or compiled.refusal(cell, self._as_of)
        ):
            return None
        union = self._union(parts)
        if union and not (which == "pinned" and any(r.violated_by(union) for r in repairs_for(cell))):
            return None
        framework, plugin = parts
        known = _requirements(cell.plugin_distribution, cell.plugin, cell.python, cell.target)
        return self._question(cell, framework.requirements + (known or plugin.requirements), framework.bounds)

    def _union(self, parts: tuple[Question, ...]) -> Lock | None:
        """The sets of all parts in one; None where one has none, or two disagree about a package."""
        if parts not in self._unions:
            first, *rest = (self._answers[part].lock for part in parts)
            for lock in rest:
                first = first.union(lock) if first and lock else None
            self._unions[parts] = first
        return self._unions[parts]

    def _ask_all(self, questions: set[Question], progress: Callable[[str], None] | None) -> None:
        unasked = []
        for question in questions:
            if question in self._answers:
                continue
            known = None if self._fresh else self._known.get(question) or recall(question)
            if known:
                self._answers[question] = known
            else:
                unasked.append(question)
        if not unasked:
            return
        unasked.sort(key=lambda q: (q.requirements, q.python, q.bounds))
        with ThreadPoolExecutor(WORKERS) as pool:
            for number, (question, answer) in enumerate(
                zip(unasked, pool.map(self._ask, unasked), strict=True), 1
            ):
                self._answers[question] = answer
                if progress and (number % 10 == 0 or number == len(unasked)):
                    done, total = self._asked + number, self._asked + len(unasked)
                    progress(f"asked the resolver {done} of {total} questions")
        self._asked += len(unasked)

    def _ask(self, question: Question) -> Answer:
        if question.platform == conda.OSX and not self._channels:
            return Answer("unknown", message=conda.NOT_ASKED)
        if self._down.unreachable:
            return self._down
        answer = ask(question)
        if answer.unreachable:
            self._down = answer
        else:
            remember(question, answer)
        return answer


_UNASKED = Answer("unknown")


@cache
def _requirements(name: str, plugin: str, python: str, target: Target) -> tuple[str, ...]:
    """What the plugin's wheel requires, in one spelling; empty where the wheel is not known."""
    wheel = load_facts().wheel(name, plugin, python, target)
    try:
        return tuple(sorted(str(Requirement(line)) for line in wheel.requires)) if wheel else ()
    except InvalidRequirement:
        return ()


def _plugin(cell: Cell, answers: Iterable[Answer]) -> list[Package]:
    """The cell's plugin alone, out of the locks of *answers*."""
    packages = (package for answer in answers if answer.lock for package in answer.lock.packages)
    return [package for package in packages if package.name == cell.plugin_distribution]


def _how_to_ask(cell: Cell, answer: Answer) -> Answer:
    """The answer; one that could not be had with what to type for it."""
    if answer.outcome != "unknown" or answer.blame:
        return answer
    how = conda.HOW.format(cell.id)
    return replace(answer, message=f"{answer.message}; where a channel can be reached, type {how}")


def _bounds(cell: Cell) -> tuple[str, ...]:
    return tuple(sorted(repair.bound for repair in repairs_for(cell)))


def held_framework(lock: Lock, target: Target = ARM64) -> tuple[str, str] | None:
    """The distribution and version in *lock* that hold TensorFlow's binaries; None where nothing does."""
    for name in FRAMEWORKS:
        if name in lock.versions:
            release = releases.published(name).get(lock.versions[name])
            if release is None or releases.has_binaries(release, target):
                return name, lock.versions[name]
    return None


def _with_binaries(cell: Cell, answer: Answer) -> Answer:
    """The answer, turned into a failure where what it installs is an empty wheel and no TensorFlow.

    ``tensorflow-macos`` 2.15.1 resolves to a 2 kB wheel that requires itself, and nothing else.
    """
    if cell.lite:
        return litert.judged(cell, answer)
    if answer.lock is None or held_framework(answer.lock, cell.target):
        return answer
    real = releases.distribution_of(cell.framework, cell.target)
    message = (
        f"it resolves, but {cell.distribution} {cell.framework} is an empty wheel for macOS "
        f"{named(cell.target)}: no TensorFlow is in the set"
    )
    if real != cell.distribution:
        message += f"; {real}=={cell.framework} holds the binaries"
    return Answer("fails", answer.lock, message, cell.distribution)
