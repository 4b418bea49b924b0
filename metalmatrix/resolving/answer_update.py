"""Asks the resolver every question of the history, and says what came out otherwise; with force, writes it.

The edge of `resolving.answers`.  The day is that of ``matrix.toml``; as long as it stays, only questions
that nobody has asked yet are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.cells import history
from metalmatrix.errors import IndexUnreachableError, MatrixError
from metalmatrix.files import write_atomic
from metalmatrix.published.targets import X86_64
from metalmatrix.resolving import answers
from metalmatrix.resolving.question import MACOS
from metalmatrix.resolving.resolve import Resolver

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.question import Answer, Question


def regenerate(
    as_of: dt.date,
    cells: Iterable[Cell],
    tell: Callable[[str], None],
    *,
    force: bool = False,
    path: Path = answers.DATA,
) -> str:
    """What the resolver answers otherwise than the data has it, as lines; with *force*, write it.

    Raises:
        IndexUnreachableError: The index did not answer; nothing is written.
    """
    try:
        known = answers.parse_answers(path.read_text(encoding="utf-8"))
    except (OSError, MatrixError):
        known = {}  # to be made anew
    resolver = Resolver(as_of, known=known, channels=False)  # what a user's channels say is not to ship
    resolver.resolve((*history.cells(), *history.cells(X86_64), *history.litert(), *cells), tell)
    if resolver.unreachable:
        raise IndexUnreachableError(resolver.unreachable, "the same command again, once the index answers")
    changes = diff(known, resolver.answers)
    if changes and force:
        write_atomic(path, answers.dump_answers(resolver.answers, as_of))
        for cached in (answers.load_answers, answers.answered_as_of):
            cached.cache_clear()
    return changes


def diff(old: Mapping[Question, Answer], new: Mapping[Question, Answer]) -> str:
    """What changed, a line a question, marked ``+``, ``-`` and ``~``; empty where nothing did.

    A day that moves makes other questions of all of them: they are compared without it.
    """
    before = {_name(question): answer for question, answer in old.items()}
    after = {_name(question): answer for question, answer in new.items()}
    lines = [f"- {name}" for name in before.keys() - after.keys()]
    lines += [f"+ {name}: {_said(after[name])}" for name in after.keys() - before.keys()]
    lines += [
        f"~ {name}: {_changed(before[name], after[name])}"
        for name in before.keys() & after.keys()
        if before[name] != after[name]
    ]
    days = {question.as_of for question in old}, {question.as_of for question in new}
    if days[0] != days[1] and all(days):
        lines.append(f"~ the day: {max(days[0])} -> {max(days[1])}")
    return "".join(f"{line}\n" for line in sorted(lines, key=lambda line: (line[2:], line)))


def _name(question: Question) -> str:
    bounds = f" under {', '.join(question.bounds)}" if question.bounds else ""
    where = "" if question.platform == MACOS else f", {question.platform}"
    return f"Python {question.python}{where}: {', '.join(question.requirements)}{bounds}"


def _said(answer: Answer) -> str:
    return f"{len(answer.lock.packages)} packages" if answer.lock else f"fails: {answer.message[:160]}"


def _changed(before: Answer, after: Answer) -> str:
    """Which packages moved between two answers, or what each of them said."""
    if before.lock is None or after.lock is None:
        return f"{_said(before)} -> {_said(after)}"
    old, new = before.lock.versions, after.lock.versions
    moved = [
        f"{name} {old.get(name, '(none)')} -> {new.get(name, '(none)')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return ", ".join(moved) or "other wheels of the same versions"
