"""Resolving for macOS arm64, from any machine: distinct questions, asked once, answered for good.

A cell is not a question.  The framework and the plugin are asked for alone; where both answers
agree about every package they share, the cell's lock is their union, and only else uv is asked for
both at once.  So the number of questions grows with Pythons times releases, not with cells.  An
answer is cached for the user by its question, which includes the date and the index asked.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from metalmatrix import releases
from metalmatrix.cell import NO_PLUGIN, Cell
from metalmatrix.errors import ResultError
from metalmatrix.evidence import SETS
from metalmatrix.files import cache_dir, read_bounded, write_atomic
from metalmatrix.lock import Lock, digest_of, from_pylock
from metalmatrix.releases import FRAMEWORKS, PLUGIN
from metalmatrix.repairs import repairs_for
from metalmatrix.uv import index_settings, run_uv

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MACOS_TARGET = "13.0"
"""The macOS that uv resolves for: its own default for Apple silicon, set so that no shell changes it."""

MACOS = "macos-arm64"
WORKERS = 8
"""Questions asked at once: most of each is waiting for the index (25 s instead of 180 s for 102 of them)."""

UNREACHABLE = "the package index could not be asked"
"""How the reason begins where the index did not answer; other reasons are uv's own."""

Outcome = Literal["ok", "fails", "unknown"]
_CACHE_SCHEMA = 2


@dataclass(frozen=True)
class Question:
    """What uv is asked: requirements and bounds, for a Python and a platform, as of a day.

    Attributes:
        python: The minor version, ``3.11``.
        requirements: What is to be installed.
        bounds: Constraints; they add no package.
        as_of: The last day whose uploads count.
        preferred: Versions to keep wherever they can be had, as ``name==version``.
        platform: ``macos-arm64``, or another platform key: then it is the machine this runs on.
    """

    python: str
    requirements: tuple[str, ...]
    bounds: tuple[str, ...]
    as_of: dt.date
    preferred: tuple[str, ...] = ()
    platform: str = MACOS

    @property
    def key(self) -> str:
        """What names the cached answer: the question, and the index that is set up."""
        index = index_settings()
        as_of = self.as_of.isoformat()
        return digest_of([_CACHE_SCHEMA, MACOS_TARGET, {**asdict(self), "as_of": as_of}, index])


@dataclass(frozen=True)
class Answer:
    """What the resolver said.

    Attributes:
        outcome: ``ok`` with a lock; ``fails`` where no set of wheels satisfies the question;
            ``unknown`` where it could not be asked.
        lock: The exact versions.
        message: The resolver's own sentence, or why it could not be asked.
        blame: The package that has no fitting wheel or version.
        unreachable: Whether the index did not answer.
    """

    outcome: Outcome
    lock: Lock | None = None
    message: str = ""
    blame: str = ""
    unreachable: bool = False


class Resolver:
    """Asks each distinct question once, and remembers the answers.

    Args:
        as_of: The day as of which everything is resolved.
        fresh: Ask again what the user's cache knows.
    """

    def __init__(self, as_of: dt.date, *, fresh: bool = False) -> None:
        self._as_of = as_of
        self._fresh = fresh
        self._answers: dict[Question, Answer] = {}
        self._down = Answer("unknown")

    @property
    def unreachable(self) -> str:
        """Why the index could not be asked; empty as long as it could."""
        return self._down.message

    def resolve(self, cells: Iterable[Cell], progress: Callable[[str], None] | None = None) -> None:
        """Answer all questions of *cells*, several at once; *progress* gets a sentence now and then."""
        cells = tuple(cells)
        self._ask_all({q for cell in cells for which in SETS for q in self._parts(cell, which)}, progress)
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
        self.resolve((cell,))
        parts = [self._answers[question] for question in self._parts(cell, which)]
        for part in parts:
            if part.outcome != "ok":
                return part
        whole = self._whole(cell, which)
        answer = self._answers[whole] if whole else Answer("ok", _union([part.lock for part in parts]))
        return _with_binaries(cell, answer)

    def _parts(self, cell: Cell, which: str) -> tuple[Question, ...]:
        bounds = _bounds(cell) if which == "pinned" else ()
        framework = Question(cell.python, (f"{cell.distribution}=={cell.framework}",), bounds, self._as_of)
        if cell.plugin == NO_PLUGIN:
            return (framework,)
        return (framework, Question(cell.python, (f"{PLUGIN}=={cell.plugin}",), (), self._as_of))

    def _whole(self, cell: Cell, which: str) -> Question | None:
        """The question for framework and plugin at once, where the two alone do not settle it."""
        parts = self._parts(cell, which)
        locks = [self._answers[part].lock for part in parts]
        if len(parts) == 1 or None in locks:
            return None
        union = _union(locks)
        if union and not (which == "pinned" and any(r.violated_by(union) for r in repairs_for(cell))):
            return None
        return Question(
            cell.python, parts[0].requirements + parts[1].requirements, parts[0].bounds, self._as_of
        )

    def _ask_all(self, questions: set[Question], progress: Callable[[str], None] | None) -> None:
        unasked = []
        for question in sorted(
            questions - self._answers.keys(), key=lambda q: (q.requirements, q.python, q.bounds)
        ):
            cached = None if self._fresh else _cached(question)
            if cached:
                self._answers[question] = cached
            else:
                unasked.append(question)
        if not unasked:
            return
        with ThreadPoolExecutor(WORKERS) as pool:
            for number, (question, answer) in enumerate(
                zip(unasked, pool.map(self._ask, unasked), strict=True), 1
            ):
                self._answers[question] = answer
                if progress and (number % 10 == 0 or number == len(unasked)):
                    progress(f"asked the resolver {number} of {len(unasked)} questions")

    def _ask(self, question: Question) -> Answer:
        if self._down.unreachable:
            return self._down
        answer = ask(question)
        if answer.unreachable:
            self._down = answer
        elif answer.outcome != "unknown" and question.as_of < dt.datetime.now(dt.timezone.utc).date():
            # A day that is not over may still bring uploads: such an answer is not remembered.
            write_atomic(_cache_path(question), json.dumps(_to_json(question, answer)) + "\n")
        return answer


def ask(question: Question) -> Answer:
    """Ask uv, now; wheels only, since whoever installs TensorFlow has no compiler for it."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, bounds, lock = (
            Path(folder, name) for name in ("requirements.in", "bounds.txt", "pylock.toml")
        )
        wanted.write_text("\n".join(question.requirements), encoding="utf-8")
        bounds.write_text("\n".join(question.bounds), encoding="utf-8")
        if question.preferred:
            lock.write_text(_preferences(question.preferred), encoding="utf-8")
        arguments = ["pip", "compile", str(wanted), "--constraint", str(bounds), "--quiet", "--no-header"]
        arguments += ["--output-file", str(lock), "--python", sys.executable, "--only-binary", ":all:"]
        if question.platform == MACOS:
            arguments += ["--python-platform", "aarch64-apple-darwin"]
        # Uploads of the day itself count, and a day ends at the same moment everywhere.
        arguments += ["--python-version", question.python, "--exclude-newer", f"{question.as_of}T23:59:59Z"]
        said = run_uv(arguments, env={"MACOSX_DEPLOYMENT_TARGET": MACOS_TARGET})
        written = lock.read_text(encoding="utf-8") if said.code == 0 else ""
    if said.unreachable:
        return Answer("unknown", message=f"{UNREACHABLE}: {reason(said.err)}", unreachable=True)
    if said.code == 0:
        try:
            return Answer("ok", from_pylock(tomllib.loads(written)))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return Answer("unknown", message=f"the resolver's lock is not understood: {error}"[:500])
    if "No solution found" not in said.err:
        return Answer("unknown", message=f"the resolver failed: {reason(said.err)}")
    sentence, blame = explain_failure(said.err)
    return Answer("fails", message=sentence, blame=blame)


def _preferences(preferred: tuple[str, ...]) -> str:
    """A ``pylock.toml`` of just names and versions: what an output file has, uv keeps where it can."""
    packages = [pin.split("==") for pin in preferred]
    entries = "".join(f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in packages)
    return f'lock-version = "1.0"\ncreated-by = "metalmatrix"\n{entries}'


def reason(stderr: str) -> str:
    """What uv wrote as one line, the innermost cause last, without addresses."""
    lines = [
        re.sub(r"\S*://\S+", "(address)", line.strip().removeprefix("error:").removeprefix("cause:").strip())
        for line in stderr.splitlines()
    ]
    return ": ".join(filter(None, lines))[:500]


def explain_failure(stderr: str) -> tuple[str, str]:
    """The resolver's sentence and the package to blame, from what uv wrote.

    The package to blame is the one that the derivation says has no wheel or no version; else the
    first it speaks of.
    """
    text = stderr.split("No solution found", 1)[-1].split("\n", 1)[-1]
    text = re.sub(r"^\s*(?:cause:|╰─▶)", " ", text, flags=re.MULTILINE)
    text = re.sub(r"^(warning|help):.*$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"https?://\S+", "the package index", text)
    sentence = " ".join(text.split())[:2000]
    name = r"([a-z0-9][a-z0-9._-]*[a-z0-9])(?:\[[^\]]*\])?(?:[<>=!~][^\s]*)?"
    for pattern in (
        rf"{name} has no (?:usable )?wheels",
        rf"no versions? of {name}",
        rf"[Bb]ecause (?:all versions of )?{name}",
    ):
        if match := re.search(pattern, sentence):
            return sentence, match[1]
    return sentence, ""


def _bounds(cell: Cell) -> tuple[str, ...]:
    return tuple(sorted(repair.bound for repair in repairs_for(cell)))


def _union(locks: list[Lock | None]) -> Lock | None:
    """All locks in one; None where one is missing or two disagree about a package."""
    first, *rest = locks
    for lock in rest:
        first = first.union(lock) if first and lock else None
    return first


def held_framework(lock: Lock) -> tuple[str, str] | None:
    """The distribution and version in *lock* that hold TensorFlow's binaries; None where nothing does."""
    for name in FRAMEWORKS:
        if name in lock.versions:
            release = releases.published(name).get(lock.versions[name])
            if release is None or releases.has_binaries(release):
                return name, lock.versions[name]
    return None


def _with_binaries(cell: Cell, answer: Answer) -> Answer:
    """The answer, turned into a failure where what it installs is an empty wheel and no TensorFlow.

    ``tensorflow-macos`` 2.15.1 resolves to a 2 kB wheel that requires itself, and nothing else.
    """
    if answer.lock is None or held_framework(answer.lock):
        return answer
    real = releases.distribution_of(cell.framework)
    message = (
        f"it resolves, but {cell.distribution} {cell.framework} is an empty wheel for macOS arm64: "
        "no TensorFlow is in the set"
    )
    if real != cell.distribution:
        message += f"; {real}=={cell.framework} holds the binaries"
    return Answer("fails", answer.lock, message, cell.distribution)


# The cache ------------------------------------------------------------------------------------


def _cache_path(question: Question) -> Path:
    return cache_dir() / "answers" / f"{question.key}.json"


def _cached(question: Question) -> Answer | None:
    """The remembered answer; None where there is none, or where the file is not what was written."""
    try:
        data = json.loads(read_bounded(_cache_path(question)))
        lock = Lock.from_json(data["lock"]) if data["lock"] is not None else None
        outcome, message, blame = data["outcome"], data["message"], data["blame"]
        if data["requirements"] != list(question.requirements) or (outcome == "ok") != (lock is not None):
            return None
        if outcome not in {"ok", "fails"} or not isinstance(message, str) or not isinstance(blame, str):
            return None
    except (OSError, ValueError, KeyError, TypeError, ResultError):
        return None
    return Answer(outcome, lock, message, blame)


def _to_json(question: Question, answer: Answer) -> dict[str, Any]:
    return {
        "requirements": question.requirements,
        "outcome": answer.outcome,
        "message": answer.message,
        "blame": answer.blame,
        "lock": answer.lock.to_json() if answer.lock else None,
    }
