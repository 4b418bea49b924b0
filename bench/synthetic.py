"""Matrices of any number of cells: published releases as far as they go, and made-up plugins beyond.

A made-up plugin release is a published one under another version: its wheels, what is known of their
libraries, and the resolver's answers, so that all that is done for a cell is done for it as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metalmatrix.cells import history
from metalmatrix.files import PACKAGE
from metalmatrix.published import releases
from metalmatrix.published.releases import PLUGIN, PLUGINS, Release, Wheel
from metalmatrix.resolving.answers import answered_as_of, dump_answers, load_answers
from metalmatrix.resolving.lock import Lock, Package
from metalmatrix.resolving.lock import Wheel as Locked
from metalmatrix.wheels.wheel_facts import Facts, dump_facts, load_facts

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.resolving.question import Answer, Question

PATTERN = "1.1.0"
"""The release that made-up ones are copies of."""

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


SIZES = (Size(5, 2, 1), Size(5, 5, 4), Size(5, 20, 10), Size(5, 40, 50))


def matrix(size: Size) -> str:
    """A ``matrix.toml`` of that size, with the newest frameworks; nothing of it is rehearsed."""
    published = [version for name, version in history.plugins() if name == PLUGIN]
    plugins = [*published, *made_up(size.plugins - len(published))][: size.plugins]
    axes = {"python": list(PYTHONS[: size.pythons]), PLUGIN: plugins}
    for name, version in history.frameworks()[-size.frameworks :]:
        axes.setdefault(name, []).append(version)
    lines = "\n".join(f"{name} = {versions!r}".replace("'", '"') for name, versions in axes.items())
    return f'as-of = {answered_as_of()}\n\n[axes]\n{lines}\n\n[rehearse]\nper = "none"\n'


def made_up(count: int) -> list[str]:
    """The versions of so many made-up plugins."""
    return [f"1000.{number}" for number in range(count)]


def write_data(package: Path, count: int) -> None:
    """Add *count* made-up plugins to the data of the package at *package*."""
    pattern = releases.published(PLUGIN)[PATTERN]
    new = [_release(pattern, version, number) for number, version in enumerate(made_up(count))]
    data = package / releases.DATA.relative_to(PACKAGE).parent
    known = sorted(
        (*releases.load_releases(), *new), key=lambda one: (one.distribution not in PLUGINS, one.sort_key)
    )
    (data / "releases.jsonl").write_text(releases.dump_releases(known, releases.read_on()), encoding="utf-8")
    facts = load_facts()
    like = {
        wheel.file: wheel
        for wheel in facts.wheels
        if (wheel.distribution, wheel.version) == (PLUGIN, PATTERN)
    }
    wheels = [
        replace(like[old.file], version=release.version, file=wheel.file, sha256=wheel.sha256)
        for release in new
        for old, wheel in zip(pattern.wheels, release.wheels, strict=True)
    ]
    made = Facts(facts.symbols, tuple(sorted((*facts.wheels, *wheels), key=lambda wheel: wheel.sort_key)))
    (data / "wheels.jsonl").write_text(dump_facts(made), encoding="utf-8")
    answers = dict(load_answers())
    for question, answer in load_answers().items():
        if question.requirements == (f"{PLUGIN}=={PATTERN}",):
            for release in new:
                answers.update([_answered(question, answer, release)])
    (data / "answers.jsonl").write_text(dump_answers(answers, answered_as_of()), encoding="utf-8")


def _release(pattern: Release, version: str, number: int) -> Release:
    wheels = tuple(
        Wheel(
            wheel.file.replace(f"-{PATTERN}-", f"-{version}-"), f"{number:04x}{wheel.sha256[4:]}", wheel.size
        )
        for wheel in pattern.wheels
    )
    return replace(pattern, version=version, wheels=wheels)


def _answered(question: Question, answer: Answer, release: Release) -> tuple[Question, Answer]:
    """The same question about a made-up release, with its answer."""
    asked = replace(question, requirements=(f"{PLUGIN}=={release.version}",))
    if answer.lock is None:
        return asked, answer
    sha256 = {wheel.file: wheel.sha256 for wheel in release.wheels}
    packages = []
    for package in answer.lock.packages:
        if package.name != PLUGIN:
            packages.append(package)
            continue
        files = [wheel.file.replace(f"-{PATTERN}-", f"-{release.version}-") for wheel in package.wheels]
        wheels = tuple(Locked(file, sha256[file]) for file in files)
        packages.append(Package(PLUGIN, release.version, wheels))
    return asked, replace(answer, lock=Lock(tuple(packages)))
