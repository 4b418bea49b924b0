"""The results: one file per host and cell, validated when read, written the moment it is known.

::

    results/<host>/host.json            the facts of the machine
    results/<host>/<cell>.json          what it knows of a cell: both sets, resolved and run
    results/<host>/locks/<digest>.json  the exact locks, each once
    results/<host>/plan.json            what the last run set out to do: a cell without its result is missing

A file that is damaged, or written by a newer metalmatrix, is set aside with the reason; the others
count.  Nothing in a file becomes a path unless it is a cell's id or a digest.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import route_of
from metalmatrix.errors import MetalmatrixError, ResultError
from metalmatrix.files import cache_dir, read_bounded, write_atomic
from metalmatrix.resolving.lock import Lock
from metalmatrix.running.host import Host
from metalmatrix.running.record import NEWER, SCHEMA, dump_record, parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from filelock import FileLock

    from metalmatrix.running.record import Record, Run
    from metalmatrix.verdicts.evidence import Which

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Results:
    """All that one host knows.

    Attributes:
        host: The folder's name.
        records: Record by cell id.
        problems: Files that were set aside, each with the reason.
        missing: Cells that the last run set out to do and has no result of.
        machine: The recorded facts of the host; None where they cannot be read.
    """

    host: str
    records: Mapping[str, Record]
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    machine: Host | None = None

    @property
    def apple_silicon(self) -> bool:
        """Whether the host is an Apple-silicon Mac, by its recorded facts."""
        return self.machine is not None and self.machine.is_apple_silicon

    def run(self, record: Record, which: Which) -> Run | None:
        """The run that speaks for one set: the cell's own, or that of a cell with the same environment.

        By another route it is another environment, whatever is installed into it.
        """
        entry = record.sets[which]
        return entry.run or self._runs.get((route_of(record.cell), entry.environment or ""))

    @functools.cached_property
    def by_inputs(self) -> dict[str, Run]:
        """Every run by what it depends on: one with the same inputs need not be made again.

        A failed installation is not among them: a full disk or a broken download may have passed.
        """
        runs = [e.run for r in self.records.values() for e in r.sets.values() if e.run and not e.run.failure]
        return {run.inputs: run for run in runs}

    @functools.cached_property
    def _runs(self) -> dict[tuple[str, str], Run]:
        """Run by route and environment, the newest of each."""
        runs = [
            ((route_of(r.cell), e.environment), e.run)
            for r in self.records.values()
            for e in r.sets.values()
            if e.run and e.environment
        ]
        return dict(sorted(runs, key=lambda item: item[1].date))


class Store:
    """The results folder: every read validates, every write is atomic."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @functools.cached_property
    def turn(self) -> FileLock:
        """Held by whoever writes what depends on what is there: one process, or thread, of a user at a time.

        Who holds it by this store may take it again.  It lies with the caches, since results are committed.
        """
        from filelock import FileLock  # noqa: PLC0415 - listing the sessions writes nothing

        name = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:16]
        return FileLock(cache_dir() / "locks" / f"results-{name}.lock")

    def hosts(self) -> list[str]:
        """The hosts that have results, by name."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and _SLUG.fullmatch(p.name))

    def load(self, host: str, only: Iterable[str] | None = None) -> Results:
        """The results of a host, of all cells or of those in *only*; what cannot be used is a problem.

        What the last run set out to do, and so what is missing, is told where all cells are asked for.
        """
        records: dict[str, Record] = {}
        problems: list[str] = []
        if only is None:
            paths = sorted((self.root / host).glob("py3*.json"))
        else:
            paths = [path for cell in sorted(only) if (path := self._path(host, f"{cell}.json")).exists()]
        for path in paths:
            try:
                record = self._read(path)
            except MetalmatrixError as error:
                problems.append(f"{host}/{path.name[:80]}: {error.what}")
            else:
                records[record.cell] = record
        planned = self.plan(host) if only is None else {}
        missing = [
            cell for cell, inputs in planned.items() if cell not in records or records[cell].inputs != inputs
        ]
        return Results(host, records, tuple(problems), tuple(missing), self._machine(host))

    def facts(self, host: str) -> Host | None:
        """The recorded facts of a host; None where there are none.

        Raises:
            ResultError: They cannot be read.
        """
        try:
            return Host.from_json(json.loads(read_bounded(self._path(host, "host.json"))))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise ResultError(f"{host}/host.json cannot be read: {str(error)[:200]}") from error

    def _machine(self, host: str) -> Host | None:
        try:
            return self.facts(host)
        except ResultError:
            return None

    def read(self, host: str, cell: str) -> Record | None:
        """One cell's record; None where there is none that can be used."""
        try:
            return self._read(self._path(host, f"{cell}.json"))
        except ResultError:
            return None

    def _read(self, path: Path) -> Record:
        try:
            data = json.loads(read_bounded(path))
        except (OSError, ValueError, RecursionError) as error:
            raise ResultError(f"it cannot be read: {error}") from error
        record = parse_record(data)
        if f"{record.cell}.json" != path.name:
            raise ResultError(f"it is about {record.cell}")
        return record

    def write(self, host: Host, record: Record, folder: str = "") -> None:
        """Keep a record, and the facts of its host, in its folder or in one of another name.

        Raises:
            ResultError: It could not be read again, or a newer metalmatrix wrote the one that is there.
        """
        data = dump_record(record)
        parse_record(json.loads(json.dumps(data)))  # what cannot be read again is never written
        folder = folder or host.slug
        facts = self._path(folder, "host.json")
        path = self._path(folder, f"{record.cell}.json")
        with self.turn:
            if not facts.exists():
                write_atomic(facts, json.dumps(host.to_json(), indent=1, sort_keys=True) + "\n")
            if _schema_of(path) > SCHEMA:
                raise ResultError(
                    f"{path.name} is written by a newer metalmatrix, and is left as it is", NEWER
                )
            write_atomic(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    def write_lock(self, host: Host, lock: Lock, folder: str = "") -> None:
        """Keep a lock under its digest, a package a line."""
        folder = folder or host.slug
        path = self._path(folder, f"locks/{lock.digest}.json")
        if self.lock(folder, lock.digest) is None:
            lines = ",\n".join(json.dumps(package, sort_keys=True) for package in lock.to_json())
            write_atomic(path, f"[\n{lines}\n]\n")

    def lock(self, host: str, digest: str) -> Lock | None:
        """A lock by its digest; None where it is not there, or not what its name says."""
        try:
            lock = Lock.from_json(json.loads(read_bounded(self._path(host, f"locks/{digest}.json"))))
        except (OSError, ValueError, ResultError):
            return None
        return lock if lock.digest == digest else None

    def plan(self, host: str) -> dict[str, str]:
        """What the last run set out to do: the inputs by cell id."""
        try:
            data = json.loads(read_bounded(self._path(host, "plan.json")))
            planned = data["planned"]
            if all(isinstance(text, str) for item in planned.items() for text in item):
                return dict(planned)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return {}

    def write_plan(self, host: Host, planned: Mapping[str, str], folder: str = "") -> None:
        """Note what a run sets out to do, before it begins: what is missing afterwards shows."""
        text = json.dumps({"schema": SCHEMA, "planned": dict(planned)}, indent=1, sort_keys=True)
        write_atomic(self._path(folder or host.slug, "plan.json"), text + "\n")

    def _path(self, host: str, name: str) -> Path:
        if not _SLUG.fullmatch(host):
            raise ResultError(f"{host[:80]!r} is no name of a host")
        return self.root / host / name


def _schema_of(path: Path) -> int:
    """The schema of the file that is there; 0 where there is none that can be read."""
    try:
        found = json.loads(read_bounded(path))["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0
    return found if isinstance(found, int) else 0
