"""Probes: what the checks said of one exact set of versions, kept so that none is made twice.

A search in time or among packages asks about many sets.  Each answer is on disk the moment it is
known, under the digest of the set, the Python and the platform, each check with the digest of its
sources: a search that was killed goes on where it stopped, cells that come to the same environment
share what is known of it, and a check that has changed is run again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from metalmatrix.files import cache_dir, read_bounded, write_atomic
from metalmatrix.resolving.lock import digest_of
from metalmatrix.running.checklist import check_catalog, check_digest
from metalmatrix.running.supervise import MESSAGE_CHARS, CheckResult
from metalmatrix.verdicts.observe import portable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from metalmatrix.resolving.lock import Lock
    from metalmatrix.running.supervise import Outcome

SCHEMA = 1
RESOLVE = "resolve"
"""The check that fails where there is no set to install."""

_OUTCOMES = ("passed", "failed", "skipped")
_OF_THE_MACHINE = ("hang", "memory", "output")
"""Failures that may be this machine's, on this day: they are not kept."""


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
        untested: Why nothing was run, where it was not for a failure.
    """

    lock: Lock | None
    failures: Mapping[str, Failure]
    untested: str = ""

    def passes(self, check: str) -> bool | None:
        """Whether *check* passed; None where another matter kept it from being run."""
        if check in self.failures:
            return False
        return None if self.lock is None or "import" in self.failures else True


@dataclass(frozen=True)
class Result:
    """What one check said: the part of a `CheckResult` that a search needs."""

    check: str
    outcome: Outcome
    how: str = ""
    message: str = ""
    exception: str = ""
    portable: bool = True

    @classmethod
    def of(cls, result: CheckResult) -> Result:
        """The same of a check's whole result."""
        counts = result.outcome != "failed" or portable(result)
        return cls(result.check, result.outcome, result.how, result.message, result.exception, counts)

    @property
    def lasts(self) -> bool:
        """Whether it would come out the same tomorrow."""
        return self.how not in _OF_THE_MACHINE


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
    return {result.check: result for result in results if result.check in known}


def _result(entry: dict[str, Any]) -> Result:
    texts = [entry[key] for key in ("check", "outcome", "how", "message", "exception")]
    if not all(isinstance(text, str) and len(text) <= MESSAGE_CHARS for text in texts):
        raise ValueError("a probe's text is too long, or none")
    if entry["outcome"] not in _OUTCOMES or not isinstance(entry["portable"], bool):
        raise ValueError("no outcome")
    check, outcome, how, message, exception = texts
    return Result(check, cast("Outcome", outcome), how, message, exception, portable=entry["portable"])


def remember(path: Path, results: Iterable[Result]) -> None:
    """Keep what is known of a set, but for what may have been the machine's fault."""
    entries = [
        {**asdict(result), "sources": check_digest(result.check)} for result in results if result.lasts
    ]
    write_atomic(path, json.dumps({"schema": SCHEMA, "results": entries}) + "\n")


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
