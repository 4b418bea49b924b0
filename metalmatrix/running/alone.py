"""One check alone, in the environment of a cell: what to type to see a failure again, and its doing.

The environment is made from the lock that the result was had under, and kept, so that the next time
costs no installation; `nox -s matrix -- --keep` leaves the same one.  The command is made of the names
of a cell and a check, and of nothing else that a result says.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from metalmatrix.errors import IndexUnreachableError, ResultError, ToolMissingError, UsageError
from metalmatrix.running.environment import InstallError
from metalmatrix.running.host import this_host
from metalmatrix.running.routes import environment_of
from metalmatrix.running.supervise import run_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from metalmatrix.cells.cell import Cell
    from metalmatrix.running.limits import Limits
    from metalmatrix.running.results import Store
    from metalmatrix.running.supervise import CheckResult
    from metalmatrix.verdicts.evidence import Which


def command(cell_id: str, check: str, which: Which = "pinned") -> str:
    """What runs one check of a cell alone, in an environment that is kept."""
    return f"nox -s check -- --cell {cell_id} --only {check}{' --plain' if which == 'plain' else ''}"


def command_in(python: Path, check: str) -> str:
    """What runs one check alone in an environment that exists already."""
    return f"python -m metalmatrix check --python {shlex.quote(str(python))} --only {check}"


def run_alone(
    cell: Cell,
    which: Which,
    store: Store,
    limits: Limits,
    only: Sequence[str] | None,
    tell: Callable[[str], None],
) -> tuple[CheckResult, ...]:
    """The results of the checks *only* under the lock that this machine recorded for a set of *cell*.

    Raises:
        UsageError: There is no such record, or nothing that could be installed here.
        ToolMissingError: The Python is not on this machine, or the lock cannot be installed.
        IndexUnreachableError: A wheel was needed and could not be had.
    """
    host = this_host().slug
    again = f'nox -s "matrix({cell.id})"'
    record = store.read(host, cell.id)
    if record is None:
        raise UsageError(f"This machine has no result of {cell.id}.", again)
    digest = record.sets[which].environment
    if digest is None:
        raise UsageError(f"The {which} set of {cell.id} cannot be run here: {record.sets[which].untested}.")
    lock = store.lock(host, digest)
    if lock is None:
        raise ResultError(f"The lock {digest} is missing or damaged.", f"{again} -- --fresh")
    with environment_of(cell, keep=True, reuse=True) as place:
        tell(f"the environment is kept: {place.python}")
        try:
            place.sync(lock)
        except InstallError as error:
            kind = IndexUnreachableError if error.unreachable else ToolMissingError
            raise kind(f"The {which} set of {cell.id}: {error}.", "the same command again") from error
        return run_checks(place.python, limits, only, tell, lite=bool(cell.lite))
