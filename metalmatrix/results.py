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
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import metalmatrix
from metalmatrix.conditions import Conditions
from metalmatrix.errors import MetalmatrixError, ResultError
from metalmatrix.evidence import SETS
from metalmatrix.files import read_bounded, write_atomic
from metalmatrix.host import Host
from metalmatrix.lock import Lock
from metalmatrix.standin import Moved
from metalmatrix.supervise import CheckResult

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from metalmatrix.evidence import Which

SCHEMA = 2
"""2 added the limits and the seed of a run; a file of 1 is read as well."""
PARTIAL = "0" * 16
"""The inputs of a record whose cell is still running: it counts, and its cell counts as missing."""
SCHEMA_FILE = Path(__file__).parent / "data" / "result.schema.json"
_NEWER = "git pull, to read it with the newest metalmatrix"
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Resolved:
    """What the resolver said of one set, for macOS arm64; ``lock`` is a digest."""

    outcome: Literal["ok", "fails", "unknown"]
    message: str = ""
    blame: str = ""
    lock: str | None = None
    macos: str | None = None
    macos_by: str = ""

    @property
    def asked(self) -> bool:
        """Whether the resolver could be asked: where an *unknown* is its answer, that names whom to blame."""
        return self.outcome != "unknown" or bool(self.blame)


@dataclass(frozen=True)
class Run:
    """One run of the checks in one environment.

    Attributes:
        kind: ``ran`` on Apple silicon, ``rehearsed`` elsewhere.
        date: When it ended, UTC.
        failure: Why the environment could not be made; empty where it could.
        moved: The pins that have no wheel for this platform.
        seconds: Wall-clock seconds, the installation included.
        checks: What came of each check.
        inputs: Names all it depends on: the lock, the checks, the limits and the host.
        conditions: What it was made under, on a Mac; None elsewhere, and in records of before.
        limits: The limits of the checks, as `metalmatrix.limits.Limits`; None in a record of schema 1.
        seed: The seed of everything random in the checks; None in a record of schema 1.
    """

    kind: Literal["rehearsed", "ran"]
    inputs: str
    date: str
    failure: str
    moved: tuple[Moved, ...]
    seconds: float
    checks: tuple[CheckResult, ...]
    conditions: Conditions | None = None
    limits: Mapping[str, Any] | None = None
    seed: int | None = None


@dataclass(frozen=True)
class SetRecord:
    """What one host knows of one set of a cell.

    Attributes:
        resolved: The resolver's answer.
        environment: The digest of the lock that was, or would be, installed here.
        untested: Why no checks ran for it.
        run: The run, in the record of the cell that made it; other cells find it by ``environment``.
    """

    resolved: Resolved
    environment: str | None = None
    untested: str = ""
    run: Run | None = None


@dataclass(frozen=True)
class Record:
    """What one host knows of one cell; ``inputs`` names all that the result depends on, or is `PARTIAL`."""

    cell: str
    as_of: str
    date: str
    inputs: str
    sets: Mapping[Which, SetRecord]


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
        """The run that speaks for one set: the cell's own, or that of a cell with the same environment."""
        entry = record.sets[which]
        return entry.run or self._runs.get(entry.environment or "")

    @functools.cached_property
    def by_inputs(self) -> dict[str, Run]:
        """Every run by what it depends on: one with the same inputs need not be made again.

        A failed installation is not among them: a full disk or a broken download may have passed.
        """
        runs = [e.run for r in self.records.values() for e in r.sets.values() if e.run and not e.run.failure]
        return {run.inputs: run for run in runs}

    @functools.cached_property
    def _runs(self) -> dict[str, Run]:
        """Run by environment, the newest of each."""
        runs = [
            (e.run.date, e.environment, e.run)
            for r in self.records.values()
            for e in r.sets.values()
            if e.run
        ]
        return {
            environment: run for _, environment, run in sorted(runs, key=lambda item: item[0]) if environment
        }


class Store:
    """The results folder: every read validates, every write is atomic."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def hosts(self) -> list[str]:
        """The hosts that have results, by name."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and _SLUG.fullmatch(p.name))

    def load(self, host: str, only: Container[str] | None = None) -> Results:
        """The results of a host, of all cells or of those in *only*; what cannot be used is a problem."""
        records: dict[str, Record] = {}
        problems: list[str] = []
        for path in sorted((self.root / host).glob("py3*.json")):
            if only is not None and path.stem not in only:
                continue
            try:
                record = self._read(path)
            except MetalmatrixError as error:
                problems.append(f"{host}/{path.name[:80]}: {error.what}")
            else:
                records[record.cell] = record
        planned = self.plan(host)
        missing = [
            cell for cell, inputs in planned.items() if cell not in records or records[cell].inputs != inputs
        ]
        return Results(host, records, tuple(problems), tuple(missing), self._machine(host))

    def _machine(self, host: str) -> Host | None:
        """The recorded facts of a host."""
        try:
            return Host.from_json(json.loads(read_bounded(self._path(host, "host.json"))))
        except (OSError, ValueError, RecursionError, ResultError):
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

    def write(self, host: Host, record: Record) -> None:
        """Keep a record, and the facts of its host."""
        facts = self._path(host.slug, "host.json")
        if not facts.exists():
            write_atomic(facts, json.dumps(host.to_json(), indent=1, sort_keys=True) + "\n")
        data = dump_record(record)
        parse_record(json.loads(json.dumps(data)))  # what cannot be read again is never written
        path = self._path(host.slug, f"{record.cell}.json")
        if _schema_of(path) > SCHEMA:
            raise ResultError(f"{path.name} is written by a newer metalmatrix, and is left as it is", _NEWER)
        write_atomic(
            path,
            json.dumps(data, indent=1, ensure_ascii=False) + "\n",
        )

    def write_lock(self, host: Host, lock: Lock) -> None:
        """Keep a lock under its digest, a package a line."""
        path = self._path(host.slug, f"locks/{lock.digest}.json")
        if self.lock(host.slug, lock.digest) is None:
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

    def write_plan(self, host: Host, planned: Mapping[str, str]) -> None:
        """Note what a run sets out to do, before it begins: what is missing afterwards shows."""
        text = json.dumps({"schema": SCHEMA, "planned": dict(planned)}, indent=1, sort_keys=True)
        write_atomic(self._path(host.slug, "plan.json"), text + "\n")

    def _path(self, host: str, name: str) -> Path:
        if not _SLUG.fullmatch(host):
            raise ResultError(f"{host[:80]!r} is no name of a host")
        return self.root / host / name


def dump_record(record: Record) -> dict[str, Any]:
    """The record as the published schema has it."""
    return {"schema": SCHEMA, "metalmatrix": metalmatrix.__version__, **asdict(record)}


def _schema_of(path: Path) -> int:
    """The schema of the file that is there; 0 where there is none that can be read."""
    try:
        found = json.loads(read_bounded(path))["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0
    return found if isinstance(found, int) else 0


def parse_record(data: object) -> Record:
    """The record in plain data.

    Raises:
        ResultError: It is written by a newer metalmatrix, or does not follow the schema.
    """
    version = data.get("schema") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA:
        raise ResultError(
            f"it has schema {version}, newer than {SCHEMA}",
            _NEWER,
        )
    if isinstance(data, dict) and version == 1 and version is not True:
        data = _from_schema_1(data)
    try:
        error = next(iter(_validator().iter_errors(data)), None)
    except ValueError as problem:  # half a character, or nested deeper than it follows
        raise ResultError(f"it cannot be checked: {problem}") from problem
    if error is not None:
        where = "/".join(str(part)[:40] for part in error.instance_path) or "the file"
        raise ResultError(f"{where}: {error.message[:200]}")
    content = cast("dict[str, Any]", data)
    return Record(
        **{key: content[key] for key in ("cell", "as_of", "date", "inputs")},
        sets={which: _parse_set(content["sets"][which]) for which in SETS},
    )


def _from_schema_1(data: dict[str, Any]) -> dict[str, Any]:
    """The data as schema 2 has it; what is wrong with it stays wrong, for the validator to find."""

    def newer(entry: object) -> object:
        if not isinstance(entry, dict) or not isinstance(entry.get("run"), dict):
            return entry
        return {**entry, "run": {**entry["run"], "limits": None, "seed": None}}

    sets = data.get("sets")
    if isinstance(sets, dict):
        sets = {which: newer(entry) for which, entry in sets.items()}
    return {**data, "schema": 2, "sets": sets}


def _parse_set(data: dict[str, Any]) -> SetRecord:
    run = data["run"]
    if run is not None:
        moved = tuple(Moved(**item) for item in run["moved"])
        checks = tuple(CheckResult(**check) for check in run["checks"])
        conditions = Conditions(**run["conditions"]) if run.get("conditions") else None
        run = Run(**{**run, "moved": moved, "checks": checks, "conditions": conditions})
    return SetRecord(**{**data, "resolved": Resolved(**data["resolved"]), "run": run})


@functools.cache
def _validator() -> Any:  # noqa: ANN401 - the library's validator has no public type
    from jsonschema_rs import validator_for  # noqa: PLC0415 - 50 ms that listing the sessions need not pay

    return validator_for(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
