"""What a person types to mean cells: ids, patterns, or loose words like ``3.11 2.18 1.1.0``.

Ids and patterns stand for themselves; `asking.loose` takes all other words together.  Whatever is wrong
is told with the closest versions and the whole command to type instead.

Pure: words and the universe of cells in, cells out.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from metalmatrix.asking.axes import axes_of
from metalmatrix.asking.loose import COMMAND, EXAMPLES, Loose, Problem, read
from metalmatrix.asking.slips import closest, slips
from metalmatrix.cells.cell import CONDA_FORGE, LITE, SUFFIXES, VENV, Cell, route_of
from metalmatrix.errors import UsageError
from metalmatrix.published.targets import ARM64, TARGETS, X86_64
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalmatrix.cells.cell import Route
    from metalmatrix.published.targets import Target

LONGEST, MOST = 100, 1000
"""Characters of a word, and words of a command: no id is longer, and nobody types more."""

_TOLD = 3
"""Problems that are told; of more, how many there are."""

_INTEL = (X86_64, "x86-64", "intel", "amd")
"""Words for a Mac that is no Apple silicon one."""

_NAMES = (CONDA_FORGE, "litert", "tflite")
"""Words alone that a word may be a slip of; versions and plugins have their own."""
_LITE_LIKE = re.compile(r"py[^-]*-(?:litert|tflite_runtime)[^-*?\[]*")
_LITE_WORD = re.compile(r"(?:(ai[-_]edge[-_]|)lite-?rt|tflite(?:[-_]runtime)?)(?:[=@]*v?[0-9].*)?")

_ID_LIKE = re.compile(r"py[^-]*-tf[^-]*(?:-.*)?")


@dataclass(frozen=True)
class Query:
    """What was asked for: cells, each once, and sentences about how the words were taken."""

    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()


def find(typed: Iterable[str], universe: Iterable[Cell]) -> Query:
    """The cells that *typed* means among *universe*.

    Ids and patterns stand for themselves, in any number; all other words together are one loose query.  An
    axis that is not named means all of it; the kind of Mac is Apple silicon, unless a word says
    ``x86_64``, and the route a virtual environment, unless one says ``conda`` or ``conda-forge``.

    Raises:
        UsageError: A word means nothing of the universe, or more than one thing.
    """
    words = [word for argument in typed for part in argument.split() if (word := part.strip(",;"))]
    _refuse_too_much(words)
    universe = tuple(universe)
    by_name = {cell.id: cell for cell in universe if cell.lite}
    lite = next((name for word in words if (name := _lite(word.lower()))), "")
    universe = [cell for cell in universe if cell.route == VENV]
    by_target = {target: {cell.id: cell for cell in universe if cell.target == target} for target in TARGETS}
    everywhere = next((route for route in SUFFIXES if route in map(str.lower, words)), LITE if lite else VENV)
    target = X86_64 if any(word.lower() in _INTEL for word in words) else ARM64
    cells = [cell for cell in by_name.values() if cell.lite == lite] if lite else by_target[target].values()
    found: dict[str, Cell] = {}
    problems: list[Problem] = []
    loose: list[int] = []
    for place, typed_word in enumerate(words):
        word, route = _routed(typed_word.lower(), everywhere)  # no id has a capital
        of = X86_64 if X86_64 in word else target
        by_id = by_target[of]
        if word in {*_INTEL, *SUFFIXES}:
            continue
        near = closest(word, _NAMES, 1)
        if near and not _lite(word) and (near[0] == CONDA_FORGE or slips(word, near[0]) == 1):
            what = f"{plain(word, 60)!r} is neither the id of a cell nor a version"
            problems.append(Problem(place, what, f"did you mean {near[0]}", near[0]))
            continue
        if _LITE_LIKE.fullmatch(word):
            cell = by_name.get(word) or Cell.parse(word)
            found[cell.id] = cell
            continue
        if word in by_id:
            found |= _by_route([by_id[word]], route)
        elif _is_pattern(word):
            names = [name for name in by_id if fnmatchcase(name, word)]
            found |= _by_route([by_id[name] for name in names], route)
            alike = {name: cell for name, cell in by_name.items() if fnmatchcase(name, word)}
            found |= alike
            problems += [] if names or alike else [_no_match(place, word)]
        elif _ID_LIKE.fullmatch(word):
            meant, wrong = _by_parts(word, by_id.values(), of)
            found |= _by_route(meant, route)
            mended = word != typed_word.lower()
            problems += [
                replace(p, place=place, instead=f"{p.instead}-{route}" if p.instead and mended else p.instead)
                for p in wrong
            ]
        else:
            loose.append(place)
    query = Loose([read(words[place]) for place in loose], axes_of(cells), target=target)
    problems += [replace(problem, place=loose[problem.place]) for problem in query.problems]
    if problems:
        raise _refused(words, sorted(problems, key=lambda problem: problem.place))
    if loose or not found:
        found |= _by_route(query.select(cells), everywhere)
    return Query(tuple(found.values()), tuple(query.notes()))


def _lite(word: str) -> str:
    """What ids call the LiteRT that a word names, no id; empty where it names none."""
    if not _LITE_WORD.fullmatch(word):
        return ""
    return "tflite_runtime" if word.startswith("tflite") else "litert"


def _routed(word: str, route: Route) -> tuple[str, Route]:
    """A word without the route that it ends with, and that route; else the one that all words have."""
    own = VENV if word in SUFFIXES else route_of(word)
    return (word, route) if own == VENV else (word.removesuffix(f"-{own}"), own)


def _by_route(cells: Iterable[Cell], route: Route) -> dict[str, Cell]:
    """Cells by id, of a route."""
    routed = [cell if cell.route == route else replace(cell, route=route) for cell in cells]
    return {cell.id: cell for cell in routed}


def _refused(words: Sequence[str], problems: Sequence[Problem]) -> UsageError:
    """All that is wrong, and the whole command to type instead, fit to be pasted."""
    what = "; ".join(problem.what for problem in problems[:_TOLD])
    if len(problems) > _TOLD:
        what += f"; and {len(problems) - _TOLD} more such words"
    told = problems[:_TOLD]
    hints = dict.fromkeys([*(problem.near for problem in told), *(problem.why for problem in told)])
    near = "; ".join(filter(None, hints))
    if not all(problem.instead for problem in problems):
        return UsageError(what, f"{near}; {EXAMPLES}" if near else EXAMPLES)
    changed = {problem.place: problem.instead for problem in problems}
    texts = [shlex.quote(changed.get(place, word)) for place, word in enumerate(words)]
    return UsageError(what, f"{near}; type: {' '.join([COMMAND, *texts])}")


def _refuse_too_much(words: Sequence[str]) -> None:
    what = ""
    if not words:
        what = "no cell is named"
    elif len(words) > MOST:
        what = f"{len(words)} words are more than the {MOST} that are read"
    elif longest := next((word for word in words if len(word) > LONGEST), ""):
        what = f"{plain(longest, 40)!r} has {len(longest)} characters: no cell is named like that"
    if what:
        raise UsageError(what, EXAMPLES)


def _is_pattern(word: str) -> bool:
    """Whether a word is a pattern of ids, and not a series written as ``2.18.*``."""
    return any(sign in word for sign in "*?[") and not read(word).number


def _no_match(place: int, pattern: str) -> Problem:
    what = f"no cell's id matches the pattern {plain(pattern, 60)!r}"
    return Problem(place, what, "in a pattern, * stands for anything, as in 'py3.11-tf2.15*'")


def _by_parts(text: str, cells: Iterable[Cell], target: Target) -> tuple[Iterable[Cell], list[Problem]]:
    """The cells of what looks like an id: its parts are words that name their axes."""
    axes, suffix = axes_of(cells), "" if target == ARM64 else f"-{target}"
    parts = text.removesuffix(suffix).split("-", 2)
    if parts[0].removeprefix("py") in axes[0].versions:
        try:  # published without a wheel for Macs: there is something to say of it
            found = Cell.parse(text.removesuffix(suffix) + suffix)
        except UsageError:
            pass
        else:
            return [found], []
    query = Loose([read(part) for part in parts], axes, named=True, target=target)
    if not query.problems:
        return query.select(cells), []
    changed = {problem.place: problem.instead for problem in query.problems}
    mended = "-".join(changed.get(at, part) for at, part in enumerate(parts)) + suffix
    instead = mended if all(changed.values()) else ""
    return [], [replace(problem, instead=instead) for problem in query.problems]
