"""The record of one cell on one host: what it holds, how it is written down, and what is refused.

What is read is validated by ``data/result.schema.json`` first.  A run that saw the simulated GPU of the
project's own tests is evidence of nothing: its record is refused, when it is written and when it is read.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import metalmatrix
from metalmatrix.errors import ResultError
from metalmatrix.files import PACKAGE
from metalmatrix.resolving.standin import Moved
from metalmatrix.running.conditions import Conditions
from metalmatrix.running.supervise import CheckResult
from metalmatrix.verdicts.evidence import SETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metalmatrix.verdicts.evidence import Which

SCHEMA = 2
"""2 added the limits and the seed of a run; a file of 1 is read as well."""
PARTIAL = "0" * 16
"""The inputs of a record whose cell is still running: it counts, and its cell counts as missing."""
SCHEMA_FILE = PACKAGE / "data" / "result.schema.json"
SIMULATED = "metalmatrix-simulated-gpu"
"""The test double of ``tests/simulated_gpu/``: its distribution, library, device and last words say this."""
NEWER = "git pull, to read it with the newest metalmatrix"


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
        limits: The limits of the checks, as `running.limits.Limits`; None in a record of schema 1.
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


def dump_record(record: Record) -> dict[str, Any]:
    """The record as the published schema has it."""
    return {"schema": SCHEMA, "metalmatrix": metalmatrix.__version__, **asdict(record)}


def parse_record(data: object) -> Record:
    """The record in plain data.

    Raises:
        ResultError: It is written by a newer metalmatrix, does not follow the schema, tells a day or a time
            that no calendar has, or saw the test double.
    """
    version = data.get("schema") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA:
        raise ResultError(
            f"it has schema {version}, newer than {SCHEMA}",
            NEWER,
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
    runs = {which: content["sets"][which]["run"] for which in SETS}
    for run in runs.values():
        refuse_simulated(run)
    dates = {f"sets/{which}/run/date": run["date"] for which, run in runs.items() if run}
    for where, text in {"as_of": content["as_of"], "date": content["date"], **dates}.items():
        _refuse_no_date(where, text)
    return Record(
        **{key: content[key] for key in ("cell", "as_of", "date", "inputs")},
        sets={which: _parse_set(content["sets"][which]) for which in SETS},
    )


def _refuse_no_date(where: str, text: str) -> None:
    """Refuse a day or a time of the schema's form that there is not: by its text it would be the newest."""
    try:
        dt.datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError as error:
        raise ResultError(f"{where}: {text} is no date") from error


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


def refuse_simulated(run: object) -> None:
    """Refuse a run that names the test double anywhere: a crash leaves little more than last words.

    Args:
        run: The run, in JSON's types.

    Raises:
        ResultError: It does.
    """
    if SIMULATED in json.dumps(run).lower().replace("_", "-"):
        raise ResultError(
            f"its run saw the simulated GPU of the project's tests ({SIMULATED}): it is evidence of nothing",
            f"unset TF_PLUGGABLE_DEVICE_LIBRARY_PATH, uninstall {SIMULATED}, and run the same command again",
        )


@functools.cache
def _validator() -> Any:  # noqa: ANN401 - the library's validator has no public type
    from jsonschema_rs import validator_for  # noqa: PLC0415 - 50 ms that listing the sessions need not pay

    return validator_for(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
