"""Matrices of any number of cells: published releases as far as they go, and made-up plugins beyond.

Each size has a similar mix, or its cells would not cost the same: its versions are spread over all that were
published, and the made-up plugins are copies of each published one in turn.  Only the share of cells without a
plugin falls with the size.  A copy is that release under another version: its wheels, what is known of their
libraries, and the resolver's answers, so that all that is done for a cell is done for it as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING, TypeVar

from metalmatrix.cells import history
from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.files import PACKAGE
from metalmatrix.published import releases
from metalmatrix.published.releases import PLUGIN, PLUGINS, Release, Wheel
from metalmatrix.resolving.answers import answered_as_of, dump_answers, load_answers
from metalmatrix.resolving.lock import Lock, Package
from metalmatrix.resolving.lock import Wheel as Locked
from metalmatrix.resolving.question import MACOS
from metalmatrix.wheels.wheel_facts import Facts, dump_facts, load_facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from metalmatrix.resolving.question import Answer, Question

T = TypeVar("T")

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")


@dataclass(frozen=True)
class Size:
    """How many versions each axis has; *plugins* counts none as one of them."""

    pythons: int
    frameworks: int
    plugins: int

    @property
    def cells(self) -> int:
        """How many cells that makes."""
        return self.pythons * self.frameworks * self.plugins

    @property
    def made_up(self) -> int:
        """How many of its plugins were not published."""
        return max(0, self.plugins - 1 - len(published()))


SIZES = (Size(5, 2, 1), Size(5, 5, 4), Size(5, 20, 10), Size(5, 40, 50))


def matrix(size: Size) -> str:
    """A ``matrix.toml`` of that size; nothing of it is rehearsed."""
    known = spread(published(), min(size.plugins - 1, len(published())))
    axes = {
        "python": list(PYTHONS[: size.pythons]),
        PLUGIN: [NO_PLUGIN, *known, *made_up(size.made_up)],
    }
    for name, version in spread(history.frameworks(), size.frameworks):
        axes.setdefault(name, []).append(version)
    lines = "\n".join(f"{name} = {versions!r}".replace("'", '"') for name, versions in axes.items())
    return f'as-of = {answered_as_of()}\n\n[axes]\n{lines}\n\n[rehearse]\nper = "none"\n'


def published() -> list[str]:
    """The versions of the plugin, ascending."""
    return [version for name, version in history.plugins() if name == PLUGIN and version != NO_PLUGIN]


def spread(values: Sequence[T], count: int) -> list[T]:
    """So many of *values*, evenly spread over them, in their order."""
    return [values[number * len(values) // count] for number in range(count)]


def made_up(count: int) -> list[str]:
    """The versions of so many made-up plugins."""
    return [f"1000.{number}" for number in range(count)]


def copied(count: int) -> dict[str, Release]:
    """By the version of each of so many made-up plugins the published release that it is a copy of."""
    known = [releases.published(PLUGIN)[version] for version in published()]
    return dict(zip(made_up(count), cycle(known), strict=False))


def write_data(package: Path, count: int) -> None:
    """Add *count* made-up plugins to the data of the package at *package*."""
    patterns = copied(count)
    new = {
        version: _release(pattern, version, number)
        for number, (version, pattern) in enumerate(patterns.items())
    }
    data = package / releases.DATA.relative_to(PACKAGE).parent
    known = sorted(
        (*releases.load_releases(), *new.values()),
        key=lambda one: (one.distribution not in PLUGINS, one.sort_key),
    )
    (data / "releases.jsonl").write_text(releases.dump_releases(known, releases.read_on()), encoding="utf-8")
    facts = load_facts()
    wheels = [
        replace(like, version=version, file=wheel.file, sha256=wheel.sha256)
        for version, pattern in patterns.items()
        for old, wheel in zip(pattern.wheels, new[version].wheels, strict=True)
        if (like := facts.by_sha256.get(old.sha256))
    ]
    made = Facts(facts.symbols, tuple(sorted((*facts.wheels, *wheels), key=lambda wheel: wheel.sort_key)))
    (data / "wheels.jsonl").write_text(dump_facts(made), encoding="utf-8")
    answers = dict(load_answers())
    for question, answer in load_answers().items():
        for version, pattern in patterns.items() if question.platform == MACOS else ():
            if question.requirements == (f"{PLUGIN}=={pattern.version}",):
                answers.update([_answered(question, answer, pattern.version, new[version])])
    (data / "answers.jsonl").write_text(dump_answers(answers, answered_as_of()), encoding="utf-8")


def _release(pattern: Release, version: str, number: int) -> Release:
    wheels = tuple(
        Wheel(
            wheel.file.replace(f"-{pattern.version}-", f"-{version}-"),
            f"{number:04x}{wheel.sha256[4:]}",
            wheel.size,
        )
        for wheel in pattern.wheels
    )
    return replace(pattern, version=version, wheels=wheels)


def _answered(question: Question, answer: Answer, pattern: str, release: Release) -> tuple[Question, Answer]:
    """The same question about a made-up release, a copy of *pattern*, with its answer."""
    asked = replace(question, requirements=(f"{PLUGIN}=={release.version}",))
    if answer.lock is None:
        return asked, answer
    sha256 = {wheel.file: wheel.sha256 for wheel in release.wheels}
    packages = []
    for package in answer.lock.packages:
        if package.name != PLUGIN:
            packages.append(package)
            continue
        files = [wheel.file.replace(f"-{pattern}-", f"-{release.version}-") for wheel in package.wheels]
        wheels = tuple(Locked(file, sha256[file]) for file in files)
        packages.append(Package(PLUGIN, release.version, wheels))
    return asked, replace(answer, lock=Lock(tuple(packages)))
