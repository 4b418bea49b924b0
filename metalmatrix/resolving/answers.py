"""Answers of the resolver that are kept: those that ship with the project, and the user's cache.

``data/answers.jsonl`` is a header with the day, a line a package, and a line a question: every question
that any published Python, framework and plugin gives rise to, so that `resolved` evidence for the whole
history needs no network.  Packages are numbered, and a lock is their numbers: ``0-3 7``.  A file name and a
hash is all that is kept of a wheel; where it comes from is the business of the index.

For another day, or other bounds, the data has no answer: then the user's cache is looked at, and uv asked.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from metalmatrix.errors import MatrixError, ResultError
from metalmatrix.files import PACKAGE, cache_dir, read_bounded, read_data, write_atomic
from metalmatrix.published import releases
from metalmatrix.resolving import conda
from metalmatrix.resolving.lock import Lock, Package, digest_of
from metalmatrix.resolving.question import MACOS, MACOS_TARGET, Answer, Question
from metalmatrix.resolving.uv import index_settings
from metalmatrix.spans import dump_runs, parse_runs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATA = PACKAGE / "data" / "answers.jsonl"
SCHEMA = 1
_CACHE_SCHEMA = 2
_DAMAGE = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, ResultError)
"""What reading an entry that nobody wrote can raise."""
_HINT = f"to make it anew: {releases.REGENERATE}"


# What ships ------------------------------------------------------------------------------------


@cache
def load_answers() -> Mapping[Question, Answer]:
    """The answers that ship with the project.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    return parse_answers(read_data(DATA, _HINT))


@cache
def answered_as_of() -> dt.date:
    """The day as of which the answers that ship were given.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    with DATA.open(encoding="utf-8") as file:
        return _header(file.readline())


def _header(line: str) -> dt.date:
    try:
        header = json.loads(line)
        schema, as_of = header["schema"], dt.date.fromisoformat(header["as_of"])
    except (ValueError, KeyError, TypeError) as error:
        raise MatrixError(f"line 1 of {DATA.name} is damaged: {error}", _HINT) from error
    if schema != SCHEMA:
        raise MatrixError(f"{DATA.name} has schema {schema!r}, and this metalmatrix reads {SCHEMA}", _HINT)
    return as_of


def parse_answers(text: str) -> dict[Question, Answer]:
    """The answers in *text*, the content of the data file.

    Raises:
        MatrixError: It is no such file, or has another schema.
    """
    header, *lines = text.splitlines() or [""]
    as_of = _header(header)
    packages: list[Package] = []
    answers: dict[Question, Answer] = {}
    for number, line in enumerate(lines, start=2):
        try:
            entry = json.loads(line)
            if "package" in entry:
                packages.append(_package(entry, len(packages)))
            else:
                question = Question(
                    str(entry["python"]),
                    tuple(entry["requirements"]),
                    tuple(entry["bounds"]),
                    as_of,
                    platform=str(entry.get("platform", MACOS)),
                )
                answers[question] = _from_entry(entry, packages)
        except _DAMAGE as error:
            problem = f"line {number} of {DATA.name} is damaged ({type(error).__name__}: {error})"
            raise MatrixError(problem, _HINT) from error
    return answers


def _package(entry: dict[str, Any], number: int) -> Package:
    if entry["package"] != number:
        raise ValueError("packages are not numbered in order")
    return Lock.from_json([entry]).packages[0]


def _from_entry(entry: dict[str, Any], packages: list[Package]) -> Answer:
    if "lock" in entry:
        return Answer("ok", Lock(tuple(packages[number] for number in parse_runs(entry["lock"]))))
    return Answer("fails", message=str(entry["fails"]), blame=str(entry["blame"]))


def dump_answers(answers: Mapping[Question, Answer], as_of: dt.date) -> str:
    """The text of the data file: what is known as of the day; what is *unknown* is left out."""
    known = {q: a for q, a in answers.items() if q.as_of == as_of and a.outcome != "unknown"}
    packages = {p for answer in known.values() if answer.lock for p in answer.lock.packages}
    ordered = sorted(packages, key=lambda p: (p.name, Version(p.version), [w.file for w in p.wheels]))
    numbers = {package: number for number, package in enumerate(ordered)}
    header = {
        "regenerate": releases.REGENERATE,
        "schema": SCHEMA,
        "as_of": as_of.isoformat(),
        "macos": MACOS_TARGET,
    }
    entries: list[dict[str, Any]] = [header]
    entries += [{"package": n, **Lock((package,)).to_json()[0]} for package, n in numbers.items()]
    for question in sorted(known, key=_order):
        answer = known[question]
        entry: dict[str, Any] = {
            "python": question.python,
            "requirements": list(question.requirements),
            "bounds": list(question.bounds),
        }
        if question.platform != MACOS:
            entry["platform"] = question.platform
        if answer.lock:
            entry["lock"] = dump_runs(numbers[package] for package in answer.lock.packages)
        else:
            entry |= {"fails": answer.message, "blame": answer.blame}
        entries.append(entry)
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def _order(question: Question) -> tuple[object, ...]:
    """By platform, then what is asked for, in the order of versions where one is named; Python, bounds."""
    names = [_pinned(requirement) for requirement in question.requirements[:1]]
    return question.platform, names, question.requirements[1:], Version(question.python), question.bounds


def _pinned(requirement: str) -> tuple[str, Version]:
    """Name and version of a requirement; one of no single version, as an sdist may declare, is a name."""
    name, _, version = requirement.partition("==")
    try:
        return name, Version(version)
    except InvalidVersion:
        return requirement, Version("0")


# The user's cache ------------------------------------------------------------------------------


def _cache_path(question: Question) -> Path:
    """The file is named by the question and the index that is set up."""
    asked = {**asdict(question), "as_of": question.as_of.isoformat()}
    if not question.late:
        del asked["late"]  # what was asked before there was such a thing is the same question
    by_conda = question.platform in conda.SUBDIRS.values()
    settings = conda.channels() if by_conda else index_settings()
    key = digest_of([_CACHE_SCHEMA, MACOS_TARGET, asked, settings])
    return cache_dir() / "answers" / f"{key}.json"


def recall(question: Question) -> Answer | None:
    """The answer of the user's cache; None where there is none, or the file is not what was written."""
    try:
        data = json.loads(read_bounded(_cache_path(question)))
        lock = Lock.from_json(data["lock"]) if data["lock"] is not None else None
        outcome, message, blame = data["outcome"], data["message"], data["blame"]
        if data["requirements"] != list(question.requirements) or (outcome == "ok") != (lock is not None):
            return None
        if outcome not in {"ok", "fails"} or not isinstance(message, str) or not isinstance(blame, str):
            return None
    except (OSError, *_DAMAGE):
        return None
    return Answer(outcome, lock, message, blame)


def remember(question: Question, answer: Answer) -> None:
    """Keep an answer for this user; a day that is not over may bring uploads: its answers are not kept."""
    if answer.outcome == "unknown" or question.as_of >= dt.datetime.now(dt.timezone.utc).date():
        return
    data = {
        "requirements": question.requirements,
        "outcome": answer.outcome,
        "message": answer.message,
        "blame": answer.blame,
        "lock": answer.lock.to_json() if answer.lock else None,
    }
    write_atomic(_cache_path(question), json.dumps(data) + "\n")
