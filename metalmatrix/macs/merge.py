"""Results from elsewhere, joined into ``results/``: each file validated, none overwritten by an older one.

A folder under ``results/`` is a machine, by facts that name nobody; machines alike share a name.  So what
comes under a name that is taken goes into that folder only where the facts are the same, and where its run
of a cell does not contradict the one that is there: the same inputs with another outcome.  Else it goes
into a folder of the same name with a number, ``macos-15.2-apple-m2-16gb-2``, and the table shows both.
Locks come first and the plan last, each file written whole: a merge that is killed is made good by the next.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from metalmatrix.errors import ResultError, UsageError
from metalmatrix.files import read_bounded
from metalmatrix.resolving.lock import Lock
from metalmatrix.running.host import Host
from metalmatrix.running.record import parse_record
from metalmatrix.running.results import Store
from metalmatrix.verdicts.evidence import SETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from metalmatrix.running.record import Record, Run

MAX_FILES = 20_000
"""Files in one folder of results: the whole history of cells is 7,000."""
MAX_TWINS = 99
AHEAD = dt.timedelta(days=1)
"""What a machine's clock may be ahead of this one's."""
_FORMS = "give a results folder, or one host's folder in it: results/macos-15.2-apple-m2-16gb"
_RECORD = re.compile(r"py3[^/]*\.json")
_CELL = re.compile(
    r"py3\.[0-9]{1,2}-(?:tf[0-9a-z.]{1,25}-[0-9a-z_.-]{1,90}|(?:litert|tflite_runtime)[0-9][0-9a-z.]{0,24})"
)
_DIGEST = re.compile(r"[0-9a-f]{16}")
_TWIN = re.compile(r"(.+gb)-(?:[2-9]|[1-9][0-9])")


@dataclass
class Merged:
    """What became of the files.

    Attributes:
        taken: Records that were written.
        known: Records that were there already, or are older than the one that is.
        apart: ``host/cell`` of records that contradict another, and are kept beside it.
        refused: Files and folders that were not taken, each with the reason.
    """

    taken: int = 0
    known: int = 0
    apart: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def merge(folders: Iterable[Path], into: Store, tell: Callable[[str], None]) -> Merged:
    """Join the results in *folders* into *into*.

    Args:
        folders: Each a folder of one machine, of several, or one with such a ``results/``.
        into: Where they go.
        tell: Gets a line for each machine.

    Raises:
        UsageError: One of them is not there.
    """
    folders = list(folders)
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{str(folder)[:200]} is no folder", _FORMS)
    found = Merged()
    for folder in folders:
        machines = list(_machines(folder))
        if not machines:
            found.refused.append(f"{str(folder)[:200]}: it holds no results; {_FORMS}")
        for path, name in machines:
            tell(f"{name}, from {path}")
            _join(path, name, into, found)
    return found


def _join(path: Path, name: str, into: Store, found: Merged) -> None:
    """Join one machine's folder; whatever is wrong with it, here or there, keeps no other one out."""
    try:
        host = _host(path, name)
    except ResultError as error:
        found.refused.append(f"{name}/host.json: {error.what}")
        return
    try:
        with into.turn:  # what a run or another merge writes meanwhile is neither lost nor overwritten
            _Joint(path, name, host, into, found).join()
    except ResultError as error:
        found.refused.append(f"{name}: {error.what}")


def _machines(folder: Path) -> Iterator[tuple[Path, str]]:
    """The folders of machines in a folder, each with its name."""
    if _is_machine(folder):
        yield folder, folder.resolve().name
        return
    for place in (folder, folder / "results"):
        machines = [path for path in sorted(place.iterdir()) if _is_machine(path)] if place.is_dir() else []
        if machines:
            yield from ((path, path.name) for path in machines)
            return


def _is_machine(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and (path / "host.json").exists()


def _host(path: Path, name: str) -> Host:
    """The facts of a machine, whose folder has the name that they give."""
    try:
        host = Host.from_json(json.loads(_text(path / "host.json")))
    except (ValueError, RecursionError) as error:
        raise ResultError(f"it cannot be read: {str(error)[:200]}") from error
    twin = _TWIN.fullmatch(name)
    if name != host.slug and (twin is None or twin[1] != host.slug):
        raise ResultError(f"its facts are those of {host.slug}")
    return host


def _text(path: Path) -> str:
    """The text of a file that comes in; a link leads somewhere else, and is none."""
    if path.is_symlink() or not path.is_file():
        raise ResultError("it is no file")
    try:
        return read_bounded(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"it cannot be read: {error}") from error


def _record(path: Path) -> Record:
    try:
        record = parse_record(json.loads(_text(path)))
    except (ValueError, RecursionError) as error:
        raise ResultError(f"it cannot be read: {str(error)[:200]}") from error
    if f"{record.cell}.json" != path.name:
        raise ResultError(f"it is about {record.cell}")
    last = f"{dt.datetime.now(dt.timezone.utc) + AHEAD:%Y-%m-%dT%H:%M:%SZ}"
    runs = [entry.run for entry in record.sets.values() if entry.run]
    for date in (record.date, *(run.date for run in runs)):
        if date > last:  # it would be the newest of its cell for as long
            raise ResultError(f"it is of {date}, which is yet to come")
    return record


class _Joint:
    """One machine's folder that comes in, and where each of its files goes."""

    def __init__(self, path: Path, name: str, host: Host, into: Store, found: Merged) -> None:
        self.path = path
        self.name = name
        self.host = host
        self.into = into
        self.found = found
        self.store = Store(path.resolve().parent)

    def join(self) -> None:
        """Take what can be taken.

        Raises:
            ResultError: There is no folder that this machine may go into.
        """
        names = sorted(path.name for path in self.path.iterdir() if _RECORD.fullmatch(path.name))
        if len(names) > MAX_FILES:
            self.found.refused.append(f"{self.name}: it holds more than {MAX_FILES} results")
            return
        came = self.store.plan(self.path.resolve().name).items()
        planned = {cell: made for cell, made in came if _CELL.fullmatch(cell) and _DIGEST.fullmatch(made)}
        first = next(self._folders())  # without one nothing is taken, and that is told once
        plans: dict[str, dict[str, str]] = {}
        for name in names:
            try:
                record = _record(self.path / name)
                slug = self._take(record)
            except ResultError as error:
                self.found.refused.append(f"{self.name}/{name[:80]}: {error.what}")
                continue
            if slug:
                plans.setdefault(slug, {})[record.cell] = planned.get(record.cell, record.inputs)
            planned.pop(record.cell, None)
        if planned:  # what its run set out to do, and was cut off before
            missing = {cell: inputs for cell, inputs in planned.items() if cell not in self.into.plan(first)}
            plans[first] = missing | plans.get(first, {})
        for slug, plan in plans.items():
            before = self.into.plan(slug)
            if before | plan != before:
                self.into.write_plan(self.host, before | plan, slug)

    def _folders(self) -> Iterator[str]:
        """The folders that this machine may go into: those of the same facts, and one that is free.

        Raises:
            ResultError: There is no free name left, or the facts of one that is taken cannot be read.
        """
        for number in range(1, MAX_TWINS + 1):
            slug = self.host.slug if number == 1 else f"{self.host.slug}-{number}"
            facts = self.into.facts(slug)
            if facts in (None, self.host):
                yield slug
        raise ResultError(
            f"{MAX_TWINS} machines are kept as {self.host.slug}", "look at what is in their folders"
        )

    def _take(self, record: Record) -> str:
        """The folder in which a record is now; empty where what is there is newer, and stays."""
        apart = False
        for slug in self._folders():
            there = self.into.read(slug, record.cell)
            if there is not None and contradicts(there, record):
                apart = True
                continue
            joined = record if there is None else _newer(there, record)
            if joined == there:
                self.found.known += 1
                return slug if there == record else ""
            self._write(joined, slug)
            self.found.taken += 1
            if apart:
                self.found.apart.append(f"{slug}/{record.cell}")
            return slug
        raise AssertionError  # the folders end in an error of their own

    def _write(self, record: Record, slug: str) -> None:
        """Write a record, its locks first: what names a lock is never there without it.

        Raises:
            ResultError: A lock of it is not there, or a newer metalmatrix wrote what is here.
        """
        entries = record.sets.values()
        named = {lock for entry in entries for lock in (entry.resolved.lock, entry.environment) if lock}
        came = [self._lock(digest) for digest in sorted(named) if self.into.lock(slug, digest) is None]
        for lock in came:
            self.into.write_lock(self.host, lock, slug)
        self.into.write(self.host, record, slug)

    def _lock(self, digest: str) -> Lock:
        """A lock that came with the results.

        Raises:
            ResultError: It did not, or is not what its name says.
        """
        try:
            lock = Lock.from_json(json.loads(_text(self.path / "locks" / f"{digest}.json")))
        except ResultError as error:
            raise ResultError(f"its lock {digest}: {error.what}") from error
        except (ValueError, RecursionError) as error:
            raise ResultError(f"its lock {digest} cannot be read: {str(error)[:200]}") from error
        if lock.digest != digest:
            raise ResultError(f"its lock {digest} is not what its name says")
        return lock


def contradicts(one: Record, other: Record) -> bool:
    """Whether two records of a cell are of the same inputs and saw another outcome.

    What depends on other inputs (another lock, other checks, other limits) is another question.
    """
    for which in SETS:
        a, b = one.sets[which].run, other.sets[which].run
        if a and b and a.inputs == b.inputs and not (a.failure or b.failure) and _seen(a) != _seen(b):
            return True
    return False


def _seen(run: Run) -> object:
    """What a run saw, without what differs each time: seconds, messages, measured facts."""
    return sorted((check.check, check.outcome, check.how) for check in run.checks)


def _newer(there: Record, record: Record) -> Record:
    """The newer of two records of a cell that agree, with the runs that only the older one has.

    A run that could not install says nothing of a cell: one of the same inputs that could is kept.
    """
    older, newer = (there, record) if there.date < record.date else (record, there)
    sets = dict(newer.sets)
    for which, entry in newer.sets.items():
        before = older.sets[which]
        same = before.environment == entry.environment
        if before.run and same and (entry.run is None or (entry.run.failure and not before.run.failure)):
            sets[which] = replace(entry, run=before.run)
    return replace(newer, sets=sets)
