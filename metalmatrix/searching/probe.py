"""Probes: what the checks said of one exact set of versions, kept so that none is made twice.

A search in time or among packages asks about many sets.  Each answer is on disk the moment it is
known, under the digest of the set, the Python and the platform, each check with the digest of its
sources: a search that was killed goes on where it stopped, cells that come to the same environment
share what is known of it, and a check that has changed is run again.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from metalmatrix.errors import RehearsalError
from metalmatrix.files import cache_dir, read_bounded, write_atomic
from metalmatrix.resolving.lock import digest_of
from metalmatrix.running.checklist import check_catalog, check_digest
from metalmatrix.running.supervise import MESSAGE_CHARS, CheckResult
from metalmatrix.verdicts.observe import of_this_machine, portable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.standin import Moved
    from metalmatrix.running.supervise import Outcome

SCHEMA = 1
RESOLVE = "resolve"
"""The check that fails where there is no set to install."""

_OUTCOMES = ("passed", "failed", "skipped")
_OF_THE_MACHINE = ("hang", "memory", "output")
"""Failures that may be this machine's, on this day: they are not kept."""
_OF_THE_PROCESS = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
"""Signals that a process brings upon itself; any other came from outside, and is not kept either."""
_NO_ROOM = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
ELSEWHERE = "another Python of the same framework may tell, or a Mac"
AGAIN = "the same command goes on where it stopped, once that is mended"


@dataclass(frozen=True)
class Failure:
    """One check that failed.

    Attributes:
        check: Its id, or ``resolve``.
        stage: The stage it counts for.
        message: The message, without the exception's class.
        exception: The class, where there was one.
        portable: Whether a Mac would meet it under the same versions (`verdicts.observe.portable`).
        blame: The package that the resolver blames, for ``resolve``.
    """

    check: str
    stage: str
    message: str
    exception: str = ""
    portable: bool = True
    blame: str = ""


@dataclass(frozen=True)
class Seen:
    """What came of one set.

    Attributes:
        lock: What was installed here; None where nothing could be.
        failures: By check, in the order in which the checks run.
        untested: Why nothing was run, where it was not for a failure: what the set does is unknown.
        moved: The pins that are another version here than on a Mac.
    """

    lock: Lock | None
    failures: Mapping[str, Failure]
    untested: str = ""
    moved: tuple[Moved, ...] = ()

    @property
    def known(self) -> Seen:
        """The same, for whoever cannot go on without knowing.

        Raises:
            RehearsalError: It is not known what the set does.
        """
        if self.untested:
            raise RehearsalError(self.untested, ELSEWHERE)
        return self

    def passes(self, check: str) -> bool | None:
        """Whether *check* passed; None where another matter kept it from being run."""
        if check in self.failures:
            return False
        return None if self.lock is None or "import" in self.failures else True

    def new(self, always: Collection[str]) -> list[Failure]:
        """What fails, but for the checks that *always* do.

        Raises:
            RehearsalError: It is not known what the set does.
        """
        return [failure for check, failure in self.known.failures.items() if check not in always]


@dataclass(frozen=True)
class Result:
    """What one check said: the part of a `CheckResult` that a search needs."""

    check: str
    outcome: Outcome
    how: str = ""
    message: str = ""
    exception: str = ""
    portable: bool = True
    signal: str = ""

    @classmethod
    def of(cls, result: CheckResult) -> Result:
        """The same of a check's whole result."""
        counts = result.outcome != "failed" or portable(result)
        said = (result.how, result.message, result.exception, counts, result.signal)
        return cls(result.check, result.outcome, *said)

    @property
    def of_the_machine(self) -> bool:
        """Whether it failed for this machine's sake: a full disk or memory, or a signal from outside."""
        no_room = self.exception == "MemoryError" or any(words in self.message for words in _NO_ROOM)
        ended = bool(self.signal) and self.signal not in _OF_THE_PROCESS
        return self.outcome == "failed" and (no_room or ended)

    @property
    def lasts(self) -> bool:
        """Whether it would come out the same tomorrow, on a machine with room."""
        if self.how == "signal":
            return self.signal in _OF_THE_PROCESS
        return self.how not in _OF_THE_MACHINE and not of_this_machine(self.exception)


def probe_path(lock: Lock, python: str, platform: str) -> Path:
    """Where a probe is kept.

    Args:
        lock: The set.
        python: The minor version.
        platform: The key of this machine's platform.
    """
    return cache_dir() / "probes" / f"{digest_of([SCHEMA, lock.digest, python, platform])}.json"


def recall(path: Path) -> dict[str, Result]:
    """What is known of a set, by check; nothing where the file is not what `remember` wrote.

    A check whose sources have changed since is to be run again; the others are not.
    """
    known = {info.id for info in check_catalog()}
    try:
        data = json.loads(read_bounded(path))
        if data["schema"] != SCHEMA:
            return {}
        results = [
            _result(entry)
            for entry in data["results"]
            if entry["check"] not in known or entry["sources"] == check_digest(entry["check"])
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {result.check: result for result in _believed(results) if result.check in known}


def _result(entry: dict[str, Any]) -> Result:
    texts = [entry[key] for key in ("check", "outcome", "how", "message", "exception")]
    texts.append(entry.get("signal", ""))  # probes of before had none
    if not all(isinstance(text, str) and len(text) <= MESSAGE_CHARS for text in texts):
        raise ValueError("a probe's text is too long, or none")
    if entry["outcome"] not in _OUTCOMES or not isinstance(entry["portable"], bool):
        raise ValueError("no outcome")
    check, outcome, how, message, exception, signal = texts
    return Result(check, cast("Outcome", outcome), how, message, exception, entry["portable"], signal)


def remember(path: Path, results: Iterable[Result]) -> None:
    """Keep what is known of a set, but for what may have been the machine's fault."""
    entries = [{**asdict(result), "sources": check_digest(result.check)} for result in _believed(results)]
    write_atomic(path, json.dumps({"schema": SCHEMA, "results": entries}) + "\n")


def _believed(results: Iterable[Result]) -> list[Result]:
    """What lasts; without a lasting import only what passed: the rest may be so for the import's sake."""
    lasting = [result for result in results if result.lasts]
    imported = any(result.check == "import" for result in lasting)
    return [result for result in lasting if imported or result.outcome == "passed"]


def failures(results: Iterable[Result]) -> dict[str, Failure]:
    """The failures among *results*, in the order in which the checks run."""
    failed = {result.check: result for result in results if result.outcome == "failed"}
    return {
        info.id: Failure(
            info.id, info.stage, found.message or found.how, found.exception, portable=found.portable
        )
        for info in check_catalog()
        if (found := failed.get(info.id))
    }
