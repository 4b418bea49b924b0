"""The best set that also has what somebody needs beside TensorFlow, and which package stands in the way.

A companion may pin TensorFlow: of tensorflow-text each release wants one minor, and so drags the framework
to where no plugin works.  Three kinds of questions to the resolver find the best set, in a few rounds of
questions that are asked at once: each companion alone (is there a wheel for Macs at all, and which TensorFlow
comes with it), the best set with all of them, and, only where that cannot be had, every series of frameworks
as a range, without bounds and plugin.  A range that cannot be had rules out each set within it, since
those ask for more; what is left is asked set by set, the best first, until one can be had.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.errors import UsageError
from metalmatrix.published import releases
from metalmatrix.resolving.floor import macos_floor
from metalmatrix.resolving.question import Question
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.resolving.standin import moved
from metalmatrix.text import plain
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.question import Answer
    from metalmatrix.verdicts.report import CellReport

    Ask = Callable[[str, Sequence[Question]], Sequence[Answer]]  # what it is about, and the questions

MOST, LONGEST = 20, 100
"""Companions, and characters of one."""

_SENTENCE = 400
_NO_WHEEL = re.compile(r"has? no (?:usable )?wheels|have no (?:usable )?wheels|was not found|no versions? of")


@dataclass(frozen=True)
class Found:
    """A set with the companions.

    Attributes:
        report: What is known of the cell.
        lock: The set.
        floor: The macOS that it needs, and who asks for it.
        said: What the companions are, and what they changed, in sentences.
    """

    report: CellReport
    lock: Lock
    floor: tuple[str, str] | None
    said: tuple[str, ...]


def parse(typed: Sequence[str]) -> tuple[Requirement, ...]:
    """The companions that are named, each a package with versions or without.

    Raises:
        UsageError: One is no requirement, is an address or has a marker, or is no companion.
    """
    if len(typed) > MOST:
        raise UsageError(f"{len(typed)} companions are more than the {MOST} that are asked for at once")
    found: dict[str, Requirement] = {}
    for text in typed:
        shown = repr(plain(text, 60))
        try:
            wanted = Requirement(text if len(text) <= LONGEST else "")
        except InvalidRequirement as error:
            raise UsageError(
                f"{shown} names no package", "write it like --with keras-hub or --with 'keras-hub>=0.20'"
            ) from error
        if wanted.url or wanted.marker:
            raise UsageError(
                f"{shown}: a companion is a name, with versions or without", f"--with {wanted.name}"
            )
        wanted.name = canonicalize_name(wanted.name)
        if wanted.name in {*releases.FRAMEWORKS, *releases.PLUGINS}:
            hint = "nox -s pins -- 2.17 metal1.1.0 --with keras-hub"
            raise UsageError(f"{wanted.name} is no companion: its version is chosen by words", hint)
        found[wanted.name] = wanted
    return tuple(found.values())


def search(
    candidates: Sequence[CellReport],
    companions: Sequence[Requirement],
    as_of: dt.date,
    ask: Ask,
    *,
    own_lock: Callable[[Cell], Lock | None],
    fits: Callable[[str], bool],
) -> Found:
    """The first of *candidates* that can be had with all *companions*.

    Args:
        candidates: Cells of one Python that may be handed out, the best first.
        companions: What `parse` gives.
        as_of: The day.
        ask: Gives the answers to questions, several at once; the first argument tells what they are about.
        own_lock: Gives the pinned set of a cell without companions.
        fits: Whether the machine has the macOS that is named.

    Raises:
        UsageError: There is none: what stands in the way.
    """
    best, names = candidates[0].cell, tuple(str(item) for item in companions)
    about = f"{best.id} with {', '.join(names)}"
    questions = [
        _whole(best, names, as_of, own_lock(best)),
        *(Question(best.python, (name,), (), as_of) for name in names),
    ]
    first, *alone = ask(about, questions)
    for companion, answer in zip(companions, alone, strict=True):
        if answer.outcome == "fails":
            raise _cannot_be_had(companion, best.python, answer, as_of)
    newest = [_newest(companion, answer) for companion, answer in zip(companions, alone, strict=True)]
    left, answers = list(candidates), {best.id: first}
    if first.outcome == "fails":
        left = _alive(candidates, names, as_of, ask)
    for report in left:
        cell = report.cell
        if cell.id not in answers:
            (answers[cell.id],) = ask(f"{cell.id} with them", [_whole(cell, names, as_of, own_lock(cell))])
        lock = answers[cell.id].lock
        if lock is not None and not _wrong(cell, lock, fits):
            said = [*_with(companions, lock, newest), *_moved(own_lock(cell), lock)]
            if cell.id != best.id:
                said.append(f"{best.id} cannot be had with them: {_why(best, first, fits)}")
            return Found(report, lock, macos_floor(lock, load_facts()), tuple(said))
    culprits = _culprits(best, names, as_of, ask) if len(names) > 1 else names
    drags = [
        text
        for companion, answer in zip(companions, alone, strict=True)
        if str(companion) in culprits and (text := _drags(candidates, companion, answer))
    ]
    what = f"no set for Python {best.python} that may be handed out has {', '.join(culprits or names)}"
    together = "" if culprits else "; each of them can be had, but not together"
    why = "; ".join(drags) or f"with {best.id}: {_why(best, first, fits)}"
    raise UsageError(
        f"{what}{together}: {why}",
        f"leave {culprits[0] if culprits else names[-1]} out, or name another Python than {best.python}",
    )


def _whole(cell: Cell, names: Sequence[str], as_of: dt.date, own: Lock | None) -> Question:
    """The cell's pinned set and the companions, as one question that keeps what can be kept of the set."""
    requirements = [f"{cell.distribution}=={cell.framework}"]
    if cell.plugin != NO_PLUGIN:
        requirements.append(f"{cell.plugin_distribution}=={cell.plugin}")
    bounds = tuple(sorted(repair.bound for repair in repairs_for(cell)))
    preferred = tuple(f"{name}=={version}" for name, version in own.versions.items()) if own else ()
    return Question(cell.python, (*requirements, *names), bounds, as_of, preferred)


def _alive(
    candidates: Sequence[CellReport], names: Sequence[str], as_of: dt.date, ask: Ask
) -> list[CellReport]:
    """The candidates of those series of frameworks that can be had with the companions at all."""
    series: dict[tuple[str, tuple[int, ...]], list[Version]] = {}
    for report in candidates:
        version = Version(report.cell.framework)
        series.setdefault((report.cell.distribution, version.release[:2]), []).append(version)
    questions = [
        Question(candidates[0].cell.python, (f"{name}>={min(found)},<={max(found)}", *names), (), as_of)
        for (name, _), found in series.items()
    ]
    answers = ask(f"{len(questions)} series of TensorFlow with them", questions)
    dead = {key for key, answer in zip(series, answers, strict=True) if answer.outcome == "fails"}
    return [
        report
        for report in candidates
        if (report.cell.distribution, Version(report.cell.framework).release[:2]) not in dead
    ]


def _culprits(cell: Cell, names: Sequence[str], as_of: dt.date, ask: Ask) -> tuple[str, ...]:
    """Which of several companions the cell cannot be had with, each asked for without the others."""
    answers = ask(f"{cell.id} with each of them", [_whole(cell, (name,), as_of, None) for name in names])
    return tuple(name for name, answer in zip(names, answers, strict=True) if answer.outcome == "fails")


def _wrong(cell: Cell, lock: Lock, fits: Callable[[str], bool]) -> str:
    """Why a set with companions is not the cell's any more, or not for this machine; empty where it is."""
    held = _frameworks(lock)
    if held != [(cell.distribution, cell.framework)]:
        return f"TensorFlow would come from {' and '.join(f'{name} {v}' for name, v in held) or 'nowhere'}"
    floor = macos_floor(lock, load_facts())
    if floor and not fits(floor[0]):
        return f"it would need macOS {floor[0]}, asked for by {floor[1]}"
    return ""


def _why(cell: Cell, answer: Answer, fits: Callable[[str], bool]) -> str:
    return (answer.lock and _wrong(cell, answer.lock, fits)) or plain(answer.message, _SENTENCE)


def _frameworks(lock: Lock) -> list[tuple[str, str]]:
    """Each distribution in *lock* that holds TensorFlow's binaries; what nobody has read may hold them."""
    found = [(name, lock.versions[name]) for name in releases.FRAMEWORKS if name in lock.versions]
    published = {name: releases.published(name) for name, _ in found}
    return [(n, v) for n, v in found if v not in published[n] or releases.has_binaries(published[n][v])]


def _cannot_be_had(companion: Requirement, python: str, answer: Answer, as_of: dt.date) -> UsageError:
    """The error for a companion that no Mac can have, whatever else is installed."""
    blame, sentence = answer.blame or companion.name, plain(answer.message, _SENTENCE)
    if "was not found" in answer.message:
        return UsageError(f"the index knows no package {blame}: {sentence}", "is the name right?")
    because = "" if blame == companion.name else f", which {companion.name} needs"
    what = f"{companion} cannot be had for macOS on arm64 with Python {python} as of {as_of}"
    if _NO_WHEEL.search(answer.message):
        what = f"{blame}{because} has no wheel for macOS on arm64 and Python {python} as of {as_of}"
    return UsageError(f"{what}: {sentence}", f"leave {companion.name} out, or build it yourself")


def _newest(companion: Requirement, answer: Answer) -> tuple[str, str]:
    """Which version of a companion comes alone, and with which TensorFlow; empty where with none."""
    if answer.lock is None:
        return "", ""
    held = _frameworks(answer.lock)
    return answer.lock.versions.get(companion.name, ""), held[0][1] if held else ""


def _with(companions: Sequence[Requirement], lock: Lock, newest: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Each companion with its version, and where that is not the newest, what the newest would bring."""
    for companion, (version, framework) in zip(companions, newest, strict=True):
        got = lock.versions[companion.name]
        aside = ", a pre-release: no final one can be had" if Version(got).is_prerelease else ""
        if version and version != got:
            brings = f", which brings TensorFlow {framework}" if framework else ""
            aside += f"; alone it would be {version}{brings}"
        yield f"with {companion.name} {got}{aside}"


def _moved(own: Lock | None, lock: Lock) -> Iterator[str]:
    """What the companions moved, since the evidence is of the cell's own set."""
    if own and (changed := moved(own, lock)):
        yield f"the companions move {', '.join(map(str, changed))}: the evidence is of the set without them"
    else:
        yield "the evidence is of the set without the companions, of which each package is the same here"


def _drags(candidates: Sequence[CellReport], companion: Requirement, answer: Answer) -> str:
    """That a companion brings a TensorFlow past what any set that may be handed out has; empty where not."""
    newest = max((report.cell.framework for report in candidates), key=Version)
    version, framework = _newest(companion, answer)
    if not framework or Version(framework) <= Version(newest):
        return ""
    return (
        f"{companion.name} {version} drags TensorFlow to {framework}, past the plugin: "
        f"{newest} is the newest that may be handed out"
    )
